# Sets up Podman and Buildah. No daemon: their files are in the room. PODMAN_RUNTIME is the real
# runtime, runc or crun; STORAGE_DRIVER, which Podman itself reads, is overlay, vfs or btrfs. With
# MOUNT_PROGRAM=fuse-overlayfs that program mounts the overlays.
#
# Podman asks a runtime for a JSON log only when it knows the runtime's *name* (libpod:
# runtime_supports_json), so both are run:
#   known    containers.conf points the name of the real runtime at RUNTIME
#   unknown  --runtime RUNTIME, whose file name is `embargo`

PODMAN_RUNTIME=${PODMAN_RUNTIME:-runc}
PLAIN=$(command -v "$PODMAN_RUNTIME")
export STORAGE_DRIVER=${STORAGE_DRIVER:-overlay}
export PODMAN_IGNORE_CGROUPSV1_WARNING=1

# The default limits are what the room may have anyway: raising them needs a capability that some machines withhold.
podman_settings() {
  cat <<TOML
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "$PODMAN_RUNTIME"
[engine.runtimes]
$PODMAN_RUNTIME = ["$RUNTIME"]
TOML
}

storage_settings() {
  printf '[storage]\ndriver = "%s"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n' "$STORAGE_DRIVER"
  [ -z "${MOUNT_PROGRAM:-}" ] || printf '[storage.options.overlay]\nmount_program = "%s"\n' "$(command -v "$MOUNT_PROGRAM")"
}

start_podman() {
  use plain
  mkdir -p /etc/containers
  podman_settings >/etc/containers/containers.conf
  storage_settings >/etc/containers/storage.conf
  [ "$STORAGE_DRIVER" != btrfs ] || btrfs_at /var/lib/containers
  podman_images
}

# known COMMAND… and unknown COMMAND…: podman under the name of the real runtime, and under one that it has never heard of.
known() {
  podman "$@"
}

unknown() {
  podman --runtime "$RUNTIME" "$@"
}

remove_containers() {
  podman rm -fa -t 0 >/dev/null
  buildah rm -a >/dev/null
}

# diff_ids IMAGE: its layers, lowest first.
diff_ids() {
  podman image inspect --format '{{range .RootFS.Layers}}{{.}} {{end}}' "$1"
}
