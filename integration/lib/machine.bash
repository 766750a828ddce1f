# Boots a real kernel in a virtual machine: no daemon, no network, no right beyond writing files. It
# runs in software emulation, as most machines that run these tests allow nothing else.
#
# Needs QEMU. Everything that is made once lies in MACHINES; a machine in use has a directory of its
# own, in $machine, which end_machine removes.

MACHINES=/var/cache/embargo-integration/machine
# What the kernel has as modules and a disk needs, in this order.
DISK_MODULES=(virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk)

# install_qemu: with the tools of its own version, in place of newer ones if need be.
install_qemu() {
  install_packages debootstrap e2fsprogs busybox-static bats
  { command -v qemu-system-x86_64 && command -v qemu-img; } >/dev/null || install_packages qemu-system-x86 qemu-utils/bookworm
}

# newest_kernel: the name of the package that Debian's newest kernel for virtual machines is in.
newest_kernel() {
  apt-cache depends linux-image-cloud-amd64 | sed -nE 's/.*Depends: (linux-image-[0-9.]+.*)/\1/p'
}

# make_kernel: KERNEL with vmlinuz, its modules and a first root that mounts the disk, once per version.
make_kernel() {
  local package
  package=$(newest_kernel)
  [ -n "$package" ] || { echo "integration/machine: apt knows no linux-image-cloud-amd64: apt-get update" >&2; return 1; }
  KERNEL=$MACHINES/$package
  [ ! -e "$KERNEL" ] || return 0
  rm -rf "$KERNEL.partial"
  mkdir -p "$KERNEL.partial"
  (cd "$KERNEL.partial" && apt-get download -q -o APT::Sandbox::User=root "$package" && dpkg-deb -x "$package"_*.deb tree) >&2 || return 1
  mv "$KERNEL.partial"/tree/boot/vmlinuz-* "$KERNEL.partial/vmlinuz"
  mv "$KERNEL.partial/tree/lib/modules" "$KERNEL.partial/modules"
  rm -rf "$KERNEL.partial/tree" "$KERNEL.partial"/*.deb
  make_first_root "$KERNEL.partial" || return 1
  mv "$KERNEL.partial" "$KERNEL"
}

# make_first_root DIRECTORY: first-root.cpio.gz there, of busybox and the modules.
make_first_root() {
  local root=$1/first-root module
  mkdir -p "$root"/{bin,dev,proc,disk}
  cp "$(command -v busybox)" "$root/bin/busybox"
  for module in "${DISK_MODULES[@]}"; do
    find "$1/modules" -name "$module.ko" -exec cp {} "$root" \;
  done
  cat >"$root/init" <<INIT
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs devtmpfs /dev
for module in ${DISK_MODULES[*]}; do
  /bin/busybox insmod /\$module.ko
done
until [ -e /dev/vda ]; do
  /bin/busybox sleep 0.1
done
/bin/busybox mount -t ext4 /dev/vda /disk || exec /bin/busybox poweroff -f
/bin/busybox mount --move /dev /disk/dev
exec /bin/busybox switch_root /disk /sbin/init
INIT
  chmod 0755 "$root/init"
  (cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip) >"$1/first-root.cpio.gz"
  rm -rf "$root"
}

# make_disk TREE FILE SIZE: a file system with these files, made without mounting anything.
make_disk() {
  rm -f "$2"
  mke2fs -q -t ext4 -d "$1" "$2" "$3" >&2
}

# new_machine: its directory, for disks and what it says.
new_machine() {
  machine=$(mktemp -d /var/tmp/embargo-machine.XXXXXX)
  machine_pid=
}

# boot NAME MEMORY DISK…: starts the machine. The end of a disk's name is its format. What the kernel says goes to NAME.console, and what is written to
# /dev/ttyS1 to NAME.report, at once. Nothing of the disks is kept in memory here: what the machine has not written is lost when its process ends. The
# processor is an old one: with `max` but without svm, QEMU 7.2 runs programs wrongly. On a busy host the emulated timer is too late for the kernel's
# check of it, which then panics.
boot() {
  local name=$1 memory=$2 disk drives=()
  shift 2
  for disk in "$@"; do
    drives+=(-drive "file=$disk,format=${disk##*.},if=virtio,cache=none")
  done
  : >"$machine/$name.report"
  qemu-system-x86_64 -accel tcg,thread=multi -cpu Nehalem -smp "$(nproc)" -m "$memory" "${drives[@]}" -nic none \
    -kernel "$KERNEL/vmlinuz" -initrd "$KERNEL/first-root.cpio.gz" -append "console=ttyS0 quiet rw panic=-1 no_timer_check systemd.show_status=error" \
    -display none -monitor none -no-reboot -serial "file:$machine/$name.console" -serial "file:$machine/$name.report" \
    >"$machine/$name.qemu" 2>&1 </dev/null &
  machine_pid=$!
}

# cut_power: the machine is gone, as if its cable had been pulled.
cut_power() {
  [ -n "$machine_pid" ] || return 0
  kill -KILL "$machine_pid" 2>/dev/null || true
  { wait "$machine_pid" || true; } 2>/dev/null
  machine_pid=
}

# machine_runs: whether its process does.
machine_runs() {
  [ -n "$machine_pid" ] && kill -0 "$machine_pid" 2>/dev/null
}

end_machine() {
  [ -n "${machine:-}" ] || return 0
  cut_power
  rm -rf "$machine"
  machine=
}

# What was judged so far, in all.
number=0
bad=0

# tap LINE: passes on a line of TAP, with a number that goes on from the one before. The plan was printed before.
tap() {
  local line=$1
  case $line in
    1..*) return ;;
    'ok '* | 'not ok '*)
      number=$((number + 1))
      [[ $line != not* && $line != *' # skip'* ]] || bad=$((bad + 1))
      line=$(sed -E "s/^(not )?ok ([0-9]+ )?/\1ok $number /" <<<"$line") ;;
  esac
  printf '%s\n' "$line"
}
