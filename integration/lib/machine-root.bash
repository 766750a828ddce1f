# Makes the disk of a whole node, once: Debian 12 with systemd, AppArmor and this generation's
# engines. What a test writes goes to a copy.

# Beside the engines and what the tests call.
NODE=(systemd-sysv dbus udev kmod apparmor ca-certificates)
# Nobody logs in, nothing can be fetched, and a machine lives for minutes.
MASKED=(apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer getty@tty1.service serial-getty@ttyS0.service
  e2scrub_reap.service podman-auto-update.timer podman-auto-update.service podman-restart.service podman.service podman.socket)

# make_node: NODE_DISK, made anew when what it is made of has changed.
make_node() {
  local recipe root
  recipe=$(printf '%s\n' "$KERNEL" "${ENGINES[@]}" "${TOOLS[@]}" | cat - "$here/lib/machine-root.bash" | sha256sum | cut -c 1-16)
  NODE_DISK=$MACHINES/node-$recipe
  [ ! -e "$NODE_DISK" ] || return 0
  rm -rf --one-file-system "$MACHINES"/node-*
  root=$MACHINES/node-root
  rm -rf --one-file-system "$root"
  node_packages "$root" >&2 || return 1
  node_files "$root" || return 1
  make_disk "$root" "$NODE_DISK.partial" 4G || return 1
  mv "$NODE_DISK.partial" "$NODE_DISK"
  rm -rf --one-file-system "$root"
}

# node_packages ROOT: in two steps; debootstrap alone cannot configure all of them. What is cut short is made anew, so dpkg need not wait for the disk.
node_packages() {
  local -x DPKG_FORCE=unsafe-io DEBIAN_FRONTEND=noninteractive
  debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg bookworm "$1" "$(mirror)" || return 1
  printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
  chmod 0755 "$1/usr/sbin/policy-rc.d"
  chroot "$1" apt-get install -q -y --no-install-recommends "${NODE[@]}" "${ENGINES[@]}" "${TOOLS[@]}" || return 1
  chroot "$1" apt-get clean
  rm "$1/usr/sbin/policy-rc.d"
  rm -rf "$1"/var/lib/apt/lists/*
}

# node_files ROOT: its modules, the disk with the tests, and the unit that runs them.
node_files() {
  local unit
  cp -a "$KERNEL/modules" "$1/lib/modules" || return 1
  chroot "$1" depmod "$(ls "$KERNEL/modules")" || return 1
  echo node >"$1/etc/hostname"
  echo '127.0.0.1 localhost node' >"$1/etc/hosts"
  printf '/dev/vda / ext4 defaults 0 0\n/dev/vdb /room ext4 defaults 0 0\n' >"$1/etc/fstab"
  mkdir -p "$1/room" "$1/etc/systemd/system.conf.d" "$1/etc/systemd/system/multi-user.target.wants"
  # A running container would hold a power-off up for as long as its engine waits.
  printf '[Manager]\nDefaultTimeoutStopSec=10s\n' >"$1/etc/systemd/system.conf.d/stop.conf"
  for unit in "${MASKED[@]}"; do
    ln -sf /dev/null "$1/etc/systemd/system/$unit"
  done
  cat >"$1/etc/systemd/system/scenarios.service" <<'UNIT'
[Unit]
Description=The scenarios of this boot
After=docker.service containerd.service

[Service]
Type=oneshot
ExecStart=/room/integration/lib/machine-inside
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
UNIT
  ln -s ../scenarios.service "$1/etc/systemd/system/multi-user.target.wants/scenarios.service"
}
