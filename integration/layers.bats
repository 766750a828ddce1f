#!/usr/bin/env bats
# Tests images of 1 layer to the most that an engine takes: mounts have other forms when layers are
# many. ENGINE is docker, containerd or podman, COUNTS the numbers of layers that are tried.

bats_require_minimum_version 1.5.0
load lib/room
load lib/node
load lib/images
load lib/docker
load lib/containerd
load lib/podman
load lib/layers
load lib/patch

IFS=, read -ra NUMBERS <<<"$COUNTS"
MOST=${NUMBERS[-1]}

setup_file() {
  make_layout $((MOST - 1)) "${NUMBERS[@]}"
  start_engine
  local count
  # The others share its layers.
  for count in "$MOST" $((MOST - 1)) "${NUMBERS[@]}"; do
    load_image "$count" || fail "cannot load the image of $count layers" || return 1
  done
  hear_system_log
  trust_an_author
}

teardown_file() {
  stop_engine
  stop_daemon system-log
}

setup() {
  settings 'max_impact = "100%"' "former_runtimes = [\"$(command -v crun)\"]"
  forget_lists
}

teardown() {
  use plain
  end_all
}

@test "a clean container starts, however many layers its image has" {
  local count
  ban_nothing
  for count in "${NUMBERS[@]}"; do
    works_under_both start "$count"
    [[ $seen == *"$count layers"* ]] || fail "$seen"
  done
  heard_nothing
}

@test "a banned base is refused for the ban, however many layers stand on it" {
  local count
  ban_and_publish 1
  for count in "${NUMBERS[@]}"; do
    refused_only_by_embargo "$([ "$ENGINE" = docker ] && echo 125 || { [ "$ENGINE" = podman ] && echo 126 || echo 1; })" start "$count"
  done
}

@test "of two images that differ in the topmost layer alone only the banned one is refused" {
  ban_and_publish "$MOST"
  use embargo
  start $((MOST - 1))
  run start "$MOST"
  [ "$status" -ne 0 ]
  is_refusal "$output"
}

@test "a refusal of the image with the most layers leaves nothing behind" {
  ban_and_publish 1
  use embargo
  refused() { ! start "$MOST" 2>/dev/null; }
  leaves_nothing refused
}

@test "a build step runs on as many layers as the engine takes and is refused for the ban" {
  [ "$ENGINE" != containerd ] || return 0
  local count
  for count in 1 38 $((MOST - 1)); do
    ban_nothing
    use embargo
    step "$count" || fail "no step on $count layers"
    ban_and_publish 1
    run step "$count"
    [ "$status" -ne 0 ]
    is_refusal "$output"
  done
}

@test "check and exec-patch find the running containers, however many layers they stand on" {
  local count
  ban_nothing
  use embargo
  for count in "${NUMBERS[@]}"; do
    keep "$count"
  done
  ban_and_publish 1
  for count in "${NUMBERS[@]}"; do
    checked 2 --container "running-$count"
  done
  ends 0 --ban BAN-2026-0007 -- sh -c 'echo patched >>/patched'
  for count in "${NUMBERS[@]}"; do
    [ "$(in_running "$count" cat /patched)" = patched ] || fail "not patched: the container of $count layers" "$(said)"
  done
}

# at_once COUNT TIMES: so many starts side by side, while something else keeps every processor busy. Prints what each that fails says.
at_once() {
  local number load=() starts=() failed=0
  for number in $(seq "$(($(nproc) * 2))"); do
    (while :; do :; done) 3>&- &
    load+=($!)
  done
  for number in $(seq "$2"); do
    AS=one-$number start "$1" true >"$ROOM/start-$number" 2>&1 3>&- &
    starts+=($!)
  done
  for number in "${!starts[@]}"; do
    wait "${starts[$number]}" || { failed=$((failed + 1)); cat "$ROOM/start-$((number + 1))"; }
  done
  kill "${load[@]}"
  [ "$failed" -eq 0 ]
}

@test "many starts at a time on a busy machine are all admitted" {
  # One of Podman takes a second of a processor, with no embargo near.
  local count=$((MOST < 125 ? MOST : 125)) times
  times=$([ "$ENGINE" = podman ] && echo 8 || echo 30)
  ban_nothing
  use embargo
  at_once "$count" "$times" || fail "some of them were not"
}

@test "an image config of 20 MiB is no reason to refuse, nor to let a banned one pass" {
  [ "$ENGINE" != podman ] || return 0
  # Engines are slow with it: no run under the plain runtime to compare with.
  use embargo
  ban_nothing
  start_large
  ban_and_publish 1
  run start_large
  [ "$status" -ne 0 ]
  is_refusal "$output"
}

@test "a file of names of 150,000 tags, or one that is broken, is no reason to refuse" {
  [ "$ENGINE $DOCKER_STORE" = "docker overlay2" ] || return 0
  local kind names=/var/lib/docker/image/overlay2/repositories.json
  cp "$names" "$ROOM/names"
  use embargo
  for kind in base image; do
    # Names count only where a list bans images.
    new_source
    ban 36 --as "$kind"
    publish
    jq -c '.Repositories["team/app"] = ([range(150000) | {("team/app:00000000000000000000000000000000" + tostring): ("sha256:" + "0" * 64)}] | add)' \
      "$ROOM/names" >"$names"
    [ "$(stat -c %s "$names")" -gt $((15 << 20)) ] || fail "the file is small: $(stat -c %s "$names")"
    start 1
    echo '{"Repositories":{"app":' >"$names"
    start 1
    cp "$ROOM/names" "$names"
  done
}
