#!/usr/bin/env bats
# Tests a node's whole life with the package, as an operator leads it: installed by apt, in audit mode, enforcing, examined, after a reboot, upgraded,
# undone and purged. First with the settings of Docker, containerd and Podman, then in the place of runc and crun.

bats_require_minimum_version 1.5.0
load lib/room
load lib/node
load lib/containerd
load lib/engines

STORE=docker:
EMBARGO=/usr/bin/embargo
EMBARGOCTL=/usr/bin/embargoctl
PACKAGES=$ROOM/files
# The names past Embargo that settings of engines leave open, as docs/doctor.md says: only a diversion closes them.
OPEN=(buildkit:buildkit coverage:containerd/runc coverage:docker/io.containerd.runc.v2 coverage:docker/runc coverage:podman/crun coverage:podman/runc)

# Docker and Podman are as Debian has them, with no settings; containerd's were edited.
setup_file() {
  [ "$BOOT" -eq 1 ] || return 0
  sed -i '/^version/a # of this site' /etc/containerd/config.toml
  sed -i '/"io.containerd.grpc.v1.cri"\]$/a\  sandbox_image   = "docker.io/library/pause:1"' /etc/containerd/config.toml
  systemctl restart containerd
  load_images >"$LOGS/images.log" 2>&1 || fail "$(tail -n 20 "$LOGS/images.log")"
  each_starts app
  node_files >"$LOGS/before"
}

# node_files: what the engines and the package may change on the node: in /etc every byte, elsewhere names, sizes and times. Left out are what engines
# and the system write by themselves.
node_files() {
  find /etc -xdev -printf '%p %y %m %u %g %l\n' | sort
  find /etc -xdev -type f -print0 | sort -z | xargs -0 sha256sum
  find /usr /opt /root /srv /var -xdev \( -path /var/log -o -path /var/cache -o -path /var/tmp -o -path '/var/lib/apt' -o -path /var/lib/dpkg \
    -o -path /var/lib/docker -o -path /var/lib/containerd -o -path /var/lib/containers -o -path /var/lib/systemd \) -prune \
    -o -type d -printf '%p %y %m %u %g\n' -o -printf '%p %y %m %u %g %s %t %l\n' | sort
  sha256sum /usr/sbin/runc /usr/bin/crun
  dpkg-divert --list
  dpkg-query -W -f '${Package} ${db:Status-Status}\n'
}

# nothing_left: no file of Embargo's, no unit, no event's description.
nothing_left() {
  local left
  left=$(
    find / /run -xdev -iname '*embargo*'
    systemctl list-unit-files 'embargo*' --no-legend
    systemctl list-units --all 'embargo*' --no-legend
    journalctl --list-catalog | grep -i embargo || true
  )
  [ -z "$left" ] || fail "left behind:" "$left" || return 1
}

install_package() {
  cd "$PACKAGES" || return 1
  apt install -y ./embargo_*.deb
}

mode() {
  echo "mode = \"$1\"" >/etc/embargo/config.toml
}

# every_finding: the IDs of doctor's findings that are not ok, on one line.
every_finding() {
  "$EMBARGOCTL" doctor --json | jq -r '[.findings[] | select(.level != "ok") | .id] | sort | join(" ")'
}

# all_ok THING…: doctor finds nothing but what is OPEN, where $accepted has it, and its trial image is refused through each of these names.
all_ok() {
  local id skipped=() report
  for id in "${accepted[@]}"; do skipped+=(--skip "$id"); done
  run "$EMBARGOCTL" doctor --trial --json "${skipped[@]}"
  [ "$status" -eq 0 ] || fail "exit status $status" "$output" || return 1
  report=$output
  [ "$(jq -r '[.findings[].level] | unique | join(" ")' <<<"$report")" = ok ] || fail "$report" || return 1
  for id in "$@"; do
    [ "$(jq -r --arg id "trial:$id" '.findings[] | select(.id == $id) | .level' <<<"$report")" = ok ] || fail "$id" "$report" || return 1
  done
}

configured_is_all_ok() {
  accepted=("${OPEN[@]}")
  all_ok docker/embargo podman/embargo containerd//usr/bin/embargo
}

diverted_is_all_ok() {
  accepted=()
  all_ok docker/runc docker/io.containerd.runc.v2 podman/crun podman/runc containerd//usr/sbin/runc
}

# refuses_to_leave FACT HINT: the package stays, and says so.
refuses_to_leave() {
  run apt-get purge -y embargo
  [ "$status" -ne 0 ] || fail "removed" "$output" || return 1
  [[ $output == *"embargo: cannot be removed: $1"*"hint: $2;"* ]] || fail "$output" || return 1
  [ "$(dpkg-query -W -f '${db:Status-Status}' embargo)" = installed ]
}

@test "apt installs the package without a network, and that arms nothing" {
  install_package
  [ -z "$(ls -A /etc/embargo)" ]
  [ -z "$(systemctl list-unit-files 'embargo*' --state enabled --no-legend)" ]
  [ "$("$EMBARGOCTL" status --json | jq -r '"\(.armed) \(.mode)"')" = "false off" ]
  each_starts app
}

@test "in audit mode everything starts, and status counts what would be refused" {
  local engine
  for engine in docker containerd podman; do
    "$EMBARGOCTL" configure $engine --default --restart
  done
  systemctl enable --now embargo-status.timer
  mode audit
  trust_an_author
  ban_and_publish base:1
  each_starts app
  docker run -d --name doomed --network none app:1 sleep 100000
  cri start "$(pod_container app)"
  podman run -d --name doomed --network none localhost/app:1 sleep 100000
  run "$EMBARGOCTL" status --json
  [ "$(jq -r '.mode' <<<"$output")" = audit ] || fail "$output"
  [ "$(jq -r '[.containers.doomed[] | "\(.engine) \(.ban)"] | sort | join(", ")' <<<"$output")" = \
    "containerd BAN-2026-0007, docker BAN-2026-0007, podman BAN-2026-0007" ] || fail "$output"
  # Three starts in each_starts, and these three.
  [ "$(jq -r '[.counts.events[] | select(.event == "would-refuse") | .count] | add' <<<"$output")" -eq 6 ] || fail "$output"
  run "$EMBARGOCTL" status --check
  [ "$status" -eq 1 ] && [[ $output == *"3 containers could not start again"* ]] || fail "exit status $status" "$output"
}

@test "enforcing refuses a banned image in each engine, starts others, and leaves alone what runs" {
  mode enforce
  [ "$(docker inspect -f '{{.State.Status}}' doomed) $(podman inspect -f '{{.State.Status}}' doomed)" = "running running" ]
  docker exec doomed true
  podman exec doomed true
  docker rm -f doomed
  podman rm -f -t 0 doomed
  each_refuses
  each_starts
}

@test "doctor finds all in order, and each engine refuses its trial image" {
  clear_pods
  configured_is_all_ok
  [ "$(every_finding)" = "${OPEN[*]}" ] || fail "$("$EMBARGOCTL" doctor)"
}

# bats test_tags=boot:2
@test "after a reboot it is still so" {
  [ -z "$(systemctl list-units --failed --plain --no-legend)" ] || fail "$(systemctl list-units --failed)"
  each_refuses
  each_starts
  clear_pods
  configured_is_all_ok
}

# bats test_tags=boot:2
@test "the package stays while an engine is configured, and each hint is the command that undoes that" {
  local file engine
  while read -r engine file; do
    refuses_to_leave "$file names it" "run: embargoctl configure $engine --undo --restart"
    "$EMBARGOCTL" configure "$engine" --undo --restart
  done <<'LIST'
docker /etc/docker/daemon.json
containerd /etc/containerd/config.toml
podman /etc/containers/containers.conf.d/50-embargo.conf
LIST
  each_starts app
}

# bats test_tags=boot:2
@test "purged, it leaves the engines' files byte for byte as before, and nothing of its own" {
  apt-get purge -y embargo
  nothing_left
  node_files >"$LOGS/after"
  diff "$LOGS/before" "$LOGS/after"
  each_starts app
}

# bats test_tags=boot:3
@test "installed again and diverted, each name of a runtime refuses a banned image, and doctor finds all in order" {
  install_package
  mode enforce
  trust_an_author
  ban_and_publish base:1
  "$EMBARGOCTL" divert
  each_refuses
  run docker run --rm --network none --runtime runc app:1 true
  is_refusal "$output"
  run podman --runtime runc run --rm --network none localhost/app:1 true
  is_refusal "$output"
  each_starts
  clear_pods
  diverted_is_all_ok
}

# bats test_tags=boot:3
@test "an upgrade of runc by apt leaves Embargo in its place" {
  local before
  before=$(stat -c %s /usr/sbin/runc.real)
  cd "$PACKAGES"
  apt install -y ./runc_*.deb
  [ "$(readlink /usr/sbin/runc)" = /usr/bin/embargo ]
  [ "$(stat -c %s /usr/sbin/runc.real)" -eq $((before + 1)) ]
  [[ $(dpkg-query -W -f '${Version}' runc) == *+again1 ]]
  dpkg -V runc || fail "$(dpkg -V runc)"
  each_refuses
  each_starts
  clear_pods
  diverted_is_all_ok
}

# bats test_tags=boot:4
@test "after another reboot the diversion holds" {
  [ -z "$(systemctl list-units --failed --plain --no-legend)" ] || fail "$(systemctl list-units --failed)"
  each_refuses
  each_starts
  clear_pods
  diverted_is_all_ok
}

# bats test_tags=boot:4
@test "the package stays while it is diverted; undone and purged, it leaves the upgraded runc and nothing of its own" {
  refuses_to_leave "it is in the place of a runtime" "run: embargoctl divert --undo"
  "$EMBARGOCTL" divert --undo
  apt-get purge -y embargo
  nothing_left
  cmp /usr/sbin/runc <(dpkg-deb --fsys-tarfile "$PACKAGES"/runc_*.deb | tar -xO ./usr/sbin/runc)
  [ -z "$(dpkg -V runc crun)" ] || fail "$(dpkg -V runc crun)"
  node_files >"$LOGS/after"
  # Only runc's own files are others than before.
  diff <(grep -vE '/runc( |$)|/doc/runc/' "$LOGS/before") <(grep -vE '/runc( |$)|/doc/runc/' "$LOGS/after")
  each_starts app
}
