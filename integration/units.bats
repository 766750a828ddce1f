#!/usr/bin/env bats
# Tests that systemd accepts the units of systemd/ without a word, and that they stay as sandboxed
# as docs/units.md says. The units do not run here: a room has no systemd.

load lib/room

setup_file() {
  ln -sf "$EMBARGO" /usr/bin/embargo
  ln -sf "$EMBARGOCTL" /usr/bin/embargoctl
  mkdir -p /run/units
  # The manual pages belong to the package.
  for unit in "$ROOM"/systemd/*.*; do
    [ -d "$unit" ] || sed '/^Documentation=man:embargo/d' "$unit" >"/run/units/${unit##*/}"
  done
}

@test "systemd-analyze verify has nothing to say" {
  run systemd-analyze verify /run/units/*.*
  [ "$status" -eq 0 ] && [ -z "$output" ] || fail "$output"
}

# exposure UNIT: ten times the exposure that systemd-analyze computes.
exposure() {
  systemd-analyze security --offline=true "/run/units/$1" --no-pager | grep -o 'exposure level for [^:]*: [0-9.]*' | grep -o '[0-9.]*$' | tr -d .
}

@test "the units that need no rights over containers are sandboxed" {
  local unit
  for unit in embargo-install embargo-status; do
    [ "$(exposure "$unit.service")" -le 34 ] || fail "$unit: $(exposure "$unit.service")"
  done
  [ "$(exposure embargo-metrics.service)" -le 35 ] || fail "$(exposure embargo-metrics.service)"
}

@test "no sandboxed unit gets a mount namespace of its own, in which it would find no engine by its process" {
  ! grep -nE '^(Protect(System|Home|Proc|KernelTunables|KernelModules|KernelLogs|ControlGroups)|ProcSubset|Private(Tmp|Devices|Mounts|Users|IPC)|(ReadOnly|ReadWrite|Inaccessible|Exec|NoExec|Bind|BindReadOnly)Paths|TemporaryFileSystem|RootDirectory|RootImage|DynamicUser|MountAPIVFS)=' \
    /run/units/*.service
}
