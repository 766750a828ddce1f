#!/usr/bin/env bats
# Tests `embargo exec-patch` by root where root is not the host's: Docker under a remapped root, and
# containers of an unprivileged user's Podman, whose state that user wrote and whose processes root
# must not touch by mistake on his behalf.

bats_require_minimum_version 1.5.0
load lib/room
load lib/node
load lib/images
load lib/docker
load lib/containerd
load lib/podman
load lib/tenant
load lib/patch

STORE=docker:
DOCKER_STORE=userns-remap

setup_file() {
  make_tenant
  remapped_too
  mkdir -p /etc/containers
  fleet_podman_settings >/etc/containers/containers.conf
  : >"$FLEET"
  use plain
  start_remapped_docker
  docker_images
  docker save -o "$ROOM/images.tar" base:1 app:1 other:1
  chmod 0644 "$ROOM/images.tar"
  chmod 0755 "$ROOM"
  tenant podman load -q <"$ROOM/images.tar"
  BASE=$(chain_id $(docker image inspect --format '{{range .RootFS.Layers}}{{.}} {{end}}' base:1))
  echo "$BASE" >"$ROOM/base"
}

teardown_file() {
  docker ps -aq | xargs -r docker rm -f >/dev/null
  stop_docker
}

setup() {
  settings "former_runtimes = [\"$CRUN\"]"
  BASE=$(cat "$ROOM/base")
}

teardown() {
  answer_again
  tenant podman rm -fa -t 0 >/dev/null
  docker ps -aq | xargs -r docker rm -f >/dev/null
  rm -rf /run/user/4321/runc/forged* /run/user/4321/crun/forged* "$PATCHES"
  : >"$FLEET"
}

# Both need numbers of their own; docker.bash gives all of them to Docker's.
remapped_too() {
  useradd --system --no-create-home remapped
  remapped_user() {
    printf 'remapped:265536:65536\ntenant:100000:65536\n' | tee /etc/subuid >/etc/subgid
  }
}

start_remapped_docker() {
  start_docker
}

# of_tenant NAME IMAGE [FLAG…]: a container of the user's.
of_tenant() {
  local name=$1 image=$2 id
  shift 2
  id=$(tenant podman run -d --name "$name" --network none "$@" "localhost/$image:1" sleep 100000 3>&-) || return 1
  echo "$name podman - $image $id $(tenant podman inspect -f '{{.State.Pid}}' "$id")" >>"$FLEET"
}

@test "Docker under a remapped root: patched as the root of its namespace, the others untouched" {
  in_docker mapped app
  in_docker mapped-other other
  ends 0 --base "$BASE" -- sh -c 'echo patched >>/patched'
  only_patched 1 mapped
  [ "$(stat -c %u "$(inside mapped)/patched")" -eq 265536 ]
}

@test "a user's containers are patched by root, as the root of their namespace" {
  of_tenant web-1 app
  of_tenant web-2 app --userns keep-id
  of_tenant calm-1 other
  ends 0 --base "$BASE" -- sh -c 'echo patched >>/patched'
  only_patched 1 web-1 web-2
  [ "$(stat -c %u "$(inside web-1)/patched")" -eq 4321 ]
}

@test "a user's container is left as it is in every other way" {
  local map
  of_tenant web-1 app
  map=$(cat "/proc/$(pid_of web-1)/uid_map")
  ends 0 --base "$BASE" -- sh -c 'cat /proc/self/uid_map >/patched; grep -E "^(Cap|NoNewPrivs|Seccomp)" /proc/self/status >>/patched'
  [ "$(head -n "$(wc -l <<<"$map")" "$(inside web-1)/patched")" = "$map" ]
  [ "$(grep -E '^(Cap|NoNewPrivs|Seccomp)' "$(inside web-1)/patched")" = "$(grep -E '^(Cap|NoNewPrivs|Seccomp)' "/proc/$(pid_of web-1)/status")" ]
}

@test "a user's container that takes too long is ended as that user" {
  of_tenant web-1 app
  patch --base "$BASE" --timeout 2s -- sh -c 'trap "" TERM; (trap "" TERM; while :; do sleep 0.3; done) & while :; do sleep 0.3; done'
  [ "$status" -eq 3 ] || fail "$(said)"
  came_to web-1 'timed-out'
  [ "$(ps -eo pidns=,stat= | awk -v space="$(ps -o pidns= -p "$(pid_of web-1)" | tr -d ' ')" '$1 == space && $2 !~ /^Z/' | wc -l)" -eq 1 ]
}

@test "a user who patches his own containers needs no root, or is told that he does" {
  of_tenant web-1 app
  run --separate-stderr tenant "$EMBARGO" exec-patch --base "$BASE" -- sh -c 'echo patched >>/patched'
  [ "$status" -eq 0 ] || [ -n "$stderr" ]
}

@test "a state that a user made up leads to no process of another's" {
  local canary directory
  of_tenant web-1 app
  in_docker victim app
  # A state that says: this container's first process is one of root's.
  sleep 4444 3>&- &
  canary=$!
  for directory in /run/user/4321/crun/forged-1 /run/user/4321/crun/forged-2; do
    install -d -o tenant -m 0700 "$directory"
    cp -r "/run/user/4321/crun/$(id_of web-1)/." "$directory"
  done
  jq --argjson pid "$canary" --argjson start "$(awk '{ print $22 }' "/proc/$canary/stat")" '.pid = $pid | ."process-start-time" = $start' \
    "/run/user/4321/crun/forged-1/status" >"$ROOM/status"
  cat "$ROOM/status" >/run/user/4321/crun/forged-1/status
  jq --argjson pid "$(pid_of victim)" --argjson start "$(awk '{ print $22 }' "/proc/$(pid_of victim)/stat")" '.pid = $pid | ."process-start-time" = $start' \
    "/run/user/4321/crun/forged-2/status" >"$ROOM/status"
  cat "$ROOM/status" >/run/user/4321/crun/forged-2/status
  chown -R tenant /run/user/4321/crun
  patch --base "$BASE" --timeout 3s -- sh -c 'echo "$(id -u)" >>/patched; sleep 100'
  [ "$status" -eq 3 ] || fail "$(said)"
  kill -0 "$canary" || fail "it was ended" "$(said)"
  kill -0 "$(pid_of victim)" || fail "it was ended" "$(said)"
  kill "$canary"
  [ ! -e /patched ]
  [ "$(lines victim)" -le 1 ] || fail "$(said)"
}

# The owner was once asked of the path after it had been read: whoever swapped the directory in between had a program of his run as root of the host.
@test "a state that a user swaps while it is read stays his word" {
  local claimed thief bundle his evil=/run/user/4321/evil
  of_tenant web-1 app
  in_docker victim app
  # Its namespace has another name with each generation of Docker.
  bundle=$(find /run/docker/containerd -type d -path "*.task/moby*/$(id_of victim)")
  # What he may not read himself is not read for him; a copy of it is.
  his=/run/user/4321/${bundle#/run/docker/containerd/}
  install -d -o tenant -m 0755 "$his"
  install -o tenant -m 0644 "$bundle/config.json" "$his"
  install -d -o tenant -m 0755 $evil
  # shellcheck disable=SC2016
  printf '#!/bin/sh\necho "$(/usr/bin/id -u)" >>%s/ran\n' $evil >$evil/sh
  chmod 0755 $evil/sh
  install -o tenant -m 0666 /dev/null $evil/ran
  sleep 4444 3>&- &
  claimed=$!
  tenant python3 "$ROOM/integration/lib/swap-state.py" /run/user/4321/crun "$(id_of web-1)" "$(id_of victim)" "$his" \
    "$claimed" "$(awk '{ print $22 }' "/proc/$claimed/stat")" $evil >"$LOGS/swap" 2>&1 3>&- &
  thief=$!
  within 10 grep -q ready "$LOGS/swap"
  patch --base "$BASE" --canary 0 -- sh -c 'echo patched >>/patched'
  kill "$claimed"
  wait "$thief"
  grep -qx 'swapped 0 0' "$LOGS/swap" || fail "$(cat "$LOGS/swap")" "$(said)"
  ! grep -x 0 $evil/ran || fail "as root" "$(said)"
  [ ! -e /patched ]
  [ "$status" -eq 3 ] || fail "$(said)"
  [ "$(lines victim)" -eq 1 ] || fail "$(said)"
  jq -es 'any(.[]; .event == "started" and .engine == "docker" and .owner == 4321)' "$PATCHES/$(last_run)/journal.jsonl" >/dev/null ||
    fail "it is nobody's" "$(said)"
}

# never_answers DIRECTORY: a file system of the user's stands there from now on, and answers nothing.
never_answers() {
  python3 "$ROOM/integration/lib/never-answers.py" "$1" 4321 >"$LOGS/never-answers" 2>&1 3>&- &
  echo "$! $1" >>"$ROOM/never-answers"
  within 10 grep -q ready "$LOGS/never-answers"
}

answer_again() {
  local process directory
  [ -e "$ROOM/never-answers" ] || return 0
  while read -r process directory; do
    kill -9 "$process"
    umount -l "$directory"
  done <"$ROOM/never-answers"
  rm "$ROOM/never-answers"
}

# It once held them for as long as he liked, and nothing could end them.
@test "a user's file system that never answers keeps nobody waiting, and hides nobody else's containers" {
  local place began
  of_tenant web-1 app
  in_docker victim app
  for place in /run/user/4321/crun "$TENANT_HOME/.local/share/containers/storage"; do
    never_answers "$place"
    began=$SECONDS
    ends 3 --base "$BASE" -- sh -c 'echo patched >>/patched'
    [ "$(lines victim)" -ge 1 ] || fail "$(said)"
    [[ $stderr$output == *"no answer in time"* ]] || fail "$(said)"
    # Not "not found", which is 4: it may be his.
    run --separate-stderr timeout 60 "$EMBARGO" check --container web-1
    [ "$status" -eq 3 ] || fail "exit status $status" "$output" "$stderr"
    [[ $stderr == *"no answer in time"* ]] || fail "$output" "$stderr"
    [ $((SECONDS - began)) -lt 60 ] || fail "$((SECONDS - began)) seconds"
    answer_again
  done
}
