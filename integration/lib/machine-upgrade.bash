# Makes packages by which a machine without a network upgrades its engines, and fetches needrestart.
# Needs machine-packages.bash.

# engine_upgrades DIRECTORY: docker.io_*.deb there, of the versions again1 to again4, podman_*.deb of the version again1, and needrestart with what the
# node's disk lacks of its dependencies, in needrestart/.
#
# again1 of docker.io is Debian's package: its scripts do not restart the daemon. The scripts of the others do, as debhelper writes them by
# default, and the rules of docker-ce keep that.
engine_upgrades() {
  mkdir -p "$1/needrestart/partial"
  node_lacks "$1" needrestart >&2 || return 1
  rm -r "$1/needrestart/partial" "$1/needrestart/lock"
  later "$1" podman true 1 || return 1
  later "$1" docker.io restarting 1 2 3 4
}

# restarting TREE NUMBER: from the second version on, its script restarts the daemon after an upgrade instead of starting it.
restarting() {
  [ "$2" -eq 2 ] || return 0
  sed -i "s/deb-systemd-invoke start 'docker.service'/deb-systemd-invoke restart 'docker.service'/" "$1/DEBIAN/postinst"
  grep -q "deb-systemd-invoke restart 'docker.service'" "$1/DEBIAN/postinst"
}

# node_lacks DIRECTORY PACKAGE: downloads the package with every dependency that is not on the node's disk.
node_lacks() {
  debugfs -R "dump /var/lib/dpkg/status $1/status" "$NODE_DISK" || return 1
  apt-get install -q -y --download-only --no-install-recommends -o APT::Sandbox::User=root -o "Dir::State::status=$1/status" \
    -o "Dir::Cache::archives=$1/$2" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$2" || return 1
  rm "$1/status" "$1"/lock*
}
