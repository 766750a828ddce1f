#!/usr/bin/env bats
# Tests the OCI hook of hooks/hooks.d with Podman and Buildah, as root, with the real runtime that
# PODMAN_RUNTIME names. The runtime itself is never Embargo, unless a test says so.

bats_require_minimum_version 1.5.0
load lib/room
load lib/node
load lib/images
load lib/podman

STORE=podman:
HOOKS=/usr/share/containers/oci/hooks.d

setup_file() {
  start_podman
  hear_system_log
  trust_an_author
  ln -s "$EMBARGO" /usr/bin/embargo
  mkdir -p "$HOOKS"
}

teardown_file() {
  stop_daemon system-log
}

setup() {
  settings
  forget_system_log
  use plain
  hook
}

teardown() {
  remove_containers
}

hook() {
  cp "$ROOM/hooks/hooks.d/50-embargo.json" "$HOOKS/"
}

no_hook() {
  rm -f "$HOOKS/50-embargo.json"
}

# refused_by_hook STATUS SCENARIO…: succeeds without the hook; with it, ends with STATUS and shows the refusal. Leaves the output in $seen.
refused_by_hook() {
  local wanted=$1 status=0
  shift
  no_hook
  seen=$("$@" 2>&1) || fail "fails without the hook: $*" "$seen" || return 1
  hook
  seen=$("$@" 2>&1) || status=$?
  [ "$status" -eq "$wanted" ] || fail "exit status $status instead of $wanted: $*" "$seen" || return 1
  is_refusal "$seen"
}

@test "a banned container is refused though the runtime is not replaced, and its user sees why" {
  ban_and_publish localhost/base:1
  refused_by_hook 126 known run --rm app:1
  refused_by_hook 126 known run --rm deep:1
  refused_by_hook 126 known run --rm -t app:1
  refused_by_hook 126 known run -d app:1
  refused_by_hook 126 unknown run --rm app:1
  refused_by_hook 126 unknown run --rm -t app:1
}

@test "a container of another image runs as without the hook, silently" {
  ban_and_publish localhost/base:1
  local scenario without
  for scenario in "known run --rm other:1 id" "unknown run --rm -t other:1 id" "known run --rm --read-only --network none --user 1000 other:1 id"; do
    no_hook
    without=$(transcript $scenario)
    hook
    seen=$(transcript $scenario)
    [ "$seen" = "$without" ] || fail "differs with the hook: $scenario" "$without" "$seen"
    [[ $seen == "exit status 0"* ]] || fail "$seen"
  done
  heard_nothing
}

@test "podman start of a stopped container is refused once its base is banned, every time" {
  ban_nothing
  known run --name web-1 app:1
  known create --name web-2 app:1
  ban_and_publish localhost/base:1
  local name
  for name in web-1 web-2 web-1; do
    run known start "$name"
    [ "$status" -eq 125 ]
    is_refusal "$output"
    [[ $output == *"embargo: refused $name: "* ]] || fail "$output"
  done
  ban_nothing
  known start -a web-1
}

@test "a refusal is the same event as without a hook, and audit mode admits with one" {
  ban_and_publish localhost/base:1
  run known run --name web-1 app:1
  [ "$status" -eq 126 ]
  heard EMBARGO_EVENT=refused EMBARGO_BAN=BAN-2026-0007 "EMBARGO_CONTAINER=$(podman inspect -f '{{.Id}}' web-1)" \
    "EMBARGO_MATCH=$(chain_id $(diff_ids base:1))" EMBARGO_LIST_VERSION=
  forget_system_log
  settings 'mode = "audit"'
  known run --rm app:1
  heard EMBARGO_EVENT=would-refuse EMBARGO_BAN=BAN-2026-0007
}

@test "without settings everything starts" {
  ban_and_publish localhost/base:1
  disarm
  known run --rm app:1
}

@test "annotations of the user and of the image's author decide nothing" {
  ban_and_publish localhost/base:1
  local id
  id=$(podman image inspect -f '{{.Id}}' other:1)
  refused_by_hook 126 known run --rm --annotation io.kubernetes.cri-o.ImageRef="$id" --annotation io.kubernetes.cri-o.Image=other:1 \
    --annotation bundle=/elsewhere --annotation long="$(head -c 100000 /dev/zero | tr '\0' x)" app:1
}

@test "a refusal leaves nothing behind: state, pid file, conmon, mount or cgroup" {
  ban_and_publish localhost/base:1
  known run --rm other:1
  refuse_and_remove() {
    run known run --name web-1 app:1
    [ "$status" -eq 126 ] || return 1
    podman rm web-1
  }
  leaves_nothing refuse_and_remove
}

@test "exec, stop and rm of a container whose base is banned while it runs still work" {
  ban_nothing
  known run -d --name web-1 app:1 loop
  ban_and_publish localhost/base:1
  known exec web-1 echo inside
  known stop -t 2 web-1
  known rm web-1
}

@test "where Embargo is the runtime too, the hook changes nothing" {
  ban_and_publish localhost/base:1
  use embargo
  known run --rm other:1
  run known run --rm app:1
  [ "$status" -eq 126 ]
  is_refusal "$output"
}

@test "steps of podman build run the hook too, in Buildah's default isolation" {
  ban_and_publish localhost/base:1
  local status=0
  seen=$(podman build --no-cache --runtime "$RUNTIME" -f "$BUILD/deep.dockerfile" --build-arg BASE=localhost/app:1 "$BUILD" 2>&1) || status=$?
  [ "$status" -ne 0 ]
  is_refusal "$seen"
  podman build --no-cache --runtime "$RUNTIME" -f "$BUILD/deep.dockerfile" --build-arg BASE=localhost/other:1 "$BUILD"
}

@test "what a hook cannot do: whoever names another directory of hooks, or chroot isolation, goes around it" {
  ban_and_publish localhost/base:1
  mkdir -p "$ROOM/no-hooks"
  podman --hooks-dir "$ROOM/no-hooks" run --rm app:1
  podman build --no-cache --isolation chroot --runtime "$RUNTIME" -f "$BUILD/deep.dockerfile" --build-arg BASE=localhost/app:1 "$BUILD"
}

@test "what a hook cannot do: Podman skips a definition whose program is missing" {
  ban_and_publish localhost/base:1
  mv /usr/bin/embargo /usr/bin/embargo.gone
  run known run --rm app:1
  mv /usr/bin/embargo.gone /usr/bin/embargo
  [ "$status" -eq 0 ]
}
