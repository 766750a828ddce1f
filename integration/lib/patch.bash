# Runs containers in Docker, containerd (two namespaces) and Podman at once, and reads what a patch
# did in them and what exec-patch reported.
#
# Docker and containerd use runc, Podman uses crun. All have the same images, of three lineages:
#
#   base    base, app, deep, cured, owned (whose user is 1000)      other   other, calm (built on other)      third   third, pause
#
# Each container that a function here starts is a line in FLEET: NAME ENGINE NAMESPACE IMAGE ID PID.

FLEET=$ROOM/fleet
PATCHES=/var/lib/embargo/patches
PODMAN_RUNTIME=crun
PLAIN=$(command -v runc)
CRUN=$(command -v crun)

# What the patch of most tests does: adds a line to a file in the container, so that it can be counted.
MARK=(sh -c 'echo patched >>/patched')

fleet_podman_settings() {
  cat <<TOML
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
[engine.runtimes]
crun = ["$CRUN"]
runc = ["$PLAIN"]
TOML
}

# The node's directories stand, also where no test installs a list.
mkdir -p /etc/embargo

# start_engines: one containerd under Docker and ctr, a Podman beside it, the same images in all of them.
start_engines() {
  use plain
  containerd_settings >/etc/containerd/config.toml
  DOCKER_CONTAINERD=own start_docker
  docker_images
  busybox_root "$ROOM/root-third" third
  tar -C "$ROOM/root-third" -c . | docker import --change 'ENV PATH=/bin' - third:1
  docker build -q -t calm:1 --build-arg BASE=other:1 -f "$BUILD/app.dockerfile" "$BUILD"
  tar -C "$ROOM/root-third" -c . | docker import --change 'CMD ["/bin/sleep", "100000"]' - pause:1
  printf 'FROM app:1\nUSER 1000:1000\n' | docker build -q -t owned:1 -
  docker save -o "$ROOM/images.tar" base:1 app:1 deep:1 cured:1 owned:1 other:1 calm:1 third:1 pause:1
  import_images default
  import_images batch
  mkdir -p /etc/containers
  fleet_podman_settings >/etc/containers/containers.conf
  podman load -q -i "$ROOM/images.tar"
  : >"$FLEET"
}

stop_engines() {
  remove_fleet
  stop_docker
}

# remove_fleet: every container of every engine; daemons that a test has stopped must run again.
remove_fleet() {
  local space id
  podman rm -fa -t 0 >/dev/null
  docker ps -aq | xargs -r docker rm -f >/dev/null
  for space in default batch; do
    for id in $(ctr -n $space container ls -q); do
      remove_ctr $space "$id"
    done
  done
  : >"$FLEET"
}

# remove_ctr NAMESPACE ID
remove_ctr() {
  ctr -n "$1" task kill -s KILL "$2" 2>/dev/null || true
  within 10 task_gone "$1" "$2"
  ctr -n "$1" container rm "$2"
}

task_gone() {
  ctr -n "$1" task rm -f "$2" 2>/dev/null || ! ctr -n "$1" task ls -q | grep -qx "$2"
}

# part before|after WORD…: the words before the first `--`, or behind it, one a line.
part() {
  local wanted=$1 now=before word
  shift
  for word in "$@"; do
    if [ "$now" = before ] && [ "$word" = -- ]; then
      now=after
    elif [ "$now" = "$wanted" ]; then
      printf '%s\n' "$word"
    fi
  done
}

# words FLAGS COMMAND ARGUMENT…: fills the arrays of these names from `FLAG… -- COMMAND…`; without a command it sleeps.
words() {
  local -n flags=$1 command=$2
  shift 2
  mapfile -t flags < <(part before "$@")
  mapfile -t command < <(part after "$@")
  [ "${#command[@]}" -gt 0 ] || command=(sleep 100000)
}

# in_docker NAME IMAGE [FLAG…] [-- COMMAND…]: starts it. A container that lives on must not hold the test's own streams.
in_docker() {
  local name=$1 image=$2 given run id
  shift 2
  words given run "$@"
  id=$(docker run -d --name "$name" --network none "${given[@]}" "$image:1" "${run[@]}" 3>&-) || return 1
  echo "$name docker - $image $id $(docker inspect -f '{{.State.Pid}}' "$id")" >>"$FLEET"
}

# in_containerd NAMESPACE ID IMAGE [FLAG…] [-- COMMAND…]: its line's name is NAMESPACE/ID, as two namespaces may have the same ID.
in_containerd() {
  local space=$1 id=$2 image=$3 given run
  shift 3
  words given run "$@"
  ctr -n "$space" run -d --snapshotter "$SNAPSHOTTER" "${given[@]}" "docker.io/library/$image:1" "$id" "${run[@]}" >/dev/null 2>"$LOGS/ctr" 3>&- </dev/null ||
    fail "$(cat "$LOGS/ctr")" || return 1
  echo "$space/$id containerd $space $image $id $(ctr -n "$space" task ls | awk -v id="$id" '$1 == id { print $2 }')" >>"$FLEET"
}

# in_podman NAME IMAGE [FLAG…] [-- COMMAND…]: PODMAN_FLAGS are Podman's own.
in_podman() {
  local name=$1 image=$2 given run id
  shift 2
  words given run "$@"
  # shellcheck disable=SC2086
  id=$(podman ${PODMAN_FLAGS:-} run -d --name "$name" --network none "${given[@]}" "localhost/$image:1" "${run[@]}" 3>&-) || return 1
  echo "$name podman - $image $id $(podman inspect -f '{{.State.Pid}}' "$id")" >>"$FLEET"
}

# of NAME FIELD: a field of its line in FLEET, by number.
of() {
  awk -v name="$1" -v field="$2" '$1 == name { print $field }' "$FLEET"
}

id_of() {
  of "$1" 5
}

pid_of() {
  of "$1" 6
}

# inside NAME: its root directory, seen from here; works without its engine.
inside() {
  printf '/proc/%s/root\n' "$(pid_of "$1")"
}

# names IMAGE…: the containers of these images, in order, in one line; of all images when none is named.
names() {
  awk -v images=" $* " 'images == "  " || index(images, " " $4 " ") { print $1 }' "$FLEET" | sort | paste -sd' '
}

# lines NAME [FILE]: how often a patch has added its line.
lines() {
  cat "$(inside "$1")${2:-/patched}" 2>/dev/null | wc -l
}

# patched TIMES: the containers in which the patch has run so often, in order, in one line.
patched() {
  local name
  for name in $(names); do
    [ "$(lines "$name")" -ne "$1" ] || printf '%s\n' "$name"
  done | paste -sd' '
}

# only_patched TIMES NAME…: the patch has run so often in these, and never in another.
only_patched() {
  local times=$1 wanted
  shift
  wanted=$(printf '%s\n' "$@" | sort | paste -sd' ')
  [ "$(patched "$times")" = "$wanted" ] || fail "not those patched $times times: $wanted" "but: $(patched "$times")" "$(said)" || return 1
  wanted=$(comm -23 <(names | tr ' ' '\n') <(tr ' ' '\n' <<<"$wanted") | paste -sd' ')
  [ "$(patched 0)" = "$wanted" ] || fail "not those left alone: $wanted" "but: $(patched 0)" "$(said)" || return 1
}

# trace NAME…: all that running something in a container could change: its files with their times, and its processes.
trace() {
  local name pid
  for name in "$@"; do
    pid=$(pid_of "$name")
    find "/proc/$pid/root/" -xdev -printf "$name %P %s %T@ %C@\n" | grep -vE "^$name (proc|dev|sys)?( |/)" | sort
    ps -eo pidns,pid,lstart,args | awk -v space="$(ps -o pidns= -p "$pid")" '$1 == space + 0'
  done
}

# unmarked: every container as before any patch, and no run has ever been.
unmarked() {
  local name
  for name in $(names); do
    rm -f "$(inside "$name")/patched"
  done
  rm -rf "$PATCHES"
}

# patch WORD…: exec-patch with these; its outputs in $output and $stderr, its exit status in $status. Never on a terminal, never asking.
patch() {
  run --separate-stderr timeout 120 "$EMBARGO" exec-patch "$@" </dev/null
}

# said: what the last `patch` said, for a failing test.
said() {
  printf 'exit status %s\n--- out\n%s\n--- err\n%s\n' "${status:-}" "${output:-}" "${stderr:-}"
}

# ends STATUS WORD…: exec-patch with these words ends so.
ends() {
  local wanted=$1
  shift
  patch "$@"
  [ "$status" -eq "$wanted" ] || fail "exit status $status instead of $wanted: exec-patch $*" "$(said)" || return 1
}

# last_run: the ID of the newest run. Two of one second are told apart by when they were last written to.
last_run() {
  find "$PATCHES" -mindepth 2 -maxdepth 2 -name journal.jsonl -printf '%T@ %h\n' 2>/dev/null | sort -n | tail -1 | sed 's|.*/||'
}

# outcomes [RUN]: what the journal says of each container of a run, the newest one unless said: NAMESPACE ID WORD [DETAIL…], tab between them.
outcomes() {
  jq -r '
    select(.event == "ended")
    | [.namespace // "-", .container, .outcome, .stage // empty, .status // empty, (.left // empty | join(", ")), .why // empty]
    | @tsv' "$PATCHES/${1:-$(last_run)}/journal.jsonl"
}

# outcome NAME [RUN]: how it ended there: its word, and what belongs to it, in one line; one line more for each further life.
outcome() {
  local space
  space=$(of "$1" 3)
  outcomes "${2:-}" | awk -F '\t' -v space="$space" -v id="$(id_of "$1")" '(space == "-" || $1 == space) && $2 == id' | cut -f3- | tr '\t' ' '
}

# came_to NAME PATTERN: that, as an extended expression for the whole of it.
came_to() {
  local how
  how=$(outcome "$1")
  grep -qxE -- "$2" <<<"$how" || fail "$1 came to ${how:-nothing} instead of $2" "$(said)" || return 1
}
