# Installs what the rooms need from Debian, on this machine and in the newer generation. Skipped
# when it is there.

ENGINES=(docker.io containerd runc crun podman conmon buildah skopeo netavark nftables iptables uidmap rootlesskit fuse-overlayfs)
TOOLS=(bats containers-storage jq busybox-static python3-grpcio iproute2 procps strace openssl openssh-client minisign signify-openbsd btrfs-progs erofs-utils)
# For integration/packages alone.
PACKING=(lintian rpmlint rpm cpio man-db bash-completion zsh fish bats jq xz-utils)

# install_packages PACKAGE…: with apt, those that are missing, in place of newer ones where PACKAGE/SUITE says so. Their services are not started: the
# tests run engines of their own.
install_packages() {
  local missing=() package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  echo "installing ${missing[*]}"
  local policy=/usr/sbin/policy-rc.d ours=
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 0755 $policy
    ours=yes
  fi
  local status=0
  { DEBIAN_FRONTEND=noninteractive apt-get update -q &&
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends --allow-downgrades "${missing[@]}"; } || status=$?
  [ -z "$ours" ] || rm -f $policy
  return $status
}

# The mirror that this machine's own packages come from.
mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v -- -security | head -1
}
