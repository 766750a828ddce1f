# Every test file loads this inside a room (see `room`): where things are, the runtime switch,
# comparing runs, and what is left behind.
#
# A scenario is a function or command. It runs under the plain runtime first and then under embargo.
# Every engine uses RUNTIME, a link that is changed from one to the other, so that nothing but the
# runtime differs between the two runs.

: "${ROOM:?test files run inside a room: use integration/test or integration/lib/room}"
LIB=$ROOM/integration/lib
EMBARGO=$ROOM/embargo/embargo
EMBARGOCTL=$ROOM/embargo/embargoctl
RUNTIME=$ROOM/runtime/embargo
LOGS=$ROOM/logs
PLAIN=${PLAIN_RUNTIME:-$(command -v runc)}
mkdir -p "$ROOM/runtime" "$LOGS"

# Says why a test fails and fails it.
fail() {
  printf '%s\n' "$@" >&2
  return 1
}

# btrfs_at DIRECTORY: mounts an empty btrfs there, made in a file of the room's own disk. It goes with the room.
btrfs_at() {
  local number disk
  [ -e /dev/loop-control ] || mknod -m 0600 /dev/loop-control c 10 237
  for number in $(seq 0 63); do
    [ -e "/dev/loop$number" ] || mknod -m 0600 "/dev/loop$number" b 7 "$number"
  done
  disk=$(mktemp /var/tmp/btrfs.XXXXXX)
  truncate -s 8G "$disk"
  mkfs.btrfs -q "$disk"
  mkdir -p "$1"
  # containerd takes the first of two mounts on one path for the one that counts.
  ! mountpoint -q "$1" || umount "$1"
  mount -o loop "$disk" "$1"
}

# use plain|embargo: what RUNTIME is from now on. The rename is atomic: an engine always finds one or the other.
use() {
  local target
  case $1 in
    plain) target=$PLAIN ;;
    embargo) target=$EMBARGO ;;
    *) fail "unknown runtime $1" || return 1 ;;
  esac
  [ -x "$target" ] || fail "$target is not there: build it first (integration/test does)" || return 1
  ln -sfn "$target" "$RUNTIME.new"
  mv -T "$RUNTIME.new" "$RUNTIME"
}

# start_daemon NAME COMMAND…: in the background, its output in LOGS/NAME.log, its process ID in LOGS/NAME.pid.
start_daemon() {
  local name=$1
  shift
  "$@" >>"$LOGS/$name.log" 2>&1 3>&- &
  echo $! >"$LOGS/$name.pid"
}

# stop_daemon NAME: asks it to end and waits; only the process that start_daemon started.
stop_daemon() {
  local pid attempt
  [ -e "$LOGS/$1.pid" ] || return 0
  pid=$(cat "$LOGS/$1.pid")
  rm "$LOGS/$1.pid"
  kill -TERM "$pid" 2>/dev/null || return 0
  for attempt in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$pid"
}

# ready NAME SECONDS COMMAND…: waits until a started daemon answers; shows the end of its log if it does not.
ready() {
  local name=$1
  shift
  within "$@" || fail "$name does not answer; its log ends with:" "$(tail -n 15 "$LOGS/$name.log")" || return 1
}

# within SECONDS COMMAND…: repeats the command until it succeeds.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || fail "not within the time: $*" || return 1
    sleep 0.1
  done
}

# What differs from run to run and means nothing: IDs, times, process IDs, temporary names.
normalised() {
  sed -E 's/[0-9a-f]{64}/<id>/g; s/\b[0-9a-f]{12}\b/<short-id>/g; s/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)/<time>/g
          s/buildah[0-9]+/buildah<n>/g; s/[0-9]+\.[0-9]+s\b/<seconds>/g; s/"?pid"?[=:] ?[0-9]+/pid=<pid>/gI'
}

# transcript SCENARIO…: its exit status and everything it printed, normalised.
transcript() {
  local status=0 text
  text=$("$@" 2>&1) || status=$?
  printf 'exit status %s\n%s\n' "$status" "$text" | normalised
}

# same_under_both SCENARIO…: embargo must not be noticeable. Leaves the transcript in $seen. A scenario that differs from itself under the plain
# runtime (ctr can lose the last words of a container that ends at once) shows nothing and is tried again, three times in all.
same_under_both() {
  local plain again attempt
  for attempt in 1 2 3; do
    use plain || return 1
    plain=$(transcript "$@")
    use embargo || return 1
    seen=$(transcript "$@")
    [ "$seen" != "$plain" ] || return 0
    use plain || return 1
    again=$(transcript "$@")
    use embargo || return 1
    [ "$again" != "$plain" ] || break
  done
  fail "differs under embargo: $*" "--- plain" "$plain" "--- embargo" "$seen" || return 1
}

# works_under_both SCENARIO…: the same, and it must also succeed.
works_under_both() {
  same_under_both "$@" || return 1
  [[ $seen == "exit status 0"* ]] || fail "fails under both: $*" "$seen" || return 1
}

# refused_only_by_embargo STATUS SCENARIO…: succeeds under the plain runtime; under embargo it ends with STATUS and the refusal's
# text is in what its user sees. Leaves the output in $seen.
refused_only_by_embargo() {
  local wanted=$1 status=0
  shift
  use plain || return 1
  seen=$("$@" 2>&1) || fail "fails under the plain runtime: $*" "$seen" || return 1
  use embargo || return 1
  seen=$("$@" 2>&1) || status=$?
  [ "$status" -eq "$wanted" ] || fail "exit status $status instead of $wanted: $*" "$seen" || return 1
  is_refusal "$seen"
}

# is_refusal TEXT: holds the one line of embargo(8), "A REFUSAL", with what matched, the ban, its reasons and the list.
is_refusal() {
  local line='embargo: refused [^ ]+: (built on|is) [^ ]+, banned by BAN-2026-0007 \(critical, CVE-2026-1234\) since [0-9-]{10}; use registry\.example/base:2 ?; list [0-9]+'
  [[ $1 =~ $line ]] || fail "no refusal in:" "$1" || return 1
}

# Everything that a refused container could leave on the node: mounts, runtime states, pid files, bundles, helpers, cgroups. The directory of the storage
# driver that containers/storage mounts on itself is no container's: whichever command comes first mounts it, and the last one does not always unmount it.
leftovers() {
  awk '$5 != "/var/lib/containers/storage/overlay" { print "mount " $5 " " $9 }' /proc/self/mountinfo
  find /run/runc /run/crun /run/docker/runtime-runc /run/containerd/runc /run/buildah-runc \
    /run/docker/containerd/daemon/io.containerd.runtime.v2.task /run/containerd/io.containerd.runtime.v2.task \
    /var/lib/docker/containerd/daemon/io.containerd.runtime.v2.task /var/lib/containerd/io.containerd.runtime.v2.task \
    -mindepth 1 2>/dev/null | sort
  find /var/lib/docker/buildkit/executor /var/lib/containers/storage/overlay-containers /var/lib/containers/storage/vfs-containers -mindepth 1 \
    \( -name '*.pid' -o -name pid -o -name pidfile -o -name rootfs \) 2>/dev/null | sort
  find /sys/fs/cgroup -mindepth 2 -type d 2>/dev/null | grep -vE '/(conmon|buildkit|docker|libpod_parent|init|k8s\.io|default|system\.slice|user\.slice)$' | sort
  ps -eo comm= | grep -E '^(containerd-shim|runc|crun|conmon|embargo)' | sort
}

# settled: what leftovers prints, once it prints the same twice: what was started before may still be ending.
settled() {
  local seen now attempt
  seen=$(leftovers)
  for attempt in $(seq 20); do
    sleep 0.3
    now=$(leftovers)
    [ "$now" != "$seen" ] || break
    seen=$now
  done
  printf '%s\n' "$seen"
}

# leaves_nothing SCENARIO…: whatever the scenario does, nothing is on the node afterwards that was not there before. Engines clean up in the background:
# give them a moment.
leaves_nothing() {
  local before new attempt
  before=$(settled | sort)
  "$@" || fail "did not end as it should: $*" || return 1
  for attempt in $(seq 50); do
    new=$(comm -13 <(printf '%s\n' "$before") <(leftovers | sort))
    [ -n "$new" ] || return 0
    sleep 0.1
  done
  fail "left behind: $*" "$new"
}
