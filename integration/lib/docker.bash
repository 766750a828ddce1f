# Starts Docker with its own daemon. DOCKER_STORE says where images and containers are:
#
#   overlay2, vfs, btrfs, fuse-overlayfs   graph drivers
#   userns-remap                           overlay2 under a remapped root
#   containerd                             the containerd image store (Docker 28 and newer)
#
# DOCKER_ROOT is its data root where that is not the usual one. DOCKER_CONTAINERD=own puts a
# containerd of our own under the daemon instead of the one it supervises.

DOCKER_STORE=${DOCKER_STORE:-overlay2}
[ -z "${DOCKER_ROOT:-}" ] || STORE_FLAGS=(--docker-root "$DOCKER_ROOT")

docker_settings() {
  local settings='{"default-runtime": "embargo", "runtimes": {"embargo": {"path": "'$RUNTIME'"}}'
  [ -z "${DOCKER_ROOT:-}" ] || settings+=', "data-root": "'$DOCKER_ROOT'"'
  case $DOCKER_STORE in
    overlay2 | vfs | btrfs | fuse-overlayfs) settings+=', "storage-driver": "'$DOCKER_STORE'"' ;;
    userns-remap) settings+=', "storage-driver": "overlay2", "userns-remap": "remapped"' ;;
    containerd) settings+=', "features": {"containerd-snapshotter": true}' ;;
    *) fail "unknown DOCKER_STORE $DOCKER_STORE" ;;
  esac
  printf '%s}\n' "$settings"
}

remapped_user() {
  useradd --system --no-create-home remapped 2>/dev/null || true
  echo remapped:165536:65536 | tee /etc/subuid >/etc/subgid
}

# start_docker: BuildKit's own lookup of `runc` finds RUNTIME too: first in PATH (until 25), or by the variable (26 and newer).
start_docker() {
  local arguments=()
  use plain
  mkdir -p "$ROOM/path"
  ln -sfn "$RUNTIME" "$ROOM/path/runc"
  ln -sfn "$PLAIN" "$ROOM/path/runc.real"
  [ "$DOCKER_STORE" != userns-remap ] || remapped_user
  [ "$DOCKER_STORE" != btrfs ] || btrfs_at /var/lib/docker
  if [ "${DOCKER_CONTAINERD:-}" = own ]; then
    start_daemon containerd containerd
    ready containerd 20 ctr version
    arguments+=(--containerd /run/containerd/containerd.sock)
  fi
  docker_settings >/etc/docker/daemon.json
  PATH=$ROOM/path:$PATH DOCKER_BUILDKIT_RUNC_COMMAND=$RUNTIME start_daemon docker dockerd "${arguments[@]}"
  ready docker 30 docker info
}

stop_docker() {
  stop_daemon docker
  stop_daemon containerd
}

remove_containers() {
  docker ps -aq | xargs -r docker rm -f >/dev/null
}

# diff_ids IMAGE: its layers, lowest first.
diff_ids() {
  docker image inspect --format '{{range .RootFS.Layers}}{{.}} {{end}}' "$1"
}
