#!/usr/bin/env bats
# Tests that `embargoctl doctor` finds each gap that is planted on a node with real engines, and
# that its trial image is refused through each of them.

load lib/room
load lib/node
load lib/images
load lib/docker
load lib/containerd
load lib/podman

STORE=docker:

# As a package installs them: doctor also checks who may change the programs.
EMBARGO=/usr/local/sbin/embargo
EMBARGOCTL=/usr/local/sbin/embargoctl

setup_file() {
  install -m 0755 "$ROOM/embargo/embargo" "$ROOM/embargo/embargoctl" /usr/local/sbin/
  mkdir -p /etc/containers
  podman_settings >/etc/containers/containers.conf
  storage_settings >/etc/containers/storage.conf
  printf '{"default":[{"type":"insecureAcceptAnything"}]}' >/etc/containers/policy.json
  use plain
  start_docker
  docker_images
  containerd_settings >/etc/containerd/config.toml
  PATH=$ROOM/path:$PATH start_daemon containerd-alone containerd
  ready containerd-alone 20 ctr version
  hear_system_log
  trust_an_author
}

teardown_file() {
  stop_daemon containerd-alone
  stop_docker
  stop_daemon system-log
}

setup() {
  use embargo
  docker_settings >/etc/docker/daemon.json
  settings
  forget_lists
  ban_nothing
}

teardown() {
  use plain
  docker ps -aq | xargs -r docker rm -f >/dev/null
}

# finds ID LEVEL [TEXT]: doctor reports this finding, and its message contains the text.
finds() {
  local report finding
  report=$("$EMBARGOCTL" doctor --json) || true
  finding=$(jq -r --arg id "$1" 'first(.findings[] | select(.id == $id)) | "\(.level) \(.message)"' <<<"$report")
  [[ $finding == "$2 "*"${3:-}"* ]] || fail "not found: $*" "instead: ${finding:-nothing}" "$report" || return 1
}

# docker_json FILTER: changes daemon.json.
docker_json() {
  jq "$1" /etc/docker/daemon.json >/etc/docker/daemon.json.new
  mv /etc/docker/daemon.json.new /etc/docker/daemon.json
}

# worst SKIPPED…: the exit status of doctor without these checks.
worst() {
  local skipped=() id
  for id in "$@"; do skipped+=(--skip "$id"); done
  run "$EMBARGOCTL" doctor "${skipped[@]}"
}

# The node with its own gaps skipped: crun, which is installed here and has no part in the tests.
NO_GAPS=(coverage:podman/crun)

@test "a node without a gap is all ok" {
  worst "${NO_GAPS[@]}"
  [ "$status" -eq 0 ] || fail "$output"
  [[ $output != *critical* && $output != *unknown* && $output != *warning* ]] || fail "$output"
}

@test "the trial image is refused through Docker, Podman and containerd, and nothing is left of it" {
  run "$EMBARGOCTL" doctor --trial --json
  local id
  for id in docker/embargo docker/runc podman/runc "containerd/$RUNTIME"; do
    [ "$(jq -r --arg id "trial:$id" '.findings[] | select(.id == $id) | .level' <<<"$output")" = ok ] || fail "$id" "$output"
  done
  [ "$(jq -r '[.findings[] | select(.check == "trial") | .level] | unique | join(" ")' <<<"$output")" = ok ] || fail "$output"
  heard 'refused embargo-doctor-[0-9]+: is the-trial-image-of-embargoctl-doctor, banned by BAN-TRIAL'
  [ -z "$(docker images -q localhost/embargo-doctor)$(docker ps -aq)" ] || fail "$(docker images)"
  [ -z "$(podman images -q localhost/embargo-doctor)$(podman ps -aq)" ] || fail "$(podman images)"
  [ -z "$(find /run /var/lib/containerd -name 'embargo-doctor*')" ] || fail "$(find /run /var/lib/containerd -name 'embargo-doctor*')"
  [ -z "$(ctr -n embargo-doctor image ls -q)$(ctr -n embargo-doctor container ls -q)" ] || fail "$(ctr -n embargo-doctor image ls)"
}

@test "in audit mode a trial shows nothing, and that is unknown" {
  settings 'mode = "audit"'
  run "$EMBARGOCTL" doctor --trial --json
  [ "$(jq -r '.findings[] | select(.check == "trial") | .level' <<<"$output")" = unknown ] || fail "$output"
  finds mode warning 'nothing is refused'
}

@test "another runtime name open" {
  docker_json ".runtimes.other = {path: \"$PLAIN\"}"
  finds coverage:docker/other warning "$PLAIN, past Embargo"
  finds default-runtime:docker ok
}

@test "Embargo not the default" {
  docker_json ".runtimes.other = {path: \"$PLAIN\"} | .\"default-runtime\" = \"other\""
  finds default-runtime:docker critical 'the default of docker, other, is not Embargo'
  finds coverage:docker/other critical
  worst "${NO_GAPS[@]}"
  [ "$status" -eq 2 ] || fail "$output"
}

# reloaded DEFAULT: Docker reads its settings again, and has this default.
reloaded() {
  kill -HUP "$(cat "$LOGS/docker.pid")"
  within 10 test_default "$1"
}

test_default() {
  [ "$(docker info --format '{{.DefaultRuntime}}')" = "$1" ]
}

@test "settings that an engine has not read" {
  finds settings-read:docker ok
  finds settings-read:containerd ok
  docker_json ".runtimes.other = {path: \"$PLAIN\"} | .\"default-runtime\" = \"other\""
  reloaded other
  docker_settings >/etc/docker/daemon.json
  finds default-runtime:docker ok
  finds settings-read:docker critical 'the default runtime of docker is still other'
  reloaded embargo
  finds settings-read:docker ok
  sleep 2
  touch /etc/containerd/config.toml
  finds settings-read:containerd warning 'may not have read it'
  stop_daemon containerd-alone
  PATH=$ROOM/path:$PATH start_daemon containerd-alone containerd
  ready containerd-alone 20 ctr version
  finds settings-read:containerd ok
}

@test "a program in place of Embargo" {
  use plain
  finds coverage:docker/runc warning
  finds default-runtime:docker critical
  finds buildkit:buildkit warning
}

@test "list near its end, stale, and past its grace" {
  day() { date -u -d "$1" +%Y-%m-%dT%H:%M:%SZ; }
  new_source
  publish --expires "$(day '36 hours')"
  finds list warning ', in 1 day'
  publish --issued "$(day '-20 days')" --expires "$(day '-5 days')"
  finds list warning 'ago, and is still enforced'
  settings 'grace = "1d"'
  finds list critical 'its grace period ended'
  rm /var/lib/embargo/banlist.copy.lst
  finds second-copy warning
  rm /var/lib/embargo/banlist.lst
  finds list critical
}

@test "floor behind, ahead and unreadable" {
  ban_nothing
  local floor=/var/lib/embargo/floor version
  version=$(sed -n 's/^version //p' "$floor")
  sed -i "s/^version .*/version $((version - 1))/" "$floor"
  finds floor warning 'behind the list'
  sed -i "s/^version .*/version $((version + 1))/" "$floor"
  finds floor critical 'ahead of the list'
  echo torn >"$floor"
  finds floor critical 'cannot use floor'
}

@test "delegate pointing at itself, missing, and no program" {
  finds delegate ok "$PLAIN"
  echo "runtime = \"$EMBARGO\"" >/etc/embargo/config.toml
  finds delegate critical 'it is embargo itself'
  echo "runtime = \"$RUNTIME\"" >/etc/embargo/config.toml
  finds delegate critical 'it is embargo itself'
  echo 'runtime = "/no/runc"' >/etc/embargo/config.toml
  finds delegate critical 'the file is missing'
  printf '#!/bin/sh\nexit 7\n' >/usr/local/sbin/runc-broken
  chmod 0755 /usr/local/sbin/runc-broken
  echo 'runtime = "/usr/local/sbin/runc-broken"' >/etc/embargo/config.toml
  finds delegate critical 'exit status 7'
  rm /usr/local/sbin/runc-broken
}

@test "a keyset that others may write, that cannot be read, and that is missing" {
  chmod 0666 /etc/embargo/keyset
  finds keyset critical 'owned or writable by another user'
  finds permissions:/etc/embargo/keyset critical
  chmod 0644 /etc/embargo/keyset
  echo torn >/etc/embargo/keyset
  finds keyset critical 'cannot use keyset'
  rm /etc/embargo/keyset
  finds keyset critical 'it is missing'
  trust_an_author
}

@test "clock a year back" {
  sed -i "s/^issued .*/issued $(date -u -d '366 days' +%Y-%m-%dT%H:%M:%SZ)/" /var/lib/embargo/floor
  finds clock critical '366 days before'
  finds list unknown 'cannot tell the age'
}

@test "a daemon.json that names a missing program, and one that cannot be read" {
  docker_json '.runtimes.gone = {path: "/no/such/runc"}'
  finds missing-binary:docker/gone warning '/no/such/runc, which is missing'
  finds coverage:docker/gone ok
  echo '{' >/etc/docker/daemon.json
  finds engine-settings:/etc/docker/daemon.json unknown
}

@test "a second engine root" {
  finds unnamed-engine ok
  mkdir -p /srv/second
  start_daemon second containerd --config /dev/null --root /srv/second/root --state /srv/second/state --address /srv/second/containerd.sock
  ready second 20 ctr --address /srv/second/containerd.sock version
  finds unnamed-engine:/srv/second/root warning 'only its process names'
  settings '[engines]' 'containerd = [{ root = "/srv/second/root", state = "/srv/second/state" }]'
  finds unnamed-engine ok
  stop_daemon second
}

@test "live-restore off while a container is doomed" {
  docker run -d --name web-1 app:1 sleep 1000
  finds live-restore ok 'no running container of Docker'
  ban_and_publish base:1
  finds live-restore warning '1 container that would not start again'
  docker_json '."live-restore" = true'
  finds live-restore ok 'live-restore is on'
}

@test "settings that cannot be used, no settings, and break-glass" {
  echo 'mode = "off"' >/etc/embargo/config.toml
  finds settings critical 'line 1'
  disarm
  finds armed critical 'not armed'
  settings
  printf 'reason = "INC-1"\nuntil = "%s"\n' "$(date -u -d '1 hour' +%Y-%m-%dT%H:%M:%SZ)" >/etc/embargo/break-glass
  finds break-glass warning 'INC-1'
  rm /etc/embargo/break-glass
}

@test "what another user cannot see is unknown, and never ok" {
  run setpriv --reuid 65534 --regid 65534 --clear-groups "$EMBARGOCTL" doctor --json
  [ "$status" -ge 2 ] || fail "$output"
  [ "$(jq -r '.findings[] | select(.id == "not-root") | .level' <<<"$output")" = unknown ] || fail "$output"
}

@test "no system log" {
  finds log-socket ok
  stop_daemon system-log
  finds log-socket warning 'events are lost'
  hear_system_log
}
