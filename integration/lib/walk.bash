# Prepares what the operator's walk needs: a Docker that calls embargo, two images, and the two
# programs in the directory in which its commands are typed.

WALK=$ROOM/walk

prepare_walk() {
  start_docker
  docker_images >/dev/null 2>&1
  docker tag base:1 registry.example/base:1
  docker tag app:1 registry.example/app:1
  docker tag other:1 registry.example/base:2
  docker rmi base:1 app:1 other:1 deep:1 cured:1 empty:1 >/dev/null 2>&1 || true
  use embargo
  mkdir -p "$WALK" /etc/embargo /var/lib/embargo
  cp "$EMBARGO" "$EMBARGOCTL" "$WALK"
  export PATH=$PATH:/usr/local/bin
}

# prepare_runbook: a node with list 412 in force, which bans base:1, and three lists beside it: an
# older one, a newer one, and one that refuses the containers that run.
prepare_runbook() {
  prepare_walk
  export TIMEFORMAT=%3Rs
  cd "$WALK"
  install -m 755 embargo embargoctl /usr/local/bin/
  embargoctl keygen --out alice
  embargoctl keyset new --origin bans.example.com/prod --list-key alice.pub --out keyset
  install -m 644 keyset /etc/embargo/keyset
  printf 'mode = "enforce"\nruntime = "%s"\n' "$PLAIN" >/etc/embargo/config.toml
  embargoctl ban --id BAN-2026-0007 --reason 'remote code execution in the resolver' --severity critical \
    --advisory CVE-2026-1234 --successor registry.example/base:2 docker:registry.example/base:1
  signed_list 411 old.lst
  signed_list 412 now.lst
  signed_list 413 new.lst
  embargoctl ban --id BAN-2026-0008 --reason 'end of life' --severity low docker:registry.example/base:2
  signed_list 414 wide.lst
  embargoctl install now.lst
  local number
  for number in 1 2 3; do
    docker run -d --name "db-$number" registry.example/base:2 sleep 10000
  done
}

# signed_list VERSION FILE: what bans.toml says now, built and signed.
signed_list() {
  embargoctl list build --origin bans.example.com/prod --version "$1" --out "$2"
  embargoctl list sign --key alice "$2"
}
