# Runs a payload in every container of the fleet (patch.bash), and reads from outside, in /proc, what
# it may do there.

# What the payload is.
PAYLOAD=(sleep 7777)
OURS='sleep 7777'

# end_processes ARGUMENTS: those of the room with exactly these.
end_processes() {
  local pid
  for pid in $(pgrep -xf "$1"); do
    kill -KILL "$pid"
  done
}

# process NAME ARGUMENTS: the process in this container that was started so.
process() {
  ps -eo pidns=,pid=,args= | awk -v space="$(ps -o pidns= -p "$(pid_of "$1")" | tr -d ' ')" -v wanted="$2" \
    '{ pid = $2; ours = $1 == space; $1 = $2 = ""; sub(/^ +/, "") } ours && $0 == wanted { print pid }' | head -1
}

runs_in() {
  [ -n "$(process "$1" "$2")" ]
}

# facts PID: what it may do, and where it is. Some engines name a process's own group once more among its groups.
facts() {
  grep -E '^(Uid|Gid|Cap[A-Z][a-z]*|NoNewPrivs|Seccomp):' "/proc/$1/status"
  awk '$1 == "Gid:" { own = $2 } $1 == "Groups:" { for (n = 2; n <= NF; n++) if ($n != own) print "group " $n }' "/proc/$1/status"
  cat "/proc/$1/cgroup" "/proc/$1/uid_map" "/proc/$1/gid_map"
  cat "/proc/$1/attr/current" 2>/dev/null || true
  readlink "/proc/$1"/ns/{cgroup,ipc,mnt,net,pid,user,uts} "/proc/$1/cwd"
}

# more_facts PID: and what an engine's own command may have otherwise: environment and hard limits. runc 1.1.5 raises the soft limit of open files to
# the hard one for a command (Go's own doing).
more_facts() {
  facts "$1"
  cut -c 1-26,48- "/proc/$1/limits"
  tr '\0' '\n' <"/proc/$1/environ" | grep -v '^EMBARGO_PATCH=' | sort
}

# enter_all BASE WORD…: a run that is in every container of the fleet, all of which are built on this base, at once, and stays there.
enter_all() {
  local base=$1 name
  shift
  "$EMBARGO" exec-patch --base "$base" --canary 0 --parallel 100 "$@" -- "${PAYLOAD[@]}" >"$LOGS/run" 2>&1 3>&- &
  patching=$!
  for name in $(names); do
    within 120 runs_in "$name" "$OURS" || fail "$(cat "$LOGS/run")" || return 1
  done
}

# like_first NAME: the payload there is as the container's first process.
like_first() {
  local differs
  differs=$(diff <(more_facts "$(pid_of "$1")") <(more_facts "$(process "$1" "$OURS")")) ||
    fail "$1: the first process (<) and the payload (>) differ" "$differs" || return 1
}
