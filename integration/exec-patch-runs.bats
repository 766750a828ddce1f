#!/usr/bin/env bats
# Tests a run of `embargo exec-patch` as a whole: canaries, the window and the limit on failures; a
# run that is killed or interrupted, and resumed; engines whose daemons are gone or restart what is
# being patched; containers that start meanwhile. The patch adds a line to a file, and the tests
# count these lines.

bats_require_minimum_version 1.5.0
load lib/room
load lib/node
load lib/images
load lib/docker
load lib/containerd
load lib/podman
load lib/patch

STORE=docker:
FAILING=(sh -c 'echo patched >>/patched; exit 1')
SLOW=(sh -c 'echo patched >>/patched; sleep 2')

setup_file() {
  start_engines
  trust_an_author
  ban_nothing
}

teardown_file() {
  stop_engines
}

setup() {
  settings "former_runtimes = [\"$CRUN\"]"
}

teardown() {
  touch "$ROOM/enough"
  [ -z "${looping:-}" ] || wait "$looping" || true
  [ -z "${patching:-}" ] || { kill -KILL "$patching" 2>/dev/null || true; wait "$patching" || true; }
  rm -f "$ROOM/enough"
  remove_fleet
  rm -rf "$PATCHES"
}

# five: containers built on base, in three engines.
five() {
  in_docker one app
  in_containerd default two app
  in_containerd batch three deep
  in_podman four app
  in_podman five deep
}

# entered: in how many the patch has run; more than once in one counts as more.
entered() {
  local name count=0
  for name in $(names); do
    count=$((count + $(lines "$name")))
  done
  echo "$count"
}

entered_at_least() {
  [ "$(entered)" -ge "$1" ]
}

# failing ENTERED WORD…: a patch that always fails, with these words, runs in so many.
failing() {
  local wanted=$1
  shift
  unmarked
  ends 3 --base docker:base:1 "$@" -- "${FAILING[@]}"
  [ "$(entered)" -eq "$wanted" ] || fail "entered $(entered) instead of $wanted: $*" "$(said)" || return 1
}

# begin WORD…: exec-patch on every container built on base, in the background, its process ID in $patching. It hears a Ctrl-C, which a shell in
# the background does not.
begin() {
  env --default-signal=INT,QUIT "$EMBARGO" exec-patch --base docker:base:1 "$@" >"$LOGS/run" 2>&1 3>&- </dev/null &
  patching=$!
}

# through STATUS: waits for it.
through() {
  local ended=0
  wait "$patching" || ended=$?
  patching=
  [ "$ended" -eq "$1" ] || fail "exit status $ended instead of $1" "$(cat "$LOGS/run")" || return 1
}

workers() {
  pgrep -f exec-patch-worker
}

no_workers() {
  ! workers
}

@test "a canary that fails stops everything" {
  five
  failing 1
  failing 1 --canary 3
  failing 1 --canary 3 --parallel 5 --max-failures 100%
}

@test "without a canary the limit decides: 0 and 0% stop at the first failure, N after N, a share is rounded down, 100% never" {
  five
  failing 1 --canary 0 --parallel 1 --max-failures 0
  failing 1 --canary 0 --parallel 1 --max-failures 0%
  failing 1 --canary 0 --parallel 1 --max-failures 19%
  failing 2 --canary 0 --parallel 1 --max-failures 1
  failing 3 --canary 0 --parallel 1 --max-failures 40%
  failing 5 --canary 0 --parallel 1 --max-failures 100%
  failing 5 --canary 0 --parallel 1 --max-failures 7
  failing 5 --canary 0 --parallel 5
}

@test "those that were not started are reported, and count" {
  five
  failing 1 --canary 0 --parallel 1 --max-failures 0
  [ "$(grep -c 'not started' <<<"$output")" -ge 1 ] || fail "$(said)"
  ends 0 --only-failed "$(last_run)" --dry-run
}

@test "what is under way when the limit is reached is finished" {
  five
  unmarked
  ends 3 --base docker:base:1 --canary 0 --parallel 3 --max-failures 0 -- sh -c 'echo patched >>/patched; sleep 1; exit 1'
  [ "$(entered)" -eq 3 ] || fail "$(entered)" "$(said)"
  [ "$(outcomes | grep -c failed)" -eq 3 ] || fail "$(outcomes)"
}

@test "one match: the limit and the canary do not keep it out" {
  in_docker only app
  failing 1 --max-failures 0
  failing 1 --max-failures 50% --canary 0
  failing 1 --max-failures 100% --canary 5
  unmarked
  ends 0 --base docker:base:1 --max-failures 0% --canary 100 --parallel 1% -- "${MARK[@]}"
  only_patched 1 only
}

@test "no match: whatever the limit, the exit status is 2" {
  in_docker other other
  ends 2 --base docker:base:1 --max-failures 0 -- "${MARK[@]}"
  ends 2 --base docker:base:1 --max-failures 100% --canary 0 -- "${MARK[@]}"
  only_patched 1
}

@test "a canary that is paused is none: the next container takes its place" {
  five
  docker pause one
  podman pause five
  ends 3 --base docker:base:1 --canary 1 -- "${MARK[@]}"
  docker unpause one
  podman unpause five
  only_patched 1 default/two batch/three four
}

@test "canaries go one by one, the others in a window" {
  five
  ends 0 --base docker:base:1 --canary 2 --parallel 3 -- sh -c 'date +%s.%N >>/patched; sleep 1; date +%s.%N >>/patched'
  local spans name
  spans=$(for name in $(names); do paste -sd' ' "$(inside "$name")/patched"; done | sort -n)
  # Each canary's end is before the next one's begin; of the three behind them each began before any of them ended.
  awk 'NR == 1 { first = $2 } NR == 2 { if ($1 < first) exit 1; second = $2 } NR > 2 { if ($1 < second) exit 1; if (!least || $2 < least) least = $2; last = $1 }
    END { if (last > least) exit 1 }' <<<"$spans" || fail "$spans"
}

@test "only-failed: a new run, of the same, in those that were not ok" {
  local first
  five
  touch "$(inside four)/broken" "$(inside one)/broken"
  patch --base docker:base:1 --canary 0 -- sh -c 'echo patched >>/patched; [ ! -e /broken ]'
  [ "$status" -eq 3 ] || fail "$(said)"
  first=$(last_run)
  rm "$(inside four)/broken"
  patch --only-failed "$first"
  [ "$status" -eq 3 ] || fail "$(said)"
  [ "$(last_run)" != "$first" ]
  [ "$(patched 2)" = 'four one' ] || fail "$(patched 2)"
  came_to four patched
  came_to one 'failed command 1'
}

@test "killed in the middle: its workers go on, and the resumed run has every container exactly once" {
  local run
  five
  begin --canary 0 --parallel 2 -- "${SLOW[@]}"
  within 30 entered_at_least 2
  kill -KILL "$patching"
  through 137
  run=$(last_run)
  patch --resume "$run"
  [ "$status" -eq 0 ] || fail "$(said)"
  only_patched 1 $(names)
  [ "$(outcomes "$run" | cut -f3 | sort | uniq -c | xargs)" = '5 patched' ] || fail "$(outcomes "$run")"
  patch --resume "$run"
  [ "$status" -eq 1 ] || fail "$(said)"
  [[ $stderr == *'it has ended, and nothing of it is left to do'* ]] || fail "$(said)"
  only_patched 1 $(names)
}

@test "killed with all its workers: what was under way is reported as interrupted, and nothing is entered twice" {
  local run
  five
  begin --canary 0 --parallel 2 -- "${SLOW[@]}"
  within 30 entered_at_least 2
  kill -KILL "$patching" $(workers)
  through 137
  within 20 no_workers
  run=$(last_run)
  patch --resume "$run"
  [ "$status" -eq 3 ] || fail "$(said)"
  only_patched 1 $(names)
  [ "$(grep -c interrupted <<<"$output")" -ge 1 ] || fail "$(said)"
}

@test "killed with all its workers, with a check: what was under way is looked at again" {
  local run
  five
  begin --canary 0 --parallel 2 --check 'test -s /patched' -- "${SLOW[@]}"
  within 30 entered_at_least 2
  kill -KILL "$patching" $(workers)
  through 137
  run=$(last_run)
  patch --resume "$run"
  [ "$status" -eq 0 ] || fail "$(said)"
  only_patched 1 $(names)
}

@test "killed with all its workers: what they left in containers is ended by the next run, and their directories go" {
  local run how
  in_docker one app
  in_podman two app
  in_docker beside app -- sh -c 'sleep 4321 & sleep 100000'
  for how in resume anew; do
    unmarked
    begin --canary 0 --parallel 3 -- sh -c 'echo patched >>/patched; trap "" TERM; (sleep 1234 &); sleep 1234'
    within 30 entered_at_least 3
    kill -KILL "$patching" $(workers)
    through 137
    within 20 no_workers
    run=$(last_run)
    [ "$(pgrep -cxf 'sleep 1234')" -eq 6 ]
    [ "$(find /run/embargo/entered -mindepth 1 -maxdepth 1 | wc -l)" -eq 3 ]
    case $how in
      resume) patch --resume "$run" ;;
      anew) ends 0 --base docker:base:1 -- "${MARK[@]}" ;;
    esac
    ! pgrep -xf 'sleep 1234' || fail "$how" "$(said)" || return 1
    [ "$(grep -cE "the killed run $run had left .*[0-9]+ sleep.*: ended\$" <<<"$stderr")" -eq 3 ] || fail "$how" "$(said)" || return 1
    [ -z "$(ls -A /run/embargo/entered)" ] || fail "$how: $(ls -A /run/embargo/entered)" || return 1
    pgrep -xf 'sleep 4321'
  done
}

@test "Ctrl-C: nothing new begins, what is under way is finished, and the run can be resumed" {
  local run
  five
  begin --canary 0 --parallel 2 -- "${SLOW[@]}"
  within 30 entered_at_least 2
  kill -INT "$patching"
  through 3
  run=$(last_run)
  [ "$(entered)" -lt 5 ]
  no_workers
  patch --resume "$run"
  [ "$status" -eq 0 ] || fail "$(said)"
  only_patched 1 $(names)
}

@test "Ctrl-C twice: what is under way is ended, too" {
  five
  begin --canary 0 --parallel 2 -- sh -c 'echo patched >>/patched; sleep 1000'
  within 30 entered_at_least 2
  kill -INT "$patching"
  sleep 1
  kill -INT "$patching"
  through 3
  no_workers
  ! pgrep -xf 'sleep 1000'
  [ "$(entered)" -eq 2 ]
  [ "$(outcomes | cut -f3 | sort | uniq -c | xargs)" = '2 cancelled 3 not-started' ] || fail "$(outcomes)"
}

@test "a hang-up does not end a run" {
  five
  begin --canary 0 --parallel 2 -- "${SLOW[@]}"
  within 30 entered_at_least 1
  kill -HUP "$patching"
  through 0
  only_patched 1 $(names)
}

@test "a second run at the same time learns who holds the first" {
  five
  begin --canary 0 --parallel 2 -- "${SLOW[@]}"
  within 30 entered_at_least 1
  patch --base docker:base:1 -- "${MARK[@]}"
  [ "$status" -eq 75 ] || fail "$(said)"
  [[ $stderr == *"$patching"* ]] || fail "$(said)"
  through 0
  only_patched 1 $(names)
}

@test "containers that start during a run are patched as well" {
  in_docker early app
  in_podman early-too app
  begin --canary 1 --parallel 1 -- "${SLOW[@]}"
  within 30 entered_at_least 1
  in_docker late deep
  in_containerd default late app
  in_containerd default late-other third
  through 0
  only_patched 1 early early-too late default/late
}

@test "a container that is started anew during a run is patched anew" {
  in_docker anew app
  in_docker beside app
  begin --canary 0 --parallel 2 -- "${SLOW[@]}"
  within 30 entered_at_least 2
  docker restart -t 0 anew
  wait "$patching" || true
  patching=
  # The file is in the container's own layer: one line from each life.
  [ "$(wc -l <"/proc/$(docker inspect -f '{{.State.Pid}}' anew)/root/patched")" -eq 2 ] || fail "$(cat "$LOGS/run")"
}

# The daemons are killed, as a stop of Docker's would stop its containers.
@test "with the engines' daemons gone it still works" {
  local name
  five
  for name in docker containerd; do
    kill -KILL "$(cat "$LOGS/$name.pid")"
    rm "$LOGS/$name.pid"
  done
  unmarked
  patch --base "$(chain_id $(podman image inspect --format '{{range .RootFS.Layers}}{{.}} {{end}}' localhost/base:1))" -- "${MARK[@]}"
  local ended=$status
  [ "$(patched 1)" = "$(names)" ] || fail "$(said)"
  patch --base docker:base:1 --again -- "${MARK[@]}"
  [ "$status" -eq 0 ] || fail "$(said)"
  [ "$ended" -eq 0 ]
  only_patched 2 $(names)
  rm -f /run/docker.pid /var/run/docker.pid
  DOCKER_CONTAINERD=own start_docker
}

# restarting NAME…: restarts them as fast as Docker can, until there is ROOM/enough.
restarting() {
  while [ ! -e "$ROOM/enough" ]; do
    docker restart -t 0 "$@" || true
  done >/dev/null 2>&1 3>&- </dev/null
}

@test "containers that restart in a loop: it ends, and never enters another one than it says" {
  local id output_file
  in_docker loop-1 app
  in_docker loop-2 deep
  in_docker loop-other third
  in_docker steady app
  restarting loop-1 loop-2 loop-other &
  looping=$!
  ends_somehow=0
  timeout 100 "$EMBARGO" exec-patch --base docker:base:1 --canary 0 --parallel 4 --timeout 10s -- \
    sh -c 'cat /etc/hostname; sleep 0.2; echo patched >>/patched' >"$LOGS/run" 2>&1 3>&- </dev/null || ends_somehow=$?
  touch "$ROOM/enough"
  wait "$looping" || true
  looping=
  [ "$ends_somehow" -eq 0 ] || [ "$ends_somehow" -eq 3 ] || fail "exit status $ends_somehow" "$(cat "$LOGS/run")"
  [ "$(lines steady)" -eq 1 ] || fail "$(cat "$LOGS/run")"
  [ -z "$(docker diff loop-other | grep patched)" ]
  # What each printed is its own host name: the beginning of its ID, which is also in the file's name. A runtime that came too late says other things.
  for output_file in "$PATCHES/$(last_run)/output/"*; do
    id=$(grep -xE '[0-9a-f]{12}' "$output_file" || true)
    [ -z "$id" ] || [[ $output_file == *"$id"* ]] || fail "$output_file: $(cat "$output_file")"
  done
  # Three starts of each at most, and one line more for the container whose further starts are left alone.
  [ "$(outcomes | awk '$3 != "restarting" { print $2 }' | sort | uniq -c | sort -rn | awk 'NR == 1 { print $1 }')" -le 3 ] || fail "$(outcomes)"
  [ -z "$(outcomes | awk '$3 == "restarting" { print $2 }' | sort | uniq -d)" ] || fail "$(outcomes)"
}
