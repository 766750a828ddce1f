#!/usr/bin/env bats
# Tests the engines of a whole machine: started by systemd, under cgroup v2 and AppArmor, with
# embargo as the default runtime of Docker, of containerd's CRI and of Podman. Everything is asked
# again after a reboot.

bats_require_minimum_version 1.5.0
load lib/room
load lib/node
load lib/docker
load lib/containerd
load lib/engines
load lib/patch
load lib/confinement

STORE=docker:
REAL_CRUN=$CRUN.real

setup_file() {
  [ "$BOOT" -eq 1 ] || return 0
  use plain
  docker_settings >/etc/docker/daemon.json
  mkdir -p /etc/containerd
  containerd_settings >/etc/containerd/config.toml
  systemctl restart containerd
  systemctl restart docker
  load_images >"$LOGS/images.log" 2>&1 || fail "$(tail -n 20 "$LOGS/images.log")"
  trust_an_author
  settings "former_runtimes = [\"$REAL_CRUN\"]"
  ban_and_publish base:1
  in_place_of_crun
  use embargo
}

teardown() {
  end_processes "$OURS"
  [ -z "${patching:-}" ] || wait "$patching" || true
  [ ! -s "$FLEET" ] || remove_fleet
}

# in_place_of_crun: as docs/engines.md says of runc's. Podman has no other setting than Debian's.
in_place_of_crun() {
  ln "$CRUN" "$REAL_CRUN"
  dpkg-divert --local --no-rename --divert "$REAL_CRUN" --add "$CRUN"
  install -m 0755 "$EMBARGO" "$CRUN.new"
  mv "$CRUN.new" "$CRUN"
}

# each_is_patched: a payload in a running container of each has the AppArmor label, the cgroup and the rights of the container's first process.
each_is_patched() {
  local name
  : >"$FLEET"
  in_docker docker-usual other
  in_docker docker-narrow other --cap-drop ALL --security-opt no-new-privileges --memory 64m
  in_containerd default containerd-usual other --cap-drop CAP_NET_RAW
  in_podman podman-usual other
  in_podman podman-narrow other --cap-drop ALL --security-opt no-new-privileges --memory 64m
  enter_all docker:other:1
  for name in $(names); do
    like_first "$name" || return 1
  done
  # That what was compared is there.
  grep -x 'docker-default (enforce)' "/proc/$(process docker-usual "$OURS")/attr/current"
  grep -E '^0::/system.slice/docker-[0-9a-f]{64}.scope$' "/proc/$(process docker-usual "$OURS")/cgroup"
  grep -E '^NoNewPrivs:\s+1$' "/proc/$(process docker-narrow "$OURS")/status"
}

@test "the machine is what it is there for: systemd, cgroup v2, AppArmor, and no unit has failed" {
  [ "$(cat /proc/1/comm)" = systemd ]
  [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]
  [ "$(cat /sys/module/apparmor/parameters/enabled)" = Y ]
  [ "$(docker info -f '{{.CgroupVersion}} {{.CgroupDriver}} {{.DefaultRuntime}}')" = "2 systemd embargo" ]
  [ "$(podman info -f '{{.Host.CgroupsVersion}} {{.Host.CgroupManager}} {{.Host.OCIRuntime.Name}}')" = "v2 systemd crun" ]
  [ -z "$(systemctl list-units --failed --plain --no-legend)" ] || fail "$(systemctl list-units --failed)"
}

@test "each engine refuses a container that is built on the banned base, and the journal has it" {
  local engine
  each_refuses
  journalctl --sync
  for engine in docker containerd containers-storage; do
    journalctl -q -b SYSLOG_IDENTIFIER=embargo EMBARGO_EVENT=refused EMBARGO_BAN=BAN-2026-0007 "EMBARGO_ENGINE=$engine" | grep . ||
      fail "not in the journal: $engine" "$(journalctl -b -o verbose SYSLOG_IDENTIFIER=embargo)"
  done
}

@test "each engine starts a container that is not" {
  each_starts
}

@test "a patch in a container of each engine is confined as the container" {
  each_is_patched
}

@test "a container that is built on the banned base runs since before Embargo, and would always be restarted" {
  use plain
  docker run -d --name doomed --restart always --network none app:1 sleep 100000
  use embargo
}

# bats test_tags=boot:2
@test "after a reboot the banned container that would always be restarted is not" {
  run docker inspect -f '{{.State.Status}} {{.State.Error}}' doomed
  [[ $output == exited* ]] || fail "$output"
  is_refusal "$output"
}

# bats test_tags=boot:2
@test "after a reboot each engine refuses what it refused, and starts what it started" {
  each_refuses
  each_starts
}

# bats test_tags=boot:2
@test "after a reboot a patch in a container of each engine is confined as the container" {
  each_is_patched
}
