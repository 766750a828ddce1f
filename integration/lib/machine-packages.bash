# Makes the packages that a machine without a network installs: Embargo's own, and runc's, one
# version later.

# machine_packages DIRECTORY: embargo_*.deb with the programs under test there, and runc_*.deb, which is Debian's with a later version and one byte more
# in its program.
machine_packages() {
  local deb work=$1/work
  mkdir -p "$1"
  install_packages xz-utils >&2 || return 1
  deb=$(cd "$here/.." && as_builder packaging/build --format deb --programs "$binaries") || return 1
  cp "$deb" "$1" || return 1
  (cd "$1" && apt-get download -q -o APT::Sandbox::User=root runc/bookworm) >&2 || return 1
  dpkg-deb -R "$1"/runc_*.deb "$work" || return 1
  rm "$1"/runc_*.deb
  sed -i 's/^Version: .*/&+again1/' "$work/DEBIAN/control"
  printf x >>"$work/usr/sbin/runc"
  (cd "$work" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums) || return 1
  dpkg-deb --root-owner-group -Znone -b "$work" "$1" >&2 || return 1
  rm -r "$work"
}
