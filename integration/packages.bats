#!/usr/bin/env bats
# Tests both packages in a room: installed, in use by a real Docker, upgraded and removed. `integration/packages` builds them and starts this file.

load lib/room
load lib/node
load lib/images
load lib/docker

STORE=docker:
EMBARGO=/usr/bin/embargo
EMBARGOCTL=/usr/bin/embargoctl
PACKAGES=$ROOM/embargo

setup_file() {
  # Podman makes its directories when it is first used.
  podman ps
  files >"$LOGS/before"
  dpkg -i "$PACKAGES/embargo.deb"
}

teardown_file() {
  stop_docker
}

# Every file of the node, without engines' data, logs, caches and dpkg's own books.
files() {
  find /etc /usr /var -xdev \( -path /var/lib/dpkg -o -path /var/log -o -path /var/tmp -o -path /var/cache -o -path /var/lib/docker \
    -o -path /var/lib/containerd -o -path /etc/docker \) -prune -o -print | sort
}

@test "the package arms nothing, and its pages and completions are found" {
  [ "$(stat -c '%a %U' /etc/embargo)" = "755 root" ]
  [ -z "$(ls -A /etc/embargo)" ]
  grep -q '^#mode = "enforce"' /usr/share/doc/embargo/examples/config.toml
  grep -q '^# The runbook' /usr/share/doc/embargo/docs/runbook.md
  [[ $(embargo --version) == "runc version "* ]]
  local page
  for page in embargo.8 embargoctl.8 embargo-exec-patch.8 embargo-config.toml.5 embargo-bans.toml.5 embargo-banlist.5 embargo-signing.7; do
    man -w "${page##*.}" "${page%.*}"
  done
  bash -c '. /usr/share/bash-completion/bash_completion; . /usr/share/bash-completion/completions/embargoctl
    COMP_WORDS=(embargoctl keyset ro) COMP_CWORD=2; _embargoctl embargoctl ro keyset; [ "${COMPREPLY[*]}" = rotate ]'
  zsh -fc 'autoload -U compinit; compinit -D; [[ ${_comps[embargoctl]} = _embargoctl ]] && autoload +X _embargoctl'
  fish -c 'complete -C "embargoctl keyset ro" | grep -q ^rotate'
  [ -s /usr/lib/systemd/catalog/embargo.catalog ] && [ -s /usr/lib/tmpfiles.d/embargo.conf ]
}

@test "the programs are replaced under running containers, which are entered and stopped as before" {
  RUNTIME=/usr/bin/embargo
  printf '{"live-restore": true, "storage-driver": "overlay2", "default-runtime": "embargo", "runtimes": {"embargo": {"path": "/usr/bin/embargo"}}}\n' >/etc/docker/daemon.json
  start_daemon docker dockerd
  ready docker 30 docker info
  docker_images
  docker run -d --name web other:1 sleep 1000
  docker run -d --name db other:1 sleep 1000
  (while :; do docker exec web true || echo failed; [ -e "$LOGS/upgraded" ] && break; done >"$LOGS/execs" 2>&1) &
  local execs=$!
  dpkg -i "$PACKAGES/embargo-newer.deb"
  touch "$LOGS/upgraded"
  wait $execs
  [ ! -s "$LOGS/execs" ] || fail "$(cat "$LOGS/execs")"
  docker exec web true
  docker kill db
  docker rm db
}

@test "while an engine names it or containers call it, the package stays, and says what to do" {
  run dpkg -r embargo
  [ "$status" -ne 0 ]
  [[ $output == *"embargo: cannot be removed: /etc/docker/daemon.json names it"*"hint: take it out of that file and restart the engine"* ]] || fail "$output"
  docker exec web true
  # The settings are in order, and Docker has not read them.
  mv /etc/docker/daemon.json "$LOGS/"
  run dpkg -r embargo
  [ "$status" -ne 0 ]
  [[ $output == *"embargo: cannot be removed: the Docker that runs has not read its settings"*"hint: restart it: systemctl restart docker"* ]] || fail "$output"
  # Docker has read them, the container still calls Embargo.
  stop_docker
  start_daemon docker dockerd --live-restore --storage-driver overlay2
  ready docker 30 docker info
  run dpkg -r embargo
  [ "$status" -ne 0 ]
  [[ $output == *"embargo: cannot be removed: it is the runtime of running containers (1)"*"hint: stop or restart these containers"* ]] || fail "$output"
  docker exec web true
  docker rm -f web
  "$EMBARGOCTL" divert
  run dpkg -r embargo
  [ "$status" -ne 0 ]
  [[ $output == *"embargo: cannot be removed: it is in the place of a runtime"*"hint: run: embargoctl divert --undo"* ]] || fail "$output"
  "$EMBARGOCTL" divert --undo
  [ "$(dpkg-query -W -f '${db:Status-Status}' embargo)" = installed ]
}

@test "a file of the engines that only mentions it in a comment keeps nothing" {
  mkdir -p /etc/crio/crio.conf.d
  printf '# embargo was here\n[crio.runtime]\ndefault_runtime = "runc"\n' >/etc/crio/crio.conf.d/10-x.conf
  /usr/lib/embargo/before-removal
  printf '[crio.runtime.runtimes.x]\nruntime_path = "/usr/bin/embargo"\n' >/etc/crio/crio.conf.d/10-x.conf
  run /usr/lib/embargo/before-removal
  [ "$status" -eq 1 ]
  EMBARGO_REMOVE_ANYWAY=1 /usr/lib/embargo/before-removal
  rm -r /etc/crio
}

@test "nothing in odd settings files hides Embargo, or makes the removal hang" {
  local drop_ins=/etc/containers/containers.conf.d
  mkdir -p /etc/docker "$drop_ins"
  # JSON has no comments.
  printf '{"log-opts": {"tag": "#x"}, "runtimes": {"corp": {"path": "/usr/bin/embargo"}}}' >/etc/docker/daemon.json
  run /usr/lib/embargo/before-removal
  [ "$status" -eq 1 ]
  [[ $output == *"/etc/docker/daemon.json names it"* ]] || fail "$output"
  rm /etc/docker/daemon.json
  printf '[engine]\nruntimes = {"caf\xe9#" = ["/x"], embargo = ["/usr/bin/embargo"]}\n' >"$drop_ins/a.conf"
  LC_ALL=C.UTF-8 run /usr/lib/embargo/before-removal
  [ "$status" -eq 1 ]
  rm "$drop_ins/a.conf"
  mkfifo "$drop_ins/fifo.conf"
  timeout 20 /usr/lib/embargo/before-removal
  rm -r "$drop_ins"
  # What was configured elsewhere is on record.
  mkdir -p /opt/docker
  "$EMBARGOCTL" configure docker --config /opt/docker/daemon.json
  run /usr/lib/embargo/before-removal
  [ "$status" -eq 1 ]
  [[ $output == *"/opt/docker/daemon.json names it"* ]] || fail "$output"
  "$EMBARGOCTL" configure docker --undo
  ln -s /usr/bin/embargo /usr/local/sbin/runc
  run /usr/lib/embargo/before-removal
  [ "$status" -eq 1 ]
  [[ $output == *"/usr/local/sbin/runc is a link to it"* ]] || fail "$output"
  rm -r /usr/local/sbin/runc /opt/docker
  /usr/lib/embargo/before-removal
}

@test "settings that embargoctl wrote keep the package, and the hint is the command that takes them out" {
  "$EMBARGOCTL" configure podman --default
  run dpkg -r embargo
  [ "$status" -ne 0 ]
  [[ $output == *"embargo: cannot be removed: /etc/containers/containers.conf.d/50-embargo.conf names it"* ]] || fail "$output"
  [[ $output == *"hint: run: embargoctl configure podman --undo --restart;"* ]] || fail "$output"
  "$EMBARGOCTL" configure podman --undo --restart
  /usr/lib/embargo/before-removal
}

@test "a removal keeps settings and state, and a purge leaves nothing" {
  stop_docker
  trust_an_author
  ban_nothing
  settings
  dpkg -r embargo
  [ -e /etc/embargo/config.toml ] && [ -e /var/lib/embargo/banlist.lst ] && [ ! -e /usr/bin/embargo ]
  dpkg -P embargo
  [ ! -e /run/embargo ]
  files >"$LOGS/after"
  diff "$LOGS/before" "$LOGS/after"
}

@test "what others put into /etc/embargo survives a purge" {
  dpkg -i "$PACKAGES/embargo.deb"
  touch /etc/embargo/theirs
  dpkg -P embargo
  [ "$(ls -A /etc/embargo)" = theirs ]
  rm -r /etc/embargo
}

@test "the rpm holds the same files, and installs and leaves by the same rules" {
  diff <(dpkg-deb -c "$PACKAGES/embargo.deb" | awk '$1 !~ /^d/ { print substr($6, 2) }' | grep -vE 'lintian|/doc/embargo/(copyright|changelog)|zsh' | sort) \
    <(rpm -qlp "$PACKAGES/embargo.rpm" | grep -vE '/licenses/|/doc/embargo/changelog|zsh' | sort)
  local root=/var/tmp/rpm-root
  mkdir -p $root
  rpm --root $root --initdb
  rpm --root $root -i --nodeps --noscripts "$PACKAGES/embargo.rpm"
  cmp <(dpkg-deb --fsys-tarfile "$PACKAGES/embargo.deb" | tar -xO ./usr/bin/embargo) $root/usr/bin/embargo
  [ "$(stat -c %a $root/usr/bin/embargo)" = 755 ]
  rpm --root $root -V --nodeps embargo
  rpm --root $root -e --noscripts embargo
  [ ! -e $root/usr/bin/embargo ]
}

@test "the rpm's scripts keep it on a node that calls it" {
  rpm -i --nodeps "$PACKAGES/embargo.rpm"
  [ "$(stat -c '%a %U' /etc/embargo)" = "755 root" ]
  mkdir -p /etc/docker
  mv "$LOGS/daemon.json" /etc/docker/
  run rpm -e embargo
  [ "$status" -ne 0 ]
  [[ $output == *"embargo: cannot be removed: /etc/docker/daemon.json names it"* ]] || fail "$output"
  [ -x /usr/bin/embargo ]
  rm /etc/docker/daemon.json
  rpm -e embargo
  [ ! -e /usr/bin/embargo ]
}
