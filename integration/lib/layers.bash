# Builds images of many tiny layers, one on top of the other, in the engine that ENGINE names:
# docker, containerd or podman. All of them are built on the image of one layer. COUNTS are their
# numbers of layers; the last is the most that the engine takes.

LAYOUT=$ROOM/layout
STORE=oci:$LAYOUT:

make_layout() {
  busybox_root "$ROOM/root-base" base
  /usr/bin/python3 "$LIB/layers.py" "$LAYOUT" "$ROOM/root-base" "$@"
}

start_engine() {
  use plain
  case $ENGINE in
    docker) start_docker ;;
    containerd)
      containerd_settings >/etc/containerd/config.toml
      PATH=$ROOM/path:$PATH start_daemon containerd containerd
      ready containerd 20 ctr version ;;
    podman)
      mkdir -p /etc/containers
      podman_settings >/etc/containers/containers.conf
      printf '{"default":[{"type":"insecureAcceptAnything"}]}' >/etc/containers/policy.json
      storage_settings >/etc/containers/storage.conf ;;
  esac
}

stop_engine() {
  case $ENGINE in
    docker) stop_docker ;;
    containerd) stop_containerd ;;
    podman) ;;
  esac
}

# load COUNT: the image of so many layers, as layers:COUNT.
load_image() {
  case $ENGINE in
    docker) skopeo --insecure-policy copy -q "oci:$LAYOUT:$1" "docker-daemon:layers:$1" ;;
    containerd)
      local local=()
      ! ctr image import --help | grep -q -- --local || local=(--local)
      [ -e "$ROOM/layout.tar" ] || tar -C "$LAYOUT" -cf "$ROOM/layout.tar" .
      [ -e "$ROOM/imported" ] || ctr image import "${local[@]}" --base-name layers --snapshotter "$SNAPSHOTTER" "$ROOM/layout.tar"
      touch "$ROOM/imported" ;;
    podman) podman tag "$(podman pull -q "oci:$LAYOUT:$1")" "localhost/layers:$1" ;;
  esac
}

# start COUNT [COMMAND…]: a container of the image of so many layers; echoes how many it has unless said otherwise.
start() {
  local count=$1
  shift
  [ "$#" -gt 0 ] || set -- sh -c 'echo "$0 layers"; sleep 0.3' "$count"
  case $ENGINE in
    docker) docker run --rm "layers:$count" "$@" ;;
    containerd) ctr run --rm --snapshotter "$SNAPSHOTTER" --runc-binary "$RUNTIME" --runtime io.containerd.runc.v2 "layers:$count" "${AS:-one}" "$@" ;;
    podman) podman --runtime "$RUNTIME" run --rm "layers:$count" "$@" ;;
  esac
}

# start_large: a container of the image with the large config. Docker repeats its labels in the container's record; containerd takes no such labels,
# and Podman no config above 4 MiB.
start_large() {
  local local=()
  [ -e "$ROOM/large.tar" ] || /usr/bin/python3 "$LIB/layers.py" --large "$ROOM/large.tar" "$ROOM/root-base" "$([ "$ENGINE" = docker ] && echo labels || echo history)"
  case $ENGINE in
    docker)
      docker image inspect large:1 >/dev/null 2>&1 || docker load -q -i "$ROOM/large.tar" >/dev/null
      docker run --rm large:1 ;;
    containerd)
      ! ctr image import --help | grep -q -- --local || local=(--local)
      ctr image ls -q | grep -q large || ctr image import "${local[@]}" --snapshotter "$SNAPSHOTTER" "$ROOM/large.tar" >/dev/null
      ctr run --rm --snapshotter "$SNAPSHOTTER" --runc-binary "$RUNTIME" --runtime io.containerd.runc.v2 docker.io/library/large:1 one sh -c 'echo runs; sleep 0.3' ;;
    podman) fail "podman takes no such config" ;;
  esac
}

# keep COUNT: one that runs in the background, called running-COUNT.
keep() {
  case $ENGINE in
    docker) docker run -d --name "running-$1" "layers:$1" sleep 1000 ;;
    containerd) ctr run -d --snapshotter "$SNAPSHOTTER" --runc-binary "$RUNTIME" --runtime io.containerd.runc.v2 "layers:$1" "running-$1" sleep 1000 ;;
    podman) podman --runtime "$RUNTIME" run -d --name "running-$1" "layers:$1" sleep 1000 ;;
  esac
}

# in_running COUNT COMMAND…: in the container that keep has started.
in_running() {
  local count=$1
  shift
  case $ENGINE in
    docker) docker exec "running-$count" "$@" ;;
    containerd) ctr task exec --exec-id "inside-$RANDOM" "running-$count" "$@" ;;
    podman) podman --runtime "$RUNTIME" exec "running-$count" "$@" ;;
  esac
}

end_all() {
  local id
  case $ENGINE in
    docker | podman) remove_containers ;;
    containerd)
      for id in $(ctr task ls -q); do ctr task rm -f "$id" >/dev/null 2>&1 || true; done
      for id in $(ctr container ls -q); do ctr container rm "$id" || true; done ;;
  esac
}

# step COUNT: builds a layer on the image of so many.
step() {
  printf 'FROM %slayers:%s\nRUN touch /made\n' "$([ "$ENGINE" = docker ] || echo localhost/)" "$1" >"$BUILD/step.dockerfile"
  case $ENGINE in
    # Quietly, BuildKit does not show what the step said.
    docker) BUILDKIT_PROGRESS=plain docker build --no-cache -f "$BUILD/step.dockerfile" "$BUILD" ;;
    podman) podman --runtime "$RUNTIME" build -q --no-cache -f "$BUILD/step.dockerfile" "$BUILD" ;;
  esac
}
