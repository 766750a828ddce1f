# Starts containerd by itself, with its CRI plugin. SNAPSHOTTER is overlayfs, native, btrfs or (2.1
# and newer) erofs.

SNAPSHOTTER=${SNAPSHOTTER:-overlayfs}
SOCKET=/run/containerd/containerd.sock

# Settings in the form of version 2, which 1.6 and 2.x read; every runtime handler a pod can ask for is RUNTIME.
containerd_settings() {
  cat <<TOML
version = 2
$([ "$SNAPSHOTTER" != erofs ] || printf '[plugins."io.containerd.service.v1.diff-service"]\n  default = ["erofs", "walking"]')
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/library/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "$SNAPSHOTTER"
    default_runtime_name = "embargo"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.embargo]
      runtime_type = "io.containerd.runc.v2"
      pod_annotations = ["*"]
      container_annotations = ["*"]
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.embargo.options]
        BinaryName = "$RUNTIME"
TOML
}

# start_containerd NAMESPACE: with all images of images.bash imported into it, and a pause image on a root of its own.
start_containerd() {
  use plain
  containerd_settings >/etc/containerd/config.toml
  DOCKER_STORE=overlay2 start_docker
  docker_images
  busybox_root "$ROOM/root-pause" pause
  tar -C "$ROOM/root-pause" -c . | docker import --change 'CMD ["/bin/sleep", "100000"]' - pause:1
  docker save -o "$ROOM/images.tar" base:1 app:1 deep:1 cured:1 other:1 pause:1
  stop_docker
  [ "$SNAPSHOTTER" != btrfs ] || btrfs_at /var/lib/containerd
  PATH=$ROOM/path:$PATH start_daemon containerd containerd
  ready containerd 20 ctr version
  import_images "$1"
}

# containerd 2's import unpacks into the snapshotters of its own settings only, unless the client does it.
import_images() {
  local local=()
  ! ctr image import --help | grep -q -- --local || local=(--local)
  ctr -n "$1" image import "${local[@]}" --snapshotter "$SNAPSHOTTER" "$ROOM/images.tar"
}

stop_containerd() {
  stop_daemon containerd
}

# cri COMMAND…: see cri.py.
cri() {
  /usr/bin/python3 "$LIB/cri.py" "$SOCKET" "$@"
}

# clear_pods: stops and removes every pod.
clear_pods() {
  local id
  for id in $(cri pods); do
    cri stop-pod "$id"
    cri remove-pod "$id"
  done
}
