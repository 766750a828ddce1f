#!/usr/bin/env bats
# Tests `embargo exec-patch` by root in the containers of an unprivileged user's Docker. Its daemon
# runs in a user and a mount namespace of its own, made by rootlesskit, and the paths of its bundles
# exist in that mount namespace alone.

bats_require_minimum_version 1.5.0
load lib/room
load lib/node
load lib/images
load lib/docker
load lib/tenant
load lib/patch

STORE=docker:
export DOCKER_HOST=unix:///run/user/4321/docker.sock

setup_file() {
  make_tenant
  chmod 0755 "$ROOM"
  use plain
  : >"$FLEET"
  start_rootless_docker
  docker_images
  chain_id $(diff_ids base:1) >"$ROOM/base"
}

teardown_file() {
  stop_rootless_docker
}

setup() {
  settings
  BASE=$(cat "$ROOM/base")
}

teardown() {
  docker ps -aq | xargs -r docker rm -f >/dev/null
  rm -rf "$PATCHES"
  : >"$FLEET"
}

# start_rootless_docker FLAG…: as the daemon's own script starts it, with the host's network, since a room has no other.
start_rootless_docker() {
  start_daemon rootless-docker tenant env PATH=/usr/sbin:/usr/bin:/sbin:/bin DOCKERD_ROOTLESS_ROOTLESSKIT_NET=host \
    DOCKERD_ROOTLESS_ROOTLESSKIT_PORT_DRIVER=none sh /usr/share/docker.io/contrib/dockerd-rootless.sh --storage-driver vfs \
    --iptables=false --ip-forward=false --ip-masq=false --bridge=none --exec-opt native.cgroupdriver=cgroupfs "$@"
  ready rootless-docker 60 docker info
}

stop_rootless_docker() {
  docker ps -aq | xargs -r docker rm -f >/dev/null
  kill -TERM "$(cat /run/user/4321/docker.pid)"
  within 30 test ! -e /run/user/4321/docker.pid
  stop_daemon rootless-docker
}

# bundle NAME: as its runtime's state has it.
bundle() {
  jq -r '.config.labels[] | select(startswith("bundle=")) | ltrimstr("bundle=")' "/run/user/4321/docker/runtime-runc/moby/$(id_of "$1")/state.json"
}

@test "a container of a user's Docker is patched, as that user, although its bundle is not to be seen" {
  in_docker app-1 app
  in_docker app-2 deep
  in_docker other-1 other
  # What makes it hard is there.
  [ ! -e "$(bundle app-1)" ] && [[ $(bundle app-1) == /run/.ro* ]]
  ends 0 --base "$BASE" --canary 0 -- "${MARK[@]}"
  only_patched 1 app-1 app-2
  [ "$(stat -c %u "$(inside app-1)/patched")" = 4321 ]
  [ "$(outcomes | cut -f3 | sort | uniq -c | xargs)" = '2 patched' ] || fail "$(outcomes)"
  ends 0 --base "$BASE" --check 'test -e /patched' --again -- false
  [ "$(outcomes | cut -f3 | sort | uniq -c | xargs)" = '2 already-fine' ] || fail "$(outcomes)"
  # The environment and the user are the container's own.
  docker rm -f app-1 app-2 other-1 >/dev/null
  : >"$FLEET"
  in_docker own app -e OWN=here -u 1000:1000
  ends 0 --base "$BASE" --user 1000 -- sh -c 'test "$OWN" = here && test "$(id -u)" = 1000'
}

@test "a patch in a user's Docker that takes too long is ended, and one with a script is run" {
  in_docker app-1 app
  printf '#!/bin/sh\necho patched >>/patched\n' >"$ROOM/fix.sh"
  ends 0 --base "$BASE" --script "$ROOM/fix.sh"
  only_patched 1 app-1
  ends 3 --base "$BASE" --timeout 2s -- sh -c 'trap "" TERM; sleep 6543 & sleep 6543'
  came_to app-1 timed-out
  ! pgrep -xf 'sleep 6543'
}

@test "what its store is is not known where it is kept elsewhere, and that is reported" {
  stop_rootless_docker
  start_rootless_docker --data-root "$TENANT_HOME/elsewhere"
  tar -C "$ROOM/root-base" -c . | docker import - away:1
  in_docker away-1 away -- /bin/sleep 100000
  patch --base "$BASE" -- "${MARK[@]}"
  local ended=$status
  docker rm -f away-1 >/dev/null
  : >"$FLEET"
  stop_rootless_docker
  start_rootless_docker
  [ "$ended" -eq 3 ] || fail "$(said)"
  grep -q 'not understood' <<<"$output" || fail "$(said)"
}
