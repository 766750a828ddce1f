#!/usr/bin/env bats
# Tests `embargoctl divert` with real Docker, Podman, BuildKit and dpkg: Embargo in the place of runc and crun themselves.

load lib/room
load lib/node
load lib/images
load lib/docker

STORE=docker:
EMBARGOCTL=/usr/bin/embargoctl

# The engines call the runtimes by their own paths; no setting of theirs names Embargo.
setup_file() {
  local name
  install -m 755 "$ROOM/embargo/embargo" "$ROOM/embargo/embargoctl" /usr/bin/
  PLAIN=/usr/sbin/runc
  printf '{"storage-driver": "overlay2"}\n' >/etc/docker/daemon.json
  start_daemon docker dockerd
  ready docker 30 docker info
  docker_images
  mkdir -p /etc/containers
  printf '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n' \
    >/etc/containers/containers.conf
  printf '[storage]\ndriver = "overlay"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n' >/etc/containers/storage.conf
  export PODMAN_IGNORE_CGROUPSV1_WARNING=1
  for name in base app other; do
    docker tag $name:1 registry.example/$name:1
  done
  docker save registry.example/base:1 registry.example/app:1 registry.example/other:1 | podman load -q >/dev/null
  files >"$LOGS/before"
  hear_system_log
  trust_an_author
}

teardown_file() {
  stop_docker
  stop_daemon system-log
}

setup() {
  export PODMAN_IGNORE_CGROUPSV1_WARNING=1
  echo 'mode = "enforce"' >/etc/embargo/config.toml
  ban_and_publish base:1
}

teardown() {
  docker ps -aq | xargs -r docker rm -f >/dev/null
  podman rm -fa -t 0 >/dev/null
}

# What the command may change, byte for byte: contents, modes, owners, times and links.
files() {
  find /usr/sbin /usr/bin -name '*runc*' -printf '%p %y %m %u %g %T@ %l\n' -o -name '*crun*' -printf '%p %y %m %u %g %T@ %l\n' | sort
  sha256sum /usr/sbin/runc /usr/bin/crun
  dpkg-divert --list
}

# refused COMMAND…: the command fails, with the refusal in what it prints.
refused() {
  run "$@"
  [ "$status" -ne 0 ] || fail "not refused: $*" "$output" || return 1
  is_refusal "$output"
}

@test "a banned image is refused by every name of the runtime, and others run" {
  # Before, the runtime's own name leads past Embargo.
  docker run --rm --runtime runc app:1 true
  run "$EMBARGOCTL" divert
  [ "$status" -eq 0 ]
  [[ $output == *"/usr/sbin/runc: embargo is in its place, and the runtime is /usr/sbin/runc.real"* ]] || fail "$output"
  [[ $output == *"/usr/bin/crun: embargo is in its place, and the runtime is /usr/bin/crun.real"* ]] || fail "$output"
  run "$EMBARGOCTL" divert
  [ "$status" -eq 0 ]
  [[ $output == *"/usr/sbin/runc: embargo is in its place already"* ]] || fail "$output"
  refused docker run --rm app:1 true
  refused docker run --rm --runtime runc app:1 true
  refused docker run --rm --runtime io.containerd.runc.v2 app:1 true
  refused podman run --rm registry.example/app:1 true
  refused podman --runtime runc run --rm registry.example/app:1 true
  refused podman --runtime /usr/bin/crun run --rm registry.example/app:1 true
  printf 'FROM app:1\nRUN true\n' >"$LOGS/Dockerfile"
  DOCKER_BUILDKIT=1 refused docker build --progress plain --no-cache -f "$LOGS/Dockerfile" "$LOGS"
  docker run --rm --runtime runc other:1 true
  podman --runtime runc run --rm registry.example/other:1 true
}

@test "in crun's place embargo is crun, and in runc's place runc" {
  [[ $(runc --version) == "runc version "* ]]
  [[ $(/sbin/runc --version) == "runc version "* ]]
  [[ $(crun --version) == "crun version "* ]]
  # The settings may name the path that Embargo has taken.
  printf 'mode = "enforce"\nruntime = "/usr/sbin/runc"\n' >/etc/embargo/config.toml
  [[ $(runc --version) == "runc version "* ]]
  [[ $(embargo --version) == "runc version "* ]]
  [[ $(crun --version) == "crun version "* ]]
}

@test "a container that runs meanwhile is entered and stopped as before" {
  "$EMBARGOCTL" divert --undo
  docker run -d --name before other:1 sleep 1000
  "$EMBARGOCTL" divert
  docker exec before true
  docker run -d --name between other:1 sleep 1000
  "$EMBARGOCTL" divert --undo
  docker exec between true
  docker rm -f between
  "$EMBARGOCTL" divert
  docker stop -t 1 before
  [ "$(docker inspect -f '{{.State.Status}}' before)" = exited ]
}

# repack NAME: the package that is installed, with a higher version and a byte more in its runtime.
repack() {
  local work program
  work=$(mktemp -d)
  (cd "$work" && dpkg -L "$1" | grep -E '^/usr/s?bin/' | while read -r program; do
    [ -f "$program" ] && [ ! -L "$program" ] || [ -f "$program.real" ] || continue
    mkdir -p "root$(dirname "$program")"
    cp -p "$(dpkg-divert --truename "$program")" "root$program"
    printf 'x' >>"root$program"
  done)
  mkdir "$work/root/DEBIAN"
  dpkg-query -W -f 'Package: ${Package}\nVersion: ${Version}+again1\nArchitecture: ${Architecture}\nMaintainer: ${Maintainer}\nDescription: again\n' \
    "$1" >"$work/root/DEBIAN/control"
  dpkg-deb --build --nocheck -Znone "$work/root" "$LOGS/$1.deb" >/dev/null
}

@test "an upgrade of the diverted package leaves embargo in its place" {
  local name before place
  for name in runc crun; do
    place=$(command -v $name)
    before=$(stat -c %s "$place.real")
    repack $name
    dpkg --force-depends -i "$LOGS/$name.deb"
    [ "$(readlink "$place")" = /usr/bin/embargo ] || fail "$place is $(readlink "$place")"
    [ "$(stat -c %s "$place.real")" -eq $((before + 1)) ] || fail "$place.real was not upgraded"
  done
  refused docker run --rm --runtime runc app:1 true
  refused podman run --rm registry.example/app:1 true
  "$EMBARGOCTL" divert --undo
  # Now the files are those of the upgrade, and belong to dpkg as before.
  dpkg -S /usr/sbin/runc /usr/bin/crun
  [ ! -e /usr/sbin/runc.real ] && [ ! -e /usr/bin/crun.real ]
  docker run --rm app:1 true
}

@test "a command killed at any moment leaves a runtime that works, and the next one completes it" {
  local calls call killed=0
  calls='linkat,link,symlinkat,symlink,rename,renameat,renameat2,unlink,unlinkat'
  for call in $(seq 1 14); do
    strace -f -qq -e trace=$calls -e inject=$calls:signal=KILL:when="$call" -o /dev/null "$EMBARGOCTL" divert >/dev/null 2>&1 || killed=$((killed + 1))
    runc --version >/dev/null || fail "no runc after call $call"
    crun --version >/dev/null || fail "no crun after call $call"
    "$EMBARGOCTL" divert >/dev/null
    [ "$(readlink /usr/sbin/runc) $(readlink /usr/bin/crun)" = "/usr/bin/embargo /usr/bin/embargo" ]
    strace -f -qq -e trace=$calls -e inject=$calls:signal=KILL:when="$call" -o /dev/null "$EMBARGOCTL" divert --undo >/dev/null 2>&1 || true
    runc --version >/dev/null || fail "no runc after call $call of --undo"
    "$EMBARGOCTL" divert --undo >/dev/null
    [ ! -L /usr/sbin/runc ] && [ ! -L /usr/bin/crun ] && [ ! -e /usr/sbin/runc.real ]
  done
  [ "$killed" -ge 6 ] || fail "only $killed commands were killed"
}

@test "--undo gives every file back byte for byte" {
  # The upgrade above changed the files themselves.
  files >"$LOGS/before"
  "$EMBARGOCTL" divert
  "$EMBARGOCTL" divert --undo
  files >"$LOGS/after"
  diff "$LOGS/before" "$LOGS/after"
  [ ! -e /var/lib/embargo/divert.json ]
  docker run --rm --runtime runc app:1 true
}
