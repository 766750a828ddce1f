# Runs bats files in a machine with every engine, and passes on what they print.

# A boot is given up after this, with all its tests.
BOOT_MINUTES=${BOOT_MINUTES:-40}

# tests FILE…: how many they have in all, of every boot.
tests() {
  local file sum=0
  for file in "$@"; do
    sum=$((sum + $(bats --count "$here/$file.bats")))
  done
  echo "$sum"
}

# last_boot FILE…: the number of the last boot that a test of theirs asks for.
last_boot() {
  local file
  { echo 1; for file in "$@"; do sed -nE 's/^# bats test_tags=.*boot:([0-9]+).*/\1/p' "$here/$file.bats"; done; } | sort -n | tail -1
}

# room_disk FILE…: the machine's second disk, with the tests, the programs and what else was given.
room_disk() {
  local tree=$machine/room
  mkdir -p "$tree/embargo" "$tree/docs"
  cp -a "$here" "$tree/integration"
  cp "$here/../docs/walkthrough.md" "$tree/docs"
  cp -a "$here/../hooks" "$here/../systemd" "$tree"
  cp "$binaries/embargo" "$binaries/embargoctl" "$tree/embargo"
  [ -z "${MACHINE_FILES:-}" ] || cp -a "$MACHINE_FILES" "$tree/files"
  [[ " $* " != *' machine-package '* ]] || machine_packages "$tree/files" || return 1
  [[ " $* " != *' machine-upgrade '* ]] || engine_upgrades "$tree/files" || return 1
  printf '%s\n' "$@" >"$tree/scenarios"
  machine_images "$tree/images.tar"
  make_disk "$tree" "$machine/room.raw" 2G
  rm -rf "$tree"
}

# machine_images FILE: an archive that every engine loads: base, app (built on base), other and pause. Made here: a build takes minutes in a machine.
machine_images() (
  ROOM=$machine/images
  mkdir "$ROOM"
  . "$here/lib/images.bash"
  for mark in base other pause; do
    busybox_root "$ROOM/$mark" $mark
  done
  /usr/bin/python3 "$here/lib/layers.py" --archive "$1" base 1 "$ROOM/base" app 2 "$ROOM/base" other 1 "$ROOM/other" pause 1 "$ROOM/pause"
  rm -rf "$ROOM"
)

# scenarios FILE…: boots as often as they ask.
scenarios() {
  local count
  new_machine
  room_disk "$@"
  qemu-img create -q -f qcow2 -F raw -b "$NODE_DISK" "$machine/node.qcow2"
  for count in $(seq "$(last_boot "$@")"); do
    boot "boot$count" 2048 "$machine/node.qcow2" "$machine/room.raw"
    pass_on "boot$count" || break
  done
  end_machine
}

# pass_on BOOT: what the machine tells, as it tells it, until it has switched itself off.
pass_on() {
  local line ended=
  while IFS= read -r line; do
    line=${line%$'\r'}
    [[ $line != '# '*': ends after '* ]] || ended=yes
    tap "$line"
  done < <(timeout $((BOOT_MINUTES * 60)) tail --pid="$machine_pid" -s 0.5 -n +1 -f "$machine/$1.report")
  cut_power
  [ -z "$ended" ] || return 0
  echo "# $1 did not end by itself within $BOOT_MINUTES minutes; its console ends with:"
  tail -n 20 "$machine/$1.qemu" "$machine/$1.console" | tr -d '\r' | sed 's/^/# /'
  return 1
}
