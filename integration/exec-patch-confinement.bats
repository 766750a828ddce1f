#!/usr/bin/env bats
# Tests what a patch may do in a container: what the container's own first process may, except for
# the user asked for, and no more. All of it is read from outside, in /proc, while a payload runs.

bats_require_minimum_version 1.5.0
load lib/room
load lib/node
load lib/images
load lib/docker
load lib/containerd
load lib/podman
load lib/patch
load lib/confinement

STORE=docker:
# What an engine's own exec runs beside a payload to be compared with.
ENGINES='sleep 8888'

setup_file() {
  start_engines
  settings "former_runtimes = [\"$CRUN\"]"
}

teardown_file() {
  stop_engines
}

teardown() {
  end_processes "$OURS"
  [ -z "${patching:-}" ] || wait "$patching" || true
  end_processes "$ENGINES"
  remove_fleet
  rm -rf "$PATCHES"
}

# like_engines NAME COMMAND…: it is as what the engine's own command runs there.
like_engines() {
  local name=$1 differs
  shift
  "$@" >"$LOGS/exec" 2>&1 3>&- &
  within 20 runs_in "$name" "$ENGINES" || fail "$(cat "$LOGS/exec")" || return 1
  differs=$(diff <(facts "$(process "$name" "$ENGINES")") <(facts "$(process "$name" "$OURS")")) ||
    fail "$name: the engine's own (<) and the payload (>) differ" "$differs" || return 1
}

@test "in Docker's containers a payload is confined as their first process" {
  in_docker usual app
  in_docker dropped app --cap-drop ALL --cap-add CHOWN --cap-add FOWNER
  in_docker no-new app --security-opt no-new-privileges
  in_docker no-filter app --security-opt seccomp=unconfined
  in_docker limited app --ulimit nofile=100:200 --oom-score-adj 300 --workdir /tmp -e COLOUR=blue
  in_docker narrow app --memory 64m --cgroup-parent /elsewhere
  enter_all docker:base:1
  for name in $(names); do
    like_first "$name"
  done
  [ "$(cat "/proc/$(process limited "$OURS")/oom_score_adj")" -eq 300 ]
}

# embargo-patch.service is protected from the OOM killer. Not every machine lets a room lower the value, so the run has a higher one here.
@test "a payload has the container's value for the OOM killer, not the run's" {
  local name
  in_docker docker-one app
  in_containerd default ctr-one app
  in_podman podman-one app
  echo 500 >"/proc/$BASHPID/oom_score_adj"
  enter_all docker:base:1
  echo 0 >"/proc/$BASHPID/oom_score_adj"
  for name in $(names); do
    [ "$(cat "/proc/$(process "$name" "$OURS")/oom_score_adj")" -eq "$(cat "/proc/$(pid_of "$name")/oom_score_adj")" ]
  done
}

@test "in containerd's containers a payload is confined as their first process" {
  in_containerd default usual app
  in_containerd batch usual deep
  in_containerd default filtered app --seccomp
  in_containerd default dropped app --cap-drop CAP_NET_RAW --cap-drop CAP_CHOWN
  in_containerd default no-new app --no-pivot --env COLOUR=blue --cwd /tmp
  enter_all docker:base:1
  for name in $(names); do
    like_first "$name"
  done
}

@test "in Podman's containers a payload is confined as their first process" {
  in_podman usual app
  in_podman dropped app --cap-drop ALL --cap-add CHOWN
  in_podman no-new app --security-opt no-new-privileges
  in_podman no-filter app --security-opt seccomp=unconfined
  in_podman limited app --workdir /tmp --env COLOUR=blue
  PODMAN_FLAGS='--runtime runc' in_podman usual-runc app
  PODMAN_FLAGS='--runtime runc' in_podman dropped-runc app --cap-drop ALL
  PODMAN_FLAGS='--runtime runc' in_podman no-new-runc app --security-opt no-new-privileges
  enter_all docker:base:1
  for name in $(names); do
    like_first "$name"
  done
}

@test "in a user namespace of its own a payload is confined as the first process, or it is reported that the lineage is not known" {
  local status_of=0
  in_podman mapped app --uidmap 0:300000:5000 --gidmap 0:300000:5000
  # Podman 5 mounts the root of such a container where nobody else sees it.
  "$EMBARGO" exec-patch --base docker:base:1 --dry-run -- true >"$LOGS/run" 2>&1 || status_of=$?
  if [ "$status_of" -eq 0 ]; then
    enter_all docker:base:1
    like_first mapped
  else
    [ "$status_of" -eq 3 ]
    grep 'not understood' "$LOGS/run"
  fi
}

@test "as user 1000 in a container whose user is 1000, a payload is confined as its first process" {
  in_docker of-a-user app --user 1000:1000
  in_docker of-a-user-dropped app --user 1000:1000 --cap-drop ALL
  in_docker of-a-user-no-new app --user 1000:1000 --security-opt no-new-privileges
  in_containerd default of-a-user owned
  in_podman of-a-user-too app --user 1000:1000
  enter_all docker:base:1 --user 1000:1000
  for name in $(names); do
    like_first "$name"
  done
}

@test "as root in a container whose user is 1000, a payload may do what the engine's own exec as root may" {
  in_docker of-a-user app --user 1000:1000
  in_docker of-a-user-dropped app --user 1000:1000 --cap-drop ALL --cap-add CHOWN
  in_docker of-a-user-no-new app --user 1000:1000 --security-opt no-new-privileges
  in_podman of-a-user-too app --user 1000:1000
  in_podman of-a-user-dropped-too app --user 1000:1000 --cap-drop ALL --cap-add CHOWN
  in_podman of-a-user-no-new-too app --user 1000:1000 --security-opt no-new-privileges
  enter_all docker:base:1
  for name in of-a-user of-a-user-dropped; do
    like_engines "$name" docker exec -u 0:0 "$name" sleep 8888
  done
  for name in of-a-user-too of-a-user-dropped-too of-a-user-no-new-too; do
    like_engines "$name" podman exec -u 0:0 "$name" sleep 8888
  done
  # Docker 20.10 leaves root's capabilities to the kernel, which gives none where nobody gains privileges; Docker 28 gives them.
  if [[ $(docker version -f '{{.Server.Version}}') != 20.* ]]; then
    like_engines of-a-user-no-new docker exec -u 0:0 of-a-user-no-new sleep 8888
  fi
}

@test "as another user in a container of root's, a payload may do what the engine's own exec as that user may" {
  in_docker of-root app
  in_podman of-root-too app
  enter_all docker:base:1 --user 1000:1000
  like_engines of-root docker exec -u 1000:1000 of-root sleep 8888
  like_engines of-root-too podman exec -u 1000:1000 of-root-too sleep 8888
}

@test "a payload holds no descriptor but its streams, and its program" {
  in_docker usual app
  in_podman usual-too app
  enter_all docker:base:1
  for name in usual usual-too; do
    [ "$(ls "/proc/$(process $name "$OURS")/fd" | xargs)" = '0 1 2' ] || fail "$(ls -l "/proc/$(process $name "$OURS")/fd")"
    [ "$(readlink "/proc/$(process $name "$OURS")/fd/0")" = /dev/null ] || fail "$(ls -l "/proc/$(process $name "$OURS")/fd")"
  done
}
