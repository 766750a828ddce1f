# Sets up an unprivileged user with a Podman of his own.

TENANT_HOME=/var/lib/containers/tenant

tenant() {
  (cd / && exec runuser -u tenant -- env HOME=$TENANT_HOME XDG_RUNTIME_DIR=/run/user/4321 "$@")
}

# Its home is on a real file system: the overlay driver refuses to stand on the room's own overlay.
make_tenant() {
  useradd --uid 4321 --no-create-home --home-dir $TENANT_HOME tenant
  echo tenant:100000:65536 | tee /etc/subuid >/etc/subgid
  install -d -o tenant -m 0700 /run/user/4321
  install -d -o tenant -m 0755 $TENANT_HOME
}
