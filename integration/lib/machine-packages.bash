# Makes the packages that a machine without a network installs: Embargo's own, and those of engines in
# later versions.

# machine_packages DIRECTORY: embargo_*.deb with the programs under test there, and runc_*.deb, which is Debian's with a later version and one byte more
# in its program.
machine_packages() {
  local deb
  mkdir -p "$1"
  install_packages xz-utils >&2 || return 1
  deb=$(cd "$here/.." && as_builder packaging/build --format deb --programs "$binaries") || return 1
  cp "$deb" "$1" || return 1
  later "$1" runc one_byte_more 1
}

# one_byte_more TREE
one_byte_more() {
  printf x >>"$1/usr/sbin/runc"
  (cd "$1" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
}

# later DIRECTORY PACKAGE CHANGE NUMBER…: Debian's package there, of the later versions again NUMBER; before each is packed, CHANGE TREE NUMBER is called.
later() {
  local work=$1/$2 number
  (cd "$1" && apt-get download -q -o APT::Sandbox::User=root "$2/bookworm") >&2 || return 1
  dpkg-deb -R "$1/$2"_*.deb "$work" || return 1
  rm "$1/$2"_*.deb
  sed -i 's/^Version: .*/&+again0/' "$work/DEBIAN/control"
  for number in "${@:4}"; do
    sed -i "s/^\(Version: .*+again\).*/\1$number/" "$work/DEBIAN/control"
    "$3" "$work" "$number" || return 1
    dpkg-deb --root-owner-group -Zgzip -z1 -b "$work" "$1" >&2 || return 1
  done
  rm -r "$work"
}
