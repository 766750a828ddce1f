#!/usr/bin/env bats
# Tests each way in which `embargo exec-patch` can end for a container, for real. Every test starts
# what it needs, in the engine where that is easiest. What is left of a payload is found by looking,
# not from the report of exec-patch.

bats_require_minimum_version 1.5.0
load lib/room
load lib/node
load lib/images
load lib/docker
load lib/containerd
load lib/podman
load lib/patch

STORE=docker:

setup_file() {
  start_engines
  trust_an_author
  bare_image
  settings "former_runtimes = [\"$CRUN\"]"
  ban_nothing
}

teardown_file() {
  stop_engines
}

teardown() {
  local id
  for id in $(docker ps -q --filter status=paused); do
    docker unpause "$id"
  done
  remove_fleet
  rm -rf "$PATCHES"
}

# An image of another lineage that has no shell and nothing else but one program, which sleeps.
bare_image() {
  mkdir -p "$ROOM/root-bare/bin" "$ROOM/root-bare/proc" "$ROOM/root-bare/tmp"
  cp "$(command -v busybox)" "$ROOM/root-bare/bin/sleep"
  tar -C "$ROOM/root-bare" -c . | docker import - bare:1
}

# everywhere WORD…: exec-patch in every container built on base.
everywhere() {
  patch --base docker:base:1 --canary 0 "$@"
}

# processes NAME: how many run in it. Those that have ended and that the container's first process does not wait for run no more.
processes() {
  ps -eo pidns=,stat= | awk -v space="$(ps -o pidns= -p "$(pid_of "$1")" | tr -d ' ')" '$1 == space && $2 !~ /^Z/' | wc -l
}

@test "patched: the exit status of each is its own, 0, 1, 7, 127 and 255" {
  local status_of name
  for status_of in 0 1 7 127 255; do
    in_docker "exits-$status_of" app -e "HOW=$status_of"
    in_podman "leaves-$status_of" app -e "HOW=$status_of"
  done
  everywhere -- sh -c 'exit $HOW'
  [ "$status" -eq 3 ] || fail "$(said)"
  for name in exits leaves; do
    came_to $name-0 patched
    for status_of in 1 7 127 255; do
      came_to $name-$status_of "failed command $status_of"
    done
  done
}

@test "failed: ended by a signal, with 128 and its number" {
  in_docker kills-itself app
  in_podman kills-itself-too app
  everywhere -- sh -c 'kill -KILL $$'
  [ "$status" -eq 3 ] || fail "$(said)"
  came_to kills-itself 'failed command 137'
  came_to kills-itself-too 'failed command 137'
}

@test "could not enter: no such program, no shell, and 255 is not taken for the command's" {
  in_docker no-program app
  in_podman no-program-too app
  everywhere -- /no/such/program
  [ "$status" -eq 3 ] || fail "$(said)"
  came_to no-program 'could-not-enter .*/no/such/program.*'
  came_to no-program-too 'could-not-enter .*'
  in_docker no-shell bare -- /bin/sleep 100000
  patch --image docker:bare:1 --canary 0 -- sh -c true
  [ "$status" -eq 3 ] || fail "$(said)"
  came_to no-shell 'could-not-enter .*'
}

@test "could not enter: a check, and a script without a first line, say that they need a shell" {
  docker save -o "$ROOM/bare.tar" bare:1
  podman tag "$(podman load -q -i "$ROOM/bare.tar" | sed 's/.*: //')" localhost/bare:1
  in_docker no-shell bare -- /bin/sleep 100000
  # crun 1.28 says nothing of a program that it cannot find.
  PODMAN_FLAGS="--runtime $(command -v runc)" in_podman no-shell-too bare -- /bin/sleep 100000
  patch --image docker:bare:1 --canary 0 --check 'test -e /fixed' -- /bin/sleep 0
  [ "$status" -eq 3 ] || fail "$(said)"
  came_to no-shell 'could-not-enter the check needs sh, and the container has none: .*sh.*not found.*'
  came_to no-shell-too 'could-not-enter the check needs sh, and the container has none: .*sh.*not found.*'
  echo 'touch /patched' >"$ROOM/plain.sh"
  patch --image docker:bare:1 --canary 0 --script "$ROOM/plain.sh"
  [ "$status" -eq 3 ] || fail "$(said)"
  came_to no-shell 'could-not-enter the script, whose first line names nothing else, needs /bin/sh, and the container has none: .*'
  came_to no-shell-too 'could-not-enter the script, whose first line names nothing else, needs /bin/sh, and the container has none: .*'
  # What is missing otherwise is no shell.
  patch --image docker:bare:1 --canary 0 -- /no/such/program
  [[ $(outcomes) != *'needs'* ]] || fail "$(outcomes)"
}

# The room has a PID namespace of its own, and with it a setting of its own.
@test "vm.memfd_noexec: scripts and programs run whatever it says" {
  local value
  in_docker strict app
  in_podman strict-too app
  printf '#!/bin/sh\necho patched >>/patched; sh -c "echo x >/proc/self/fd/3" && echo changed >>/changed; true\n' >"$ROOM/strict.sh"
  for value in 0 1 2; do
    echo $value >/proc/sys/vm/memfd_noexec
    everywhere --again --script "$ROOM/strict.sh"
    echo 0 >/proc/sys/vm/memfd_noexec
    [ "$status" -eq 0 ] || fail "with $value" "$(said)" || return 1
    [ "$(lines strict) $(lines strict-too)" = "$((value + 1)) $((value + 1))" ] || fail "with $value" "$(said)" || return 1
    [ "$(lines strict /changed) $(lines strict-too /changed)" = '0 0' ] || fail "with $value it was changed" || return 1
    echo $value >/proc/sys/vm/memfd_noexec
    everywhere --again --program /sbin/ldconfig -- -X -C "/tmp/with-$value"
    echo 0 >/proc/sys/vm/memfd_noexec
    [ "$status" -eq 0 ] || fail "with $value" "$(said)" || return 1
    [ -e "$(inside strict)/tmp/with-$value" ] && [ -e "$(inside strict-too)/tmp/with-$value" ] || fail "with $value" "$(said)" || return 1
  done
}

@test "what has ended and only the container's first process can remove is named, where that does not" {
  in_docker sleeper app
  in_podman sleeper-too app
  in_docker reaper app -- sh -c 'while :; do sleep 0.1; done'
  everywhere --json -- sh -c '(sleep 0.7 &); (true &); sleep 1.2'
  [ "$status" -eq 0 ] || fail "$(said)"
  zombies() {
    jq -r --arg id "$(id_of "$1")" 'select(.event == "ended" and .container == $id) | .zombies // [] | .[]' <<<"$output" | cut -d' ' -f2 | sort | paste -sd' '
  }
  [[ " $(zombies sleeper) " == *' sleep '* ]] || fail "$(said)"
  [[ " $(zombies sleeper-too) " == *' sleep '* ]] || fail "$(said)"
  [ -z "$(zombies reaper)" ] || fail "$(said)"
  # Those of an earlier patch are not this one's.
  everywhere --again --json -- true
  [ -z "$(zombies sleeper)$(zombies sleeper-too)" ] || fail "$(said)"
}

@test "could not enter: what is named is a directory or no program" {
  in_containerd default no-program app
  everywhere -- /etc
  [ "$status" -eq 3 ] || fail "$(said)"
  came_to default/no-program 'could-not-enter .*'
  everywhere -- /etc/mark
  came_to default/no-program 'could-not-enter .*'
}

# runc 1.1.5 and crun 1.8.1 find out only when the command counts as started. Its process is a zombie then whose other threads end later.
@test "failed: a script whose first line names a program that is not there, each time" {
  local number
  for number in 1 2 3 4 5 6 7 8; do
    in_docker "scripted-$number" app
  done
  in_podman scripted-too app
  printf '#!/no/such/shell\n' >"$ROOM/nobodys.sh"
  everywhere --parallel 9 --script "$ROOM/nobodys.sh"
  [ "$status" -eq 3 ] || fail "$(said)"
  for number in 1 2 3 4 5 6 7 8; do
    came_to scripted-$number 'failed command [0-9]+'
  done
  came_to scripted-too 'failed command [0-9]+'
}

# A program that finds out by its name what it is, as busybox does, is refused: its name is that of a descriptor. ldconfig is static, too.
@test "a container without a shell is patched by a program from the host, and nothing of it stays" {
  local before
  in_docker bare-1 bare -- /bin/sleep 100000
  in_docker bare-2 bare --user 1000 --read-only --tmpfs /tmp:mode=1777 -- /bin/sleep 100000
  before=$(sha256sum </sbin/ldconfig)
  ends 1 --image docker:bare:1 --program "$(command -v busybox)" -- touch /tmp/patched
  ends 0 --image docker:bare:1 --program /sbin/ldconfig -- -X -C /tmp/patched
  [ -s "$(inside bare-1)/tmp/patched" ]
  [ -s "$(inside bare-2)/tmp/patched" ]
  [ "$(sha256sum </sbin/ldconfig)" = "$before" ]
  [ -z "$(find "$(inside bare-1)/" -xdev -type f -name 'ldconfig*')" ]
  [ "$(processes bare-1)" -eq 1 ]
}

@test "a program cannot be written to from inside, and does not lead to the host's file" {
  in_docker usual app
  printf '#!/bin/sh\necho overwritten >>/proc/self/fd/3\n(exec 4<>/proc/self/fd/3; echo overwritten >&4)\n(: >/proc/self/fd/3)\nexit 0\n' >"$ROOM/evil.sh"
  ends 0 --base docker:base:1 --script "$ROOM/evil.sh"
  came_to usual patched
  [ "$(grep -c '^overwritten' "$ROOM/evil.sh")" -eq 0 ]
  cmp "$ROOM/evil.sh" "$PATCHES/$(last_run)/program"
}

@test "timed out: a payload that ignores SIGTERM and forks twice while it holds the output" {
  in_docker stubborn app
  in_containerd default stubborn app
  in_podman stubborn-too app
  everywhere --timeout 2s --parallel 3 -- sh -c 'trap "" TERM; (trap "" TERM; (trap "" TERM; echo below; while :; do sleep 0.3; done) & ) & while :; do sleep 0.3; done'
  [ "$status" -eq 3 ] || fail "$(said)"
  for name in stubborn default/stubborn stubborn-too; do
    came_to $name timed-out
    [ "$(processes $name)" -eq 1 ] || fail "left in $name: $(ps -eo pidns,pid,ppid,args)" "$(said)"
  done
}

@test "timed out: a payload that clears its environment, takes a session of its own and closes its streams, or the outcome says that it survived" {
  in_docker hider app
  everywhere --timeout 2s -- sh -c 'trap "" TERM; env -i setsid sh -c "trap \"\" TERM; exec </dev/null >/dev/null 2>&1; (trap \"\" TERM; while :; do sleep 0.3; done) & sleep 1000" & while :; do sleep 0.3; done'
  [ "$status" -eq 3 ] || fail "$(said)"
  if [ "$(processes hider)" -eq 1 ]; then
    came_to hider timed-out
  else
    came_to hider 'survived .*'
  fi
}

@test "a child that goes on in the background after an end in time is left alone, and holds nothing up" {
  in_docker parent app
  local began=$SECONDS
  ends 0 --base docker:base:1 --timeout 1m -- sh -c 'sleep 90 & echo patched >>/patched'
  [ $((SECONDS - began)) -lt 45 ]
  only_patched 1 parent
  [ "$(processes parent)" -eq 2 ]
  jq -es 'map(select(.event == "ended") | .background | length) == [1]' "$PATCHES/$(last_run)/journal.jsonl" || fail "$(cat "$PATCHES/$(last_run)/journal.jsonl")"
}

@test "a gigabyte of output is bounded in the journal and in memory, and its end is kept" {
  in_docker loud app
  ends 0 --base docker:base:1 --timeout 5m --output-limit 64K -- sh -c 'head -c 1073741824 /dev/zero; echo the end'
  came_to loud patched
  [ "$(du -sb "$PATCHES/$(last_run)" | cut -f1)" -lt 262144 ]
  jq -es 'map(select(.event == "ended") | .output_bytes) == [1073741832]' "$PATCHES/$(last_run)/journal.jsonl" || fail "$(tail -c 3000 "$PATCHES/$(last_run)/journal.jsonl")"
}

@test "escapes of a payload do not reach whoever reads the table or the history" {
  local run
  in_docker painter app
  patch --base docker:base:1 -- sh -c 'printf "\033]0;owned\007\033[31mred\033[0m\n"; exit 4'
  [ "$status" -eq 3 ] || fail "$(said)"
  [[ $output$stderr != *$'\033'* && $output$stderr != *$'\007'* ]] || fail "$(said)"
  run=$(last_run)
  patch --history "$run"
  [[ $output$stderr != *$'\033'* && $output$stderr != *$'\007'* ]] || fail "$(said)"
  grep -q $'\033' "$PATCHES/$run/output/"*
}

@test "paused: reported and not entered; with --unpause patched and paused again" {
  in_docker stands-still app
  in_podman stands-still-too app
  in_containerd default stands-still app
  docker pause stands-still
  podman pause stands-still-too
  ctr task pause stands-still
  everywhere -- "${MARK[@]}"
  [ "$status" -eq 3 ] || fail "$(said)"
  for name in stands-still stands-still-too default/stands-still; do
    came_to $name paused
  done
  only_patched 1
  everywhere --unpause -- "${MARK[@]}"
  [ "$status" -eq 0 ] || fail "$(said)"
  only_patched 1 stands-still stands-still-too default/stands-still
  [ "$(docker inspect -f '{{.State.Status}}' stands-still)" = paused ]
  [ "$(podman inspect -f '{{.State.Status}}' stands-still-too)" = paused ]
  [ "$(ctr task ls | awk '$1 == "stands-still" { print $3 }')" = PAUSED ]
  # What the runtimes know, without an engine in between.
  [ "$(runc --root /run/docker/runtime-runc/moby state "$(id_of stands-still)" | jq -r .status)" = paused ]
  [ "$(crun state "$(id_of stands-still-too)" | jq -r .status)" = paused ]
  podman unpause stands-still-too
  ctr task resume stands-still
}

@test "an unpaused container is paused again also when its patch fails or takes too long" {
  in_docker stands-still app
  docker pause stands-still
  everywhere --unpause --timeout 2s -- sh -c 'trap "" TERM; while :; do sleep 0.3; done'
  came_to stands-still timed-out
  [ "$(docker inspect -f '{{.State.Status}}' stands-still)" = paused ]
  [ "$(runc --root /run/docker/runtime-runc/moby state "$(id_of stands-still)" | jq -r .status)" = paused ]
  docker unpause stands-still
  [ "$(processes stands-still)" -eq 1 ]
}

@test "vanished: a container that ends while it is being patched" {
  in_docker short-lived app
  in_docker long-lived app
  everywhere --parallel 2 --timeout 1m -- sh -c 'echo patched >>/patched; [ "$(cat /etc/hostname)" != '"$(id_of short-lived | cut -c1-12)"' ] || { kill -KILL 1; sleep 30; }' &
  patching=$!
  within 20 test -s "$(inside short-lived)/patched" || true
  docker kill short-lived >/dev/null 2>&1 || true
  wait "$patching"
  came_to long-lived patched
  came_to short-lived vanished
}

@test "vanished: containers that end while the run enters them never hold it up, and each has one outcome" {
  local n
  for n in 1 2 3 4 5 6; do
    in_docker "leaving-$n" app --rm -- sleep "$n"
  done
  everywhere --parallel 3 --timeout 30s -- sh -c 'sleep 1; echo patched >>/patched'
  [ "$status" -eq 3 ] || [ "$status" -eq 2 ] || [ "$status" -eq 0 ] || fail "$(said)"
  [ "$(outcomes | wc -l)" -ge 3 ] || fail "$(outcomes)" "$(said)"
  [ -z "$(outcomes | awk -F '\t' '$3 != "patched" && $3 != "vanished"')" ] || fail "$(outcomes)" "$(said)"
  [ "$(outcomes | cut -f2 | sort | uniq -d)" = '' ] || fail "$(outcomes)"
}

@test "a read-only root: the patch fails where it cannot write, and only there" {
  in_docker read-only app --read-only --tmpfs /tmp
  in_docker writable app
  in_podman read-only-too app --read-only
  everywhere -- sh -c 'echo patched >>/patched'
  [ "$status" -eq 3 ] || fail "$(said)"
  came_to read-only 'failed command [1-9].*'
  came_to read-only-too 'failed command [1-9].*'
  came_to writable patched
}

@test "a container whose user is 1000 is patched as root unless another user is asked for" {
  in_docker of-a-user app --user 1000
  in_podman of-a-user-too app --user 1000
  in_containerd default of-a-user owned
  everywhere -- sh -c 'id -u >/patched'
  [ "$status" -eq 0 ] || fail "$(said)"
  for name in of-a-user of-a-user-too default/of-a-user; do
    [ "$(cat "$(inside $name)/patched")" = 0 ]
  done
  everywhere --user 1000:1000 -- sh -c 'echo "$(id -u) $(id -g)" >/tmp/who; exit 3'
  for name in of-a-user of-a-user-too default/of-a-user; do
    came_to $name 'failed command .*'
  done
}

@test "a user namespace of Podman's: patched as the root of its own, or it is reported that its lineage is not known" {
  in_podman mapped app --uidmap 0:200000:4000 --gidmap 0:200000:4000
  in_podman mapped-too app --uidmap 0:300000:5000 --gidmap 0:300000:5000
  everywhere -- sh -c 'id -u >/patched; cat /proc/self/uid_map >>/patched'
  # Podman 5 mounts the root of such a container where nobody else sees it.
  if [ "$status" -eq 3 ]; then
    [ "$(grep -c '^not understood' <<<"$output")" -ge 1 ] || fail "$(said)"
  fi
  for name in $(if [ "$status" -eq 0 ]; then names; fi); do
    [ "$(head -1 "$(inside "$name")/patched")" = 0 ]
    [ "$(stat -c %u "$(inside "$name")/patched")" -ge 200000 ]
    [ "$(tail -1 "$(inside "$name")/patched")" = "$(cat "/proc/$(pid_of "$name")/uid_map")" ]
  done
}

@test "already fine: the check comes before, and the command does not run" {
  in_docker needs-it app
  in_docker has-it app
  echo patched >"$(inside has-it)/patched"
  ends 0 --base docker:base:1 --check 'test -s /patched' -- "${MARK[@]}"
  came_to has-it already-fine
  came_to needs-it patched
  only_patched 1 has-it needs-it
}

@test "the check after it decides: not fine is failed" {
  in_docker incurable app
  patch --base docker:base:1 --check 'test -e /never' -- true
  [ "$status" -eq 3 ] || fail "$(said)"
  came_to incurable 'failed check-after 1'
}

@test "hidden processes: a container whose /proc has hidepid is patched, and nothing is left of a patch that takes too long" {
  in_docker hides app
  nsenter --target "$(pid_of hides)" --mount --pid mount -o remount,hidepid=2 proc /proc
  ends 0 --base docker:base:1 -- "${MARK[@]}"
  only_patched 1 hides
  local before
  before=$(processes hides)
  everywhere --timeout 2s --user 1000 -- sh -c 'trap "" TERM; (while :; do sleep 0.3; done) & while :; do sleep 0.3; done'
  came_to hides timed-out
  [ "$(processes hides)" -eq "$before" ]
}
