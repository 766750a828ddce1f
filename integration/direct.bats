#!/usr/bin/env bats
# Tests embargo and the real runtime side by side on one bundle: every form of the command line, the
# log, and what a process inherits.
#
# The bundle is a real one: Podman initialises a container whose base is banned afterwards. The
# bundle is then offered under a runtime root of its own, as ctr, CRI-O or a person would.
# PODMAN_RUNTIME names the real runtime, runc or crun.

load lib/room
load lib/node
load lib/images
load lib/podman

STORE=podman:

setup_file() {
  start_podman
  hear_system_log
  trust_an_author
  ban_nothing
  podman create --name web-1 --network none localhost/app:1 sleep 1000
  podman create --name web-2 --network none localhost/other:1 sleep 1000
  podman init web-1 web-2
  # The same bundles a second time must not share the first one's cgroups.
  for name in web-1 web-2; do
    config=$(bundle "$(podman inspect -f '{{.Id}}' $name)")/config.json
    jq --arg path "/direct-$name" '.linux.cgroupsPath = $path' "$config" >"$ROOM/config.json"
    cat "$ROOM/config.json" >"$config"
  done
  ban_and_publish localhost/base:1
  mkdir "$ROOM/states"
}

teardown_file() {
  podman rm -fa -t 0
  stop_daemon system-log
}

setup() {
  settings
  ID=$(podman inspect -f '{{.Id}}' web-1)
  B=$(bundle "$ID")
  CLEAN_ID=$(podman inspect -f '{{.Id}}' web-2)
  CLEAN=$(bundle "$CLEAN_ID")
  LOG=$BATS_TEST_TMPDIR/log
  STATES=$ROOM/states
  use embargo
  cd "$BATS_TEST_TMPDIR"
}

teardown() {
  local id
  for id in $(ls "$STATES"); do
    "$PLAIN" --root "$STATES" delete --force "$id" || rm -rf "${STATES:?}/$id"
  done
}

# runtime WORD…: help texts show the name that a program was called by, so the plain runtime is called by its own.
runtime() {
  if [ "$(readlink "$RUNTIME")" = "$PLAIN" ]; then "$PLAIN" "$@"; else "$RUNTIME" "$@"; fi
}

bundle() {
  printf '/var/lib/containers/storage/%s-containers/%s/userdata\n' "$STORAGE_DRIVER" "$1"
}

# refuses WORD…: the runtime called with these words refuses: exit status 1, the line on standard error, nothing on standard output.
refuses() {
  local out status=0
  out=$("$RUNTIME" "$@" 2>"$BATS_TEST_TMPDIR/err" </dev/null) || status=$?
  [ "$status" -eq 1 ] || fail "exit status $status: $*" "$(cat "$BATS_TEST_TMPDIR/err")" || return 1
  [ -z "$out" ] || fail "on standard output: $out" || return 1
  is_refusal "$(cat "$BATS_TEST_TMPDIR/err")" || fail "called with: $*" || return 1
  [ "$(wc -l <"$BATS_TEST_TMPDIR/err")" -eq 1 ] || fail "more than a line: $*" "$(cat "$BATS_TEST_TMPDIR/err")" || return 1
  [ -z "$(ls "$STATES")" ] || fail "state left by: $*" || return 1
}

# each_form COMMAND…: calls the command with each command line on standard input; B, ID, STATES and LOG stand for their values.
each_form() {
  local line words
  while read -r line; do
    eval "words=($line)"
    (cd "$B" && "$@" "${words[@]}") || fail "the form was: $line" || return 1
  done
}

@test "a banned bundle is refused in every form of the command line that the runtime takes" {
  each_form refuses <<'FORMS'
--root $STATES create --bundle $B $ID
--root $STATES create --bundle=$B $ID
--root=$STATES create -b $B $ID
--root $STATES create --bundle /no/such --bundle $B $ID
--root $STATES create $ID
--root $STATES create --bundle . $ID
--root $STATES create --pid-file create --bundle $B $ID
--root $STATES create --console-socket run --bundle $B $ID
--root $STATES --root $STATES create --bundle $B $ID
--root $STATES --log --root create --bundle $B $ID
--root $STATES --log create create --bundle $B $ID
--log-format=json --log $LOG --root $STATES create --bundle $B $ID
--log=$LOG --root $STATES create --bundle $B $ID
--root $STATES create --bundle $B --no-pivot $ID
--root $STATES create --bundle $B --no-new-keyring $ID
--root $STATES create --bundle $B -- $ID
--root $STATES -- create --bundle $B $ID
--root $STATES run --bundle $B $ID
--root $STATES run -d --bundle $B $ID
--root $STATES run --detach --keep --bundle $B $ID
--debug --root $STATES create --bundle $B $ID
FORMS
  rm -f "$B/--root" "$B/create"
}

@test "a banned bundle is refused in the forms of this runtime's own dialect" {
  if [ "$PODMAN_RUNTIME" = runc ]; then
    each_form refuses <<'FORMS'
--root $STATES create -bundle $B $ID
--root $STATES create -bundle=$B $ID
--root $STATES create -b=$B $ID
--root $STATES create $ID --bundle $B
--root $STATES create $ID -b $B --no-pivot
--root $STATES create --no-pivot=true $ID --bundle $B
--root $STATES create --bundle "" $ID
-root $STATES --debug=false create --bundle $B $ID
--systemd-cgroup=false --rootless=auto --root $STATES create --bundle $B $ID
--root $STATES run --no-subreaper -d --bundle $B $ID
--root $STATES restore -no-subreaper --image-path /no/such --work-path /no/such --bundle $B $ID
--root $STATES restore --image-path /no/such --detach --pid-file $LOG.pid --bundle $B $ID
FORMS
  else
    cp "$B/config.json" "$B/other.json"
    each_form refuses <<'FORMS'
--root $STATES create --bund $B $ID
--root $STATES create --b=$B $ID
--roo $STATES create -b$B $ID
--root $STATES run -db $B $ID
--root $STATES create --config $B/other.json $ID
--root $STATES create -fother.json --bundle $B $ID
--cgroup-manager disabled --root $STATES create --bundle $B $ID
FORMS
    rm "$B/other.json"
  fi
}

@test "command lines that start nothing end as they do without embargo" {
  local line words
  while read -r line; do
    eval "words=($line)"
    same_under_both runtime "${words[@]}"
  done <<'FORMS'

--version
--help
--version create --bundle $B $ID
help
create --help
no-such-command
--root $STATES state $ID
--root $STATES list
--root $STATES kill create 9
--root $STATES delete create
--root $STATES delete --force $ID
--root $STATES start run
--root $STATES create
--root $STATES create --no-such-flag
--root
FORMS
}

# What a person sees of a container's life, on a bundle whose image is not banned.
life() {
  local runtime=("$RUNTIME" --root "$STATES")
  "${runtime[@]}" create --bundle "$CLEAN" --pid-file "$BATS_TEST_TMPDIR/pid" "$CLEAN_ID" </dev/null >"$BATS_TEST_TMPDIR/out" 2>&1
  echo "create $?"
  "${runtime[@]}" state "$CLEAN_ID" | jq -r .status
  "${runtime[@]}" start "$CLEAN_ID"
  echo "start $?"
  "${runtime[@]}" exec "$CLEAN_ID" echo inside
  "${runtime[@]}" exec "$CLEAN_ID" sh -c 'exit 5'
  echo "exec $?"
  "${runtime[@]}" list -q
  "${runtime[@]}" pause "$CLEAN_ID"
  "${runtime[@]}" resume "$CLEAN_ID"
  (mkdir "$BATS_TEST_TMPDIR/gone" && cd "$BATS_TEST_TMPDIR/gone" && rmdir "$BATS_TEST_TMPDIR/gone" && env -i "${runtime[@]}" kill "$CLEAN_ID" KILL)
  echo "kill $?"
  within 5 sh -c "! $PLAIN --root $STATES state $CLEAN_ID | grep -q running"
  env -i "${runtime[@]}" delete "$CLEAN_ID"
  echo "delete $?"
  cat "$BATS_TEST_TMPDIR/out"
}

@test "create, state, start, exec, list, pause, kill and delete of a clean bundle are those of the real runtime, silent where it is" {
  works_under_both life
}

@test "kill and delete work with an empty environment, a deleted directory, and settings, list and keyset that are garbage" {
  "$RUNTIME" --root "$STATES" run -d --bundle "$CLEAN" "$CLEAN_ID" </dev/null >/dev/null 2>&1
  cp /var/lib/embargo/banlist.lst "$ROOM/kept.lst"
  cp /etc/embargo/keyset "$ROOM/kept.keyset"
  echo garbage >/var/lib/embargo/banlist.lst
  echo garbage >/etc/embargo/keyset
  printf 'runtime = "%s"\ngarbage\n' "$PLAIN" >/etc/embargo/config.toml
  mkdir gone
  cd gone
  rmdir ../gone
  env -i "$RUNTIME" --root "$STATES" kill "$CLEAN_ID" KILL
  cd /
  within 5 sh -c "! $PLAIN --root $STATES state $CLEAN_ID | grep -q running"
  env -i "$RUNTIME" --root "$STATES" delete "$CLEAN_ID"
  mv "$ROOM/kept.lst" /var/lib/embargo/banlist.lst
  mv "$ROOM/kept.keyset" /etc/embargo/keyset
}

@test "the refusal is one record in the log file, in the format asked for, behind what stood there" {
  echo '{"level":"warning","msg":"old","time":"2026-01-01T00:00:00Z"}' >"$LOG"
  refuses --root "$STATES" --log "$LOG" --log-format json create --bundle "$B" "$ID"
  [ "$(wc -l <"$LOG")" -eq 2 ]
  [ "$(head -1 "$LOG" | jq -r .msg)" = old ]
  [ "$(tail -1 "$LOG" | jq -r .level)" = error ]
  is_refusal "$(tail -1 "$LOG" | jq -r .msg)"
  [[ $(tail -1 "$LOG" | jq -r .time) =~ ^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)$ ]]
  rm "$LOG"
  refuses --root "$STATES" --log "$LOG" create --bundle "$B" "$ID"
  [ "$(wc -l <"$LOG")" -eq 1 ]
  is_refusal "$(cat "$LOG")"
}

@test "a log in a missing directory, on a full disk, a FIFO without a reader or a directory still leaves a refusal on standard error" {
  mkfifo "$BATS_TEST_TMPDIR/fifo"
  local log
  for log in /no/such/directory/log /dev/full "$BATS_TEST_TMPDIR/fifo" "$BATS_TEST_TMPDIR"; do
    refuses --root "$STATES" --log "$log" --log-format json create --bundle "$B" "$ID"
  done
}

@test "twenty refusals at a time into one log are twenty whole records" {
  local n pids=()
  for n in $(seq 20); do
    "$RUNTIME" --root "$STATES" --log "$LOG" --log-format json create --bundle "$B" "$ID" 2>/dev/null 3>&- &
    pids+=($!)
  done
  wait "${pids[@]}" || true
  [ "$(wc -l <"$LOG")" -eq 20 ]
  jq -e .msg "$LOG" | grep -c refused | grep -qx 20
}

@test "the refusal has no phrase that makes an engine call it something else" {
  local phrase
  refuses --root "$STATES" create --bundle "$B" "$ID"
  for phrase in 'permission denied' 'operation not permitted' 'no such file or directory' 'not found' executable 'is a directory' 'not a directory' \
    'does not exist' 'container not running' 'no such process'; do
    if grep -i "$phrase" "$BATS_TEST_TMPDIR/err"; then return 1; fi
  done
}

# payload WORD…: what a payload prints that was started through these words (env …) in front of the runtime.
payload() {
  jq --arg root "$ROOM/root-base" '.root.path = $root | .process.terminal = false
    | .process.args = ["sh", "-c", "grep -E \"^Sig(Blk|Ign|Cgt)\" /proc/self/status; umask; ls /proc/self/fd; pwd; env"]' \
    "$CLEAN/config.json" >"$BATS_TEST_TMPDIR/config.json"
  # runc's own handling of an ignored HUP or INT depends on which of its threads is first: no two direct runs are sure to agree.
  env --default-signal=HUP,INT "$@" "$RUNTIME" --root "$STATES" run --bundle "$BATS_TEST_TMPDIR" payload </dev/null
}

@test "a payload's signals are those of a direct run, whatever the caller ignores or blocks" {
  settings 'on_unknown_image = "admit"'
  works_under_both payload env
  works_under_both payload env --ignore-signal=PIPE
  works_under_both payload env --ignore-signal=USR2 --block-signal=USR1
  works_under_both payload env --default-signal=PIPE
  works_under_both payload env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin
  works_under_both payload nice -n 5
  works_under_both payload sh -c 'umask 077; exec "$@"' sh
}

@test "closed and handed-on descriptors reach the payload as in a direct run" {
  settings 'on_unknown_image = "admit"'
  # crun cannot be started without a standard input: 1.8 says so, 1.28 dies of a signal.
  [ "$PODMAN_RUNTIME" = crun ] || works_under_both payload sh -c 'exec "$@" <&-' sh
  echo through >"$BATS_TEST_TMPDIR/through"
  handed_on() {
    payload true >/dev/null 2>&1
    "$RUNTIME" --root "$STATES" delete --force payload
    jq '.process.args = ["sh", "-c", "cat <&3"]' "$BATS_TEST_TMPDIR/config.json" >"$BATS_TEST_TMPDIR/next" && mv "$BATS_TEST_TMPDIR/next" "$BATS_TEST_TMPDIR/config.json"
    "$RUNTIME" --root "$STATES" run --preserve-fds 1 --bundle "$BATS_TEST_TMPDIR" payload 3<"$BATS_TEST_TMPDIR/through"
  }
  works_under_both handed_on
  [[ $seen == *through* ]]
}

@test "a bundle of no known engine is refused, or admitted where the operator says so" {
  payload true >/dev/null 2>&1 || true
  "$PLAIN" --root "$STATES" delete --force payload || true
  run "$RUNTIME" --root "$STATES" run --bundle "$BATS_TEST_TMPDIR" payload
  [ "$status" -eq 1 ]
  [[ $output == *"embargo: refused payload"* ]]
  settings 'on_unknown_image = "admit"'
  "$RUNTIME" --root "$STATES" run --bundle "$BATS_TEST_TMPDIR" payload </dev/null
}

@test "a bundle whose config.json is cut off, huge, not text, a link, a directory or a FIFO is refused at once, naming it" {
  local way file=$BATS_TEST_TMPDIR/bundle/config.json
  for way in ': >F' 'head -c 100 G >F' 'head -c 200000000 /dev/zero >F' 'printf "\377\376{}" >F' 'mkdir F' 'mkfifo F' 'ln -s /dev/zero F' 'true'; do
    rm -rf "$BATS_TEST_TMPDIR/bundle"
    mkdir "$BATS_TEST_TMPDIR/bundle"
    way=${way//G/$CLEAN/config.json}
    eval "${way//F/$file}"
    run timeout 10 "$RUNTIME" --root "$STATES" create --bundle "$BATS_TEST_TMPDIR/bundle" payload
    [ "$status" -eq 1 ] || fail "exit status $status after: $way" "$output" || return 1
    [[ $output == *config.json* ]] || fail "does not name the file after: $way" "$output" || return 1
    [[ $output != *panicked* ]]
  done
}

@test "arguments that are not UTF-8, empty or very long do no harm" {
  local long
  long=$(head -c 100000 /dev/zero | tr '\0' a)
  same_under_both runtime --root "$STATES" state $'\xff\xfe'
  same_under_both runtime --root "$STATES" state ''
  same_under_both eval "runtime --root \"$STATES\" state $long 2>&1 | head -c 200"
  same_under_both runtime ''
  run "$RUNTIME" --root "$STATES" create --bundle "$B" $'\xff\xfe'
  [ "$status" -ne 0 ]
  [[ $output != *panicked* ]]
}

@test "while lists are installed every call sees a whole one" {
  local n
  installing() {
    for n in $(seq 30); do publish || return 1; done
  }
  installing &
  local installer=$!
  for n in $(seq 100); do
    refuses --root "$STATES" create --bundle "$B" "$ID"
  done
  wait "$installer"
}
