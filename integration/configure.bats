#!/usr/bin/env bats
# Tests `embargoctl configure` with real engines: their settings before, with Embargo, and byte for
# byte as before. No systemd runs in a room, so the engines are told by hand to read their settings.

load lib/room
load lib/node
load lib/images
load lib/docker
load lib/containerd
load lib/podman

PLAIN=$(command -v runc)
KEPT=$ROOM/kept

setup_file() {
  hear_system_log
  trust_an_author
  mkdir -p "$KEPT"
}

teardown_file() {
  stop_daemon system-log
}

setup() {
  settings
  forget_system_log
}

teardown() {
  stop_docker
}

# keep FILE: remembers its bytes, mode and owner.
keep() {
  cp -a "$1" "$KEPT/before"
}

# as_kept FILE: the file has the bytes, mode and owner of before.
as_kept() {
  cmp "$1" "$KEPT/before" || fail "$1 has other bytes than before" "$(diff "$KEPT/before" "$1")" || return 1
  [ "$(stat -c '%a %U %G' "$1")" = "$(stat -c '%a %U %G' "$KEPT/before")" ]
}

# configure ARGUMENT…: with the program under test.
configure() {
  "$EMBARGOCTL" configure "$@"
}

refuses() {
  run "$@"
  [ "$status" -ne 0 ] && [[ $output == *"banned by BAN-2026-0007"* ]] ||
    fail "not refused (exit status $status): $*" "$output"
}

# dockerd with settings that an operator wrote: a key order, an indentation and a mode of his own.
plain_docker() {
  printf '{\n  "storage-driver": "overlay2",\n     "features": {"buildkit": false},\n  "debug": false}' >/etc/docker/daemon.json
  chmod 0640 /etc/docker/daemon.json
  start_daemon docker dockerd
  ready docker 30 docker info
}

default_runtime() {
  docker info --format '{{.DefaultRuntime}}'
}

# read_settings RUNTIME: dockerd reads its settings again, and this is its default runtime then.
read_settings() {
  kill -HUP "$(cat "$LOGS/docker.pid")"
  local attempt
  for attempt in $(seq 100); do
    [ "$(default_runtime)" != "$1" ] || return 0
    sleep 0.1
  done
  fail "the default runtime is not $1" "$(tail -n 5 "$LOGS/docker.log")"
}

@test "docker: configured, a banned image refused, undone byte for byte" {
  STORE=docker:
  plain_docker
  docker_images
  ban_and_publish base:1
  keep /etc/docker/daemon.json
  docker run --rm app:1
  run configure docker --default --path "$EMBARGO" --check
  [ "$status" -eq 1 ]
  configure docker --default --path "$EMBARGO" --dry-run | grep -F '+  "default-runtime": "embargo"'
  as_kept /etc/docker/daemon.json
  # No systemd runs here. The settings are in place all the same, and Docker still has its old ones.
  run configure docker --default --path "$EMBARGO" --restart
  [ "$status" -eq 1 ]
  [[ $output == *'cannot run "systemctl reload docker"'*'changed /etc/docker/daemon.json'*'hint: the settings are in place, but'* ]] || fail "$output"
  docker run --rm app:1
  run configure docker --default --path "$EMBARGO"
  [[ $output == *'if it has not read them yet: systemctl reload docker' ]] || fail "$output"
  configure docker --default --path "$EMBARGO" --check
  [ "$(stat -c %a /etc/docker/daemon.json)" = 640 ]
  read_settings embargo
  refuses docker run --rm app:1
  docker run --rm other:1
  configure docker --undo
  as_kept /etc/docker/daemon.json
  # A reload keeps a default runtime that is gone from the file.
  stop_docker
  start_daemon docker dockerd
  ready docker 30 docker info
  [ "$(default_runtime)" = runc ]
  docker run --rm app:1
  ! ls /var/lib/embargo/configure/*.json
}

@test "docker: a container that needs the runtime keeps it from being removed" {
  STORE=docker:
  plain_docker
  docker image inspect other:1 >/dev/null 2>&1 || docker_images
  ban_nothing
  configure docker --default --path "$EMBARGO"
  read_settings embargo
  docker run -d --name kept other:1 sleep 1000
  run configure docker --undo
  [ "$status" -eq 1 ]
  [[ $output == *'cannot remove the runtime "embargo": 1 container could not start again without it'* ]]
  docker rm -f kept
  configure docker --undo
}

@test "docker: a flag of the running daemon is seen before the file is changed" {
  printf '{}' >/etc/docker/daemon.json
  start_daemon docker dockerd --storage-driver overlay2 --add-runtime "other=$PLAIN"
  ready docker 30 docker info
  keep /etc/docker/daemon.json
  run configure docker --path "$EMBARGO"
  [ "$status" -eq 1 ]
  [[ $output == *'cannot change "/etc/docker/daemon.json": dockerd is started with --add-runtime'* ]]
  as_kept /etc/docker/daemon.json
}

@test "containerd: configured, a banned pod refused, undone byte for byte" {
  STORE=containerd:k8s.io/
  export CONTAINERD_NAMESPACE=k8s.io
  start_containerd k8s.io
  stop_containerd
  printf 'version = 2 # as Debian has it\n[plugins."io.containerd.grpc.v1.cri"]\n    sandbox_image = "docker.io/library/pause:1"\n    restrict_oom_score_adj = true\n' \
    >/etc/containerd/config.toml
  keep /etc/containerd/config.toml
  ban_and_publish docker.io/library/base:1
  configure containerd --default --path "$EMBARGO"
  containerd config dump | grep -F 'default_runtime_name = "embargo"' ||
    containerd config dump | grep -F "default_runtime_name = 'embargo'"
  containerd config dump | grep -F 'containerd.runtimes.runc]'
  start_daemon containerd containerd
  ready containerd 20 ctr version
  local pod container
  pod=$(cri pod pod)
  container=$(cri container "$pod" main docker.io/library/app:1 -- sleep 1000)
  refuses cri start "$container"
  container=$(cri container "$pod" good docker.io/library/other:1 -- sleep 1000)
  cri start "$container"
  clear_pods
  stop_containerd
  configure containerd --undo
  as_kept /etc/containerd/config.toml
  containerd config dump >/dev/null
}

@test "containerd: what its own program cannot read is not put in place" {
  printf 'version = 2\nroot = 5\n' >/etc/containerd/config.toml
  keep /etc/containerd/config.toml
  run configure containerd --path "$EMBARGO"
  [ "$status" -eq 1 ]
  as_kept /etc/containerd/config.toml
  rm /etc/containerd/config.toml
  configure containerd --path "$EMBARGO" --default
  containerd config dump >/dev/null
  configure containerd --undo
  [ ! -e /etc/containerd/config.toml ]
}

@test "podman: configured, a banned image refused, undone without a trace" {
  STORE=podman:
  mkdir -p /etc/containers
  podman_settings | grep -vE '^(runtime|\[engine.runtimes|runc|crun)' >/etc/containers/containers.conf
  storage_settings >/etc/containers/storage.conf
  keep /etc/containers/containers.conf
  podman_images
  ban_and_publish localhost/base:1
  podman run --rm app:1
  configure podman --default --path "$EMBARGO"
  [ "$(podman info --format '{{.Host.OCIRuntime.Name}}')" = embargo ]
  refuses podman run --rm app:1
  podman run --rm other:1
  configure podman --undo
  as_kept /etc/containers/containers.conf
  [ ! -e /etc/containers/containers.conf.d ]
  podman run --rm app:1
}

@test "buildkit: a drop-in for the service where Docker has the variable, else said so" {
  local drop_in=/etc/systemd/system/docker.service.d/50-embargo.conf
  if grep -qa DOCKER_BUILDKIT_RUNC_COMMAND "$(command -v dockerd)"; then
    configure buildkit --path "$EMBARGO"
    grep -Fx "Environment=\"DOCKER_BUILDKIT_RUNC_COMMAND=$EMBARGO\"" "$drop_in"
    configure buildkit --path "$EMBARGO" --check
    configure buildkit --undo
  else
    run configure buildkit --path "$EMBARGO"
    [ "$status" -eq 1 ]
    [[ $output == *"cannot configure buildkit: Docker before 26 always uses the runc in its PATH"* ]]
  fi
  [ ! -e "$drop_in" ]
}
