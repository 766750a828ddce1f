#!/usr/bin/env bats
# Tests that what apt and needrestart say before Docker is upgraded is what happens to twenty
# containers that are banned by then, and the same of containerd and Podman: real upgrades by apt, in
# a whole machine.
#
# Debian's package of Docker does not restart the daemon, Docker's own does: see
# lib/machine-upgrade.bash. The tests build on each other.

bats_require_minimum_version 1.5.0
load lib/room
load lib/node
load lib/docker

STORE=docker:
COUNT=20
DROP_IN=/etc/systemd/system/docker.service.d
export DEBIAN_FRONTEND=noninteractive DPKG_FORCE=unsafe-io

setup_file() {
  # dockerd stops and starts 22 containers: many minutes, where the host is busy too.
  export BATS_TEST_TIMEOUT=1500
  use embargo
  trust_an_author
  # And to look 22 lineages up at once may take longer than 5 s there.
  settings 'max_impact = "100%"' 'resolve_timeout = "10s"'
  ban_nothing
  hooks
  # Twenty containers end slowly in a machine that is emulated.
  docker_settings | jq '. + {"shutdown-timeout": 300}' >/etc/docker/daemon.json
  systemctl daemon-reload
  systemctl restart docker
  docker load -q -i "$ROOM/images.tar"
  seq -f kept-%g "$COUNT" | xargs -n 1 -P 2 -I NAME docker run -d --name NAME --restart always --network none --stop-signal KILL app:1 sleep 100000
  for name in clean-1 clean-2; do
    docker run -d --name "$name" --restart always --network none --stop-signal KILL other:1 sleep 100000
  done
}

# hooks: what warns before an upgrade, as docs/units.md says to install it.
hooks() {
  install -m 0755 "$EMBARGOCTL" /usr/bin/embargoctl
  mkdir -p /usr/lib/embargo "$DROP_IN"
  cp "$ROOM/hooks/apt-restart-check" /usr/lib/embargo/
  cp "$ROOM/hooks/apt.conf.d/80embargo" /etc/apt/apt.conf.d/
  cp "$ROOM/systemd/docker.service.d/embargo-warn.conf" "$DROP_IN/"
  # The machine's units stop within 10 s, so that it powers off soon; usual are 90.
  printf '[Service]\nTimeoutStopSec=400\n' >"$DROP_IN/slow.conf"
}

# install_files FILE…: packages, by apt.
install_files() {
  apt-get install -q -y --no-install-recommends -o APT::Sandbox::User=root "$@" 3>&-
}

# upgraded PACKAGE NUMBER: to that version, by apt. What apt prints is in $output.
upgraded() {
  run install_files "$ROOM/files/$1"_*+again"$2"_*.deb
  [ "$status" -eq 0 ] || fail "$output" || return 1
  [[ $(dpkg-query -W -f '${Version}' "$1") = *+again$2 ]] || fail "not upgraded" "$output" || return 1
}

# docker_upgraded NUMBER: and the daemon answers afterwards.
docker_upgraded() {
  upgraded docker.io "$1" || return 1
  within 60 docker info
}

# on_record WHAT FIELD: this field of each container whose name begins with WHAT, in the same order every time.
on_record() {
  docker ps -aq --filter "name=^$1" | sort | xargs docker inspect -f "{{.Name}} $2" | sort
}

# all_run: the kept and the clean ones.
all_run() {
  [ "$(docker ps -q | wc -l)" -eq $((COUNT + 2)) ]
}

# says_before_unpacking WHAT: apt printed this before it unpacked the first package.
says_before_unpacking() {
  [[ ${output%%Unpacking *} = *"$1"* ]] || fail "apt does not say: $1" "$output" || return 1
}

# says_nothing: apt printed nothing of ours.
says_nothing() {
  [[ $output != *"were restarted now"* && $output != *"stay down"* ]] || fail "$output" || return 1
}

# log_of_docker SINCE: what the unit logged since then.
log_of_docker() {
  journalctl --sync
  journalctl -q -u docker.service --since "$1" -o cat
}

live_restore() {
  docker_settings | jq '. + {"shutdown-timeout": 300, "live-restore": '"$1"'}' >/etc/docker/daemon.json
  systemctl reload docker
  within 60 eval "docker info -f '{{.LiveRestoreEnabled}}' | grep -x $1"
}

@test "twenty containers that are not banned, and two more, would all come up again" {
  all_run || fail "$(docker ps -a)"
  run -0 embargoctl restart-check docker
  [ "$output" = "no container would stay down if docker were restarted now" ] || fail "$output"
}

@test "needrestart says how many would stay down, and does not restart Docker" {
  install_files "$ROOM"/files/needrestart/*.deb
  cp "$ROOM/hooks/needrestart.d/embargo.conf" /etc/needrestart/conf.d/
  ban_and_publish base:1
  local before
  before=$(systemctl show -p MainPID docker)
  run -0 needrestart -b
  [[ $output = *"$COUNT containers would stay down if docker were restarted now"* ]] || fail "$output"
  [ "$(systemctl show -p MainPID docker)" = "$before" ]
}

@test "Debian's package restarts nothing: apt says what a restart would do, and every container still runs" {
  local before daemon
  before=$(on_record '' '{{.State.StartedAt}}')
  daemon=$(systemctl show -p MainPID docker)
  docker_upgraded 1
  says_before_unpacking "$COUNT containers would stay down if docker were restarted now"
  says_before_unpacking "and $((COUNT - 10)) more"
  # needrestart has said it once more, and has left the daemon alone.
  [[ ${output#*Unpacking docker.io} = *"$COUNT containers would stay down if docker were restarted now"* ]] || fail "$output"
  [ "$(systemctl show -p MainPID docker)" = "$daemon" ]
  [ "$(on_record '' '{{.State.StartedAt}}')" = "$before" ]
  apt-get purge -q -y needrestart 3>&-
}

@test "a restart of containerd stops no container, as is said, neither Docker's nor its own" {
  local before
  ctr -n default image import "$ROOM/images.tar"
  ctr run -d --runc-binary "$PLAIN" docker.io/library/app:1 held sleep 100000
  run -0 embargoctl restart-check containerd
  [ "${lines[0]}" = "no container would stay down if containerd were restarted now" ] || fail "$output"
  [ "${lines[1]}" = "$((COUNT + 1)) containers would stay down after a restart of the machine" ] || fail "$output"
  before=$(on_record '' '{{.State.StartedAt}}')
  systemctl restart containerd
  within 60 docker info
  within 60 eval 'ctr task ls | grep -E "^held .*RUNNING"'
  all_run || fail "$(docker ps -a)"
  [ "$(on_record '' '{{.State.StartedAt}}')" = "$before" ]
  ctr task kill -s KILL held
  within 60 ctr task rm held
}

@test "with live-restore none would stay down: apt is silent, and every container is the same as before" {
  local before daemon
  live_restore true
  run -0 embargoctl restart-check docker
  [ "${lines[0]}" = "no container would stay down if docker were restarted now" ] || fail "$output"
  [ "${lines[1]}" = "$COUNT containers would stay down after a restart of the machine" ] || fail "$output"
  before=$(on_record '' '{{.State.StartedAt}}')
  daemon=$(systemctl show -p MainPID docker)
  docker_upgraded 2
  says_nothing
  [ "$(systemctl show -p MainPID docker)" != "$daemon" ]
  all_run || fail "$(docker ps -a)"
  [ "$(on_record '' '{{.State.StartedAt}}')" = "$before" ]
}

@test "with existing_until they restart until that date: it is said, and each was restarted" {
  local before until
  live_restore false
  until=$(date -u -d '+10 days' +%F)
  ban_and_publish base:1 --existing-until "$until"
  run -0 embargoctl restart-check docker
  [ "${lines[0]}" = "no container would stay down if docker were restarted now" ] || fail "$output"
  [ "${lines[1]}" = "$COUNT more running containers would be refused from ${until}T00:00:00Z" ] || fail "$output"
  before=$(on_record '' '{{.State.StartedAt}}')
  docker_upgraded 3
  says_nothing
  within 120 all_run || fail "$(docker ps -a)"
  [ -z "$(comm -12 <(echo "$before") <(on_record '' '{{.State.StartedAt}}'))" ] || fail "not restarted" "$before"
  journalctl --sync
  [ "$(journalctl -q -b SYSLOG_IDENTIFIER=embargo EMBARGO_EVENT=existing EMBARGO_BAN=BAN-2026-0007 -o cat | wc -l)" -ge "$COUNT" ]
  # A new one is refused already.
  run docker run --rm --network none app:1 true
  is_refusal "$output"
}

@test "without either, twenty would stay down: apt says it, Docker's log says it, and exactly these do" {
  local since name
  ban_and_publish base:1
  run -1 embargoctl restart-check docker
  [ "${lines[0]}" = "$COUNT containers would stay down if docker were restarted now" ] || fail "$output"
  since=$(date '+%F %T')
  docker_upgraded 4
  says_before_unpacking "$COUNT containers would stay down if docker were restarted now"
  within 120 eval '[ "$(docker ps --format "{{.Names}}" | sort | paste -sd" ")" = "clean-1 clean-2" ]' || fail "$(docker ps -a)"
  for name in $(seq -f kept-%g "$COUNT"); do
    run docker inspect -f '{{.State.Status}} {{.State.Error}}' "$name"
    [[ $output = exited* ]] || fail "$name: $output"
    is_refusal "$output"
  done
  [[ $(log_of_docker "$since") = *"$COUNT containers would stay down if docker were restarted now"* ]] || fail "$(log_of_docker "$since")"
}

@test "Podman's package restarts the containers with the policy always: apt says which stay down, and they do" {
  local name
  mkdir -p /etc/containers/containers.conf.d
  printf '[engine]\nruntime = "embargo"\n[engine.runtimes]\nembargo = ["%s"]\n' "$RUNTIME" >/etc/containers/containers.conf.d/embargo.conf
  podman load -q -i "$ROOM/images.tar"
  ban_nothing
  for name in app-1 app-2 other-1; do
    podman run -d --name "$name" --restart always --network none --stop-signal KILL "localhost/${name%-*}:1" sleep 100000
  done
  ban_and_publish base:1
  # The unit that does it is masked in the machine.
  run -0 embargoctl restart-check podman
  [ "${lines[0]}" = "no container would stay down if podman were restarted now" ] || fail "$output"
  rm /etc/systemd/system/podman-restart.service
  systemctl daemon-reload
  systemctl start podman-restart
  run -1 embargoctl restart-check podman
  [ "${lines[0]}" = "2 containers would stay down if podman were restarted now" ] || fail "$output"
  upgraded podman 1
  says_before_unpacking "2 containers would stay down if podman were restarted now"
  [ "$(podman ps --format '{{.Names}}')" = other-1 ] || fail "$(podman ps -a)" "$(journalctl -q -u podman-restart -o cat)"
  is_refusal "$(journalctl -q -u podman-restart -o cat)"
}
