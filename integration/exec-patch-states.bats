#!/usr/bin/env bats
# Tests what `embargo exec-patch` finds in the runtimes' state directories: containers that never
# started, states that are broken, foreign or of a container that ended long ago, the same container
# in two places, and two containers of the same name.

bats_require_minimum_version 1.5.0
load lib/room
load lib/node
load lib/images
load lib/docker
load lib/containerd
load lib/podman
load lib/patch

STORE=docker:
DOCKER_STATES=/run/docker/runtime-runc/moby

setup_file() {
  start_engines
}

teardown_file() {
  # What lives on would hold the streams of the tests.
  clear_pods
  stop_engines
}

setup() {
  settings "former_runtimes = [\"$CRUN\"]"
}

teardown() {
  rm -rf "$DOCKER_STATES"/odd-* /run/runc/odd-* /run/crun/odd-*
  ! mountpoint -q /srv/states || umount /srv/states
  remove_fleet
  rm -rf "$PATCHES"
}

everywhere() {
  patch --base docker:base:1 "$@"
}

# odd NAME [JSON]: a directory in Docker's states, with this in the place of a state.
odd() {
  mkdir -p "$DOCKER_STATES/odd-$1"
  [ "$#" -lt 2 ] || printf '%s' "$2" >"$DOCKER_STATES/odd-$1/state.json"
}

@test "a container that was created and never started is none that runs, and is patched when it does" {
  podman create --name not-yet --network none localhost/app:1 sleep 100000
  podman init not-yet
  in_docker runs app
  ends 0 --base docker:base:1 -- "${MARK[@]}"
  only_patched 1 runs
  [ "$(podman inspect -f '{{.State.Status}}' not-yet)" = initialized ]
  [ "$(outcomes | wc -l)" -eq 1 ] || fail "$(outcomes)"
  podman start not-yet
  ends 0 --base docker:base:1 -- "${MARK[@]}"
  [ "$(wc -l <"/proc/$(podman inspect -f '{{.State.Pid}}' not-yet)/root/patched")" -eq 1 ]
}

@test "a corrupt, a foreign, an endless and a missing state cost one line each, and the others are patched" {
  in_docker runs app
  in_podman runs-too app
  odd empty ''
  odd torn '{"id":"odd-torn","init_process_pid":'
  odd foreign '{"schema": 7, "hello": "world"}'
  odd nothing
  mkdir -p "$DOCKER_STATES/odd-pipe"
  mkfifo "$DOCKER_STATES/odd-pipe/state.json"
  mkdir -p "$DOCKER_STATES/odd-huge"
  truncate -s 1G "$DOCKER_STATES/odd-huge/state.json"
  everywhere -- "${MARK[@]}"
  [ "$status" -eq 3 ] || fail "$(said)"
  only_patched 1 runs runs-too
  for name in empty torn foreign pipe huge; do
    [ "$(grep -c "odd-$name" <<<"$output$stderr")" -ge 1 ] || fail "without odd-$name" "$(said)" || return 1
  done
  [[ $output$stderr != *odd-nothing* ]] || fail "$(said)"
}

@test "what is not understood does not count where it is narrowed away" {
  in_docker runs app
  odd torn '{"id":"odd-torn","init_process_pid":'
  ends 0 --base docker:base:1 --container runs -- "${MARK[@]}"
  only_patched 1 runs
}

@test "the state of a container that has ended, or whose process ID is another's by now, is none" {
  in_docker runs app
  local state
  state=$DOCKER_STATES/$(id_of runs)/state.json
  odd ended "$(jq -c '.id = "odd-ended" | .init_process_pid = 4194000' "$state")"
  odd reused "$(jq -c '.id = "odd-reused" | .init_process_start = 1' "$state")"
  ends 0 --base docker:base:1 -- "${MARK[@]}"
  only_patched 1 runs
}

@test "thousands of directories without a state do no harm" {
  in_docker runs app
  mkdir -p "$DOCKER_STATES"/odd-{1..3000}
  ends 0 --base docker:base:1 -- "${MARK[@]}"
  only_patched 1 runs
}

@test "a container that is visible in two state directories is entered once" {
  in_podman twice app
  in_docker twice-too app
  mkdir -p /srv/states
  mount --bind /run/crun /srv/states
  settings "former_runtimes = [\"$CRUN\"]" '[engines]' 'runtime_roots = ["/srv/states", "/run/docker/runtime-runc/moby/../moby"]'
  ends 0 --base docker:base:1 --canary 0 -- "${MARK[@]}"
  only_patched 1 twice twice-too
  [ "$(outcomes | wc -l)" -eq 2 ] || fail "$(outcomes)"
}

@test "two containers of the same ID in two namespaces are two" {
  in_containerd default same app
  in_containerd batch same third
  ends 0 --base docker:base:1 --container same -- "${MARK[@]}"
  only_patched 1 default/same
  remove_ctr batch same
  sed -i '/^batch/d' "$FLEET"
  in_containerd batch same deep
  ends 0 --base docker:base:1 --container same --again -- "${MARK[@]}"
  [ "$(lines default/same)" -eq 2 ]
  [ "$(lines batch/same)" -eq 1 ]
}

@test "a container whose bundle is gone is entered all the same, or the outcome says why not" {
  in_podman without-bundle app
  in_docker beside-it app
  mv "/var/lib/containers/storage/overlay-containers/$(id_of without-bundle)/userdata/config.json" "$ROOM/moved"
  everywhere -- "${MARK[@]}"
  [ "$(lines beside-it)" -eq 1 ] || fail "$(said)"
  if [ "$(lines without-bundle)" -eq 0 ]; then
    [ "$status" -eq 3 ] || fail "$(said)"
    grep -qE "without-bundle|$(id_of without-bundle | cut -c1-12)" <<<"$output" || fail "$(said)"
  fi
  mv "$ROOM/moved" "/var/lib/containers/storage/overlay-containers/$(id_of without-bundle)/userdata/config.json"
}

@test "a container of Podman's with runc, beside one with crun: each by its own runtime" {
  in_podman by-crun app
  PODMAN_FLAGS="--runtime runc" in_podman by-runc app
  [ -e "/run/runc/$(id_of by-runc)/state.json" ]
  [ -e "/run/crun/$(id_of by-crun)/status" ]
  ends 0 --base docker:base:1 -- "${MARK[@]}"
  only_patched 1 by-crun by-runc
}

@test "containers of a pod of the CRI's are patched, and the pause container only when it is built on the base" {
  local pod main
  import_images k8s.io
  pod=$(cri pod pod)
  main=$(cri container "$pod" main docker.io/library/app:1 -- sleep 100000)
  cri start "$main"
  ends 0 --base docker:base:1 --namespace k8s.io -- "${MARK[@]}"
  [ "$(wc -l <"/proc/$(ctr -n k8s.io task ls | awk -v id="$main" '$1 == id { print $2 }')/root/patched")" -eq 1 ]
  [ "$(outcomes | wc -l)" -eq 1 ]
  clear_pods
}
