#!/usr/bin/env bats
# Tests that what `embargoctl restart-check` says before Docker is restarted is what happens, and
# that apt says it.

bats_require_minimum_version 1.5.0
load lib/room
load lib/node
load lib/images
load lib/docker

STORE=docker:
export DOCKER_CONTAINERD=own

setup_file() {
  start_docker
  docker_images
  trust_an_author
  ln -sf "$EMBARGOCTL" /usr/bin/embargoctl
  mkdir -p /usr/lib/embargo
  cp "$ROOM/hooks/apt-restart-check" /usr/lib/embargo/
  cp "$ROOM/hooks/apt.conf.d/80embargo" /etc/apt/apt.conf.d/
}

teardown_file() {
  stop_docker
}

setup() {
  settings 'max_impact = "100%"'
  ban_nothing
  use embargo
  docker run -d --name kept-1 --restart always app:1 loop >/dev/null 3>&-
  docker run -d --name kept-2 --restart unless-stopped deep:1 loop >/dev/null 3>&-
  docker run -d --name once app:1 loop >/dev/null 3>&-
  docker run -d --name clean --restart always other:1 loop >/dev/null 3>&-
}

teardown() {
  remove_containers
}

restart_docker() {
  stop_daemon docker
  PATH=$ROOM/path:$PATH start_daemon docker dockerd --containerd /run/containerd/containerd.sock
  ready docker 30 docker info
}

running() {
  docker ps --format '{{.Names}}' | sort | paste -sd' '
}

@test "without live-restore it names the containers that stay down, and they do" {
  run -0 embargoctl restart-check docker
  [ "$output" = "no container would stay down if docker were restarted now" ]
  run -0 embargoctl restart-check --quiet docker
  [ -z "$output" ]
  ban_and_publish base:1
  run -1 embargoctl restart-check docker
  [ "${lines[0]}" = "2 containers would stay down if docker were restarted now" ] || fail "$output"
  [[ $output == *"kept-1: "*"banned by BAN-2026-0007"* && $output == *"kept-2: "* ]] || fail "$output"
  [[ $output != *once* && $output != *clean* ]] || fail "$output"
  restart_docker
  within 20 eval '[ "$(running)" = clean ]'
}

@test "with live-restore a restart stops nothing, and a reboot would" {
  docker_settings | sed 's/^{/{"live-restore": true, /' >/etc/docker/daemon.json
  kill -HUP "$(cat "$LOGS/docker.pid")"
  within 10 eval 'docker info -f "{{.LiveRestoreEnabled}}" | grep -x true'
  ban_and_publish base:1
  run -0 embargoctl restart-check docker
  [ "${lines[0]}" = "no container would stay down if docker were restarted now" ] || fail "$output"
  [ "${lines[1]}" = "2 containers would stay down after a restart of the machine" ] || fail "$output"
  run -1 embargoctl restart-check machine
  restart_docker
  [ "$(running)" = "clean kept-1 kept-2 once" ]
  docker_settings >/etc/docker/daemon.json
  kill -HUP "$(cat "$LOGS/docker.pid")"
}

@test "a restart of another engine stops no container" {
  ban_and_publish base:1
  run -0 embargoctl restart-check --quiet containerd podman cri-o
  [ -z "$output" ]
}

@test "where nothing is refused, nothing stays down: in audit mode, not armed, under break-glass" {
  ban_and_publish base:1
  settings 'mode = "audit"'
  run -0 embargoctl restart-check docker
  [[ $output == "no container would stay down: "*audit* ]] || fail "$output"
  disarm
  run -0 embargoctl restart-check docker
  [[ $output == "no container would stay down: "*"not armed"* ]] || fail "$output"
}

@test "settings of Docker that cannot be read are not reported as all well" {
  ban_and_publish base:1
  echo '{' >/etc/docker/daemon.json
  run -1 embargoctl restart-check docker
  [[ $output == *"cannot tell whether docker has live-restore"* ]] || fail "$output"
  ban_nothing
  run -3 embargoctl restart-check --quiet docker
  [[ $output == *"cannot tell whether docker has live-restore"* ]] || fail "$output"
  docker_settings >/etc/docker/daemon.json
}

# install_package NAME [FLAG…]: a package without contents, installed by apt.
install_package() {
  mkdir -p "$ROOM/deb/DEBIAN"
  printf 'Package: %s\nVersion: 99:1\nArchitecture: all\nMaintainer: Nobody <nobody@example.com>\nDescription: nothing\n' "$1" >"$ROOM/deb/DEBIAN/control"
  dpkg-deb -b "$ROOM/deb" "$ROOM/$1_99_all.deb" >/dev/null
  apt-get install "${@:2}" -q -y --no-install-recommends --allow-downgrades -o APT::Sandbox::User=root "$ROOM/$1_99_all.deb" 3>&-
}

@test "apt says it before it unpacks an engine's package, and goes on" {
  ban_and_publish base:1
  run install_package moby-engine
  [ "$status" -eq 0 ] || fail "$output"
  [[ $output == *"2 containers would stay down if docker were restarted now"*"Unpacking moby-engine"* ]] || fail "$output"
  dpkg-query -W moby-engine
  run install_package harmless
  [ "$status" -eq 0 ]
  [[ $output != *"stay down"* ]] || fail "$output"
  mv /usr/bin/embargoctl /usr/bin/embargoctl.gone
  run install_package moby-engine --reinstall
  mv /usr/bin/embargoctl.gone /usr/bin/embargoctl
  [ "$status" -eq 0 ] || fail "$output"
}
