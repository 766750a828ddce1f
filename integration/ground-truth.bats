#!/usr/bin/env bats
# Tests that embargo finds what runs on a node, wherever its engines keep it: two Dockers, one with
# a root of its own for everything; containerd with another state directory, two namespaces and a
# runc root of its own; Podman, root's and a user's; bare runc. Only the engines' own tools are
# asked what is true, and every command of embargo must agree, container by container.

bats_require_minimum_version 1.5.0
load lib/room
load lib/node
load lib/images
load lib/docker
load lib/containerd
load lib/podman
load lib/tenant
load lib/patch

STORE=docker:
SECOND=unix:///run/second.sock
OTHER=/run/other/c.sock
TRUTH=$ROOM/truth

second() {
  docker -H "$SECOND" "$@"
}

other() {
  ctr -a "$OTHER" -n "$@"
}

setup_file() {
  use plain
  DOCKER_STORE=overlay2 start_docker
  docker_images
  docker save -o "$ROOM/images.tar" base:1 app:1 other:1
  # As if there were none: those of the first are not the others'.
  echo '{}' >"$ROOM/no-settings.json"
  start_daemon second dockerd --config-file "$ROOM/no-settings.json" --exec-root /run/snap.docker --data-root /var/lib/docker/second -H "$SECOND" -p /run/second.pid \
    --bridge none --iptables=false
  ready second 30 second info
  second load -q -i "$ROOM/images.tar"
  start_daemon other containerd --config /dev/null --state /run/other --root /var/lib/containerd/other --address "$OTHER"
  ready other 20 ctr -a "$OTHER" version
  other one image import --snapshotter native "$ROOM/images.tar"
  other two image import --snapshotter native "$ROOM/images.tar"
  mkdir -p /etc/containers
  fleet_podman_settings >/etc/containers/containers.conf
  podman load -q -i "$ROOM/images.tar"
  make_tenant
  tenant podman load -q <"$ROOM/images.tar"
  trust_an_author
  settings 'max_impact = "100%"'
  ban_and_publish base:1
  launch >"$LOGS/launch.log" 2>&1 3>&- || fail "$(cat "$LOGS/launch.log")"
}

# What still ran would keep the output of bats, which waits for its end.
teardown_file() {
  local namespace
  tenant podman rm -fa -t 0 >/dev/null
  podman --runtime-flag root=/run/podmans rm -f -t 0 $(podman ps -a --filter name=podman-other --format '{{.ID}}') >/dev/null
  podman rm -fa -t 0 >/dev/null
  docker ps -aq | xargs -r docker rm -f >/dev/null
  second ps -aq | xargs -r docker -H "$SECOND" rm -f >/dev/null
  for namespace in one two; do
    other $namespace task ls -q | xargs -r -n 1 ctr -a "$OTHER" -n $namespace task rm -f >/dev/null
  done
  stop_daemon second
  stop_docker
  stop_daemon other
}

# Of each kind ten: six built on the banned base, four not.
launch() {
  local at
  for at in $(seq 10); do
    docker run -d --name "first-app-$at" --network none app:1 sleep 100000
    docker run -d --name "first-other-$at" --network none other:1 sleep 100000
    second run -d --name "second-app-$at" --network none app:1 sleep 100000
    second run -d --name "second-other-$at" --network none --pid host other:1 sleep 100000
    other one run -d --snapshotter native docker.io/library/app:1 "one-app-$at" sleep 100000
    other two run -d --snapshotter native --runc-root /run/elsewhere docker.io/library/app:1 "two-app-$at" sleep 100000
    other two run -d --snapshotter native --runc-root /run/elsewhere docker.io/library/other:1 "two-other-$at" sleep 100000
    podman run -d --name "podman-app-$at" --network none localhost/app:1 sleep 100000
    podman --runtime-flag root=/run/podmans run -d --name "podman-other-$at" --network none localhost/other:1 sleep 100000
    tenant podman run -d --name "tenant-app-$at" --network none localhost/app:1 sleep 100000
  done
}

# truth [app|other]: what the engines' own tools say runs, of an image: full IDs.
truth() {
  {
    docker ps --no-trunc --format '{{.Names}} {{.ID}}'
    second ps --no-trunc --format '{{.Names}} {{.ID}}'
    podman ps --no-trunc --format '{{.Names}} {{.ID}}'
    tenant podman ps --no-trunc --format '{{.Names}} {{.ID}}'
    other one task ls | awk '$3 == "RUNNING" { print $1, $1 }'
    other two task ls | awk '$3 == "RUNNING" { print $1, $1 }'
  } | grep -- "-${1:-}" | awk '{ print $2 }' | sort
}

@test "there are a hundred, and sixty of them are built on the banned base" {
  [ "$(truth | wc -l)" -eq 100 ]
  [ "$(truth app | wc -l)" -eq 60 ]
}

@test "check tells of each of them whether it is built on the banned base" {
  local id banned
  banned=$(truth app)
  for id in $(truth); do
    checked "$(grep -qx "$id" <<<"$banned" && echo 2 || echo 0)" --container "$id"
  done
}

@test "exec-patch plans exactly those that are built on the banned base" {
  patch --ban BAN-2026-0007 --dry-run --json -- true
  [ "$(jq -r 'select(.event == "planned") | .container' <<<"$output" | sort)" = "$(truth app)" ] || fail "$(said)"
  ! grep -q '"not-understood"' <<<"$output" || fail "$(said)"
}

@test "the preview refuses exactly those" {
  run --separate-stderr "$EMBARGOCTL" list preview --json "$AUTHOR/banlist.lst"
  [ "$(jq -r '.running[] | select(.outcome == "refused") | .id' <<<"$output" | sort)" = "$(truth app)" ] || fail "$output" "$stderr"
  [ "$(jq -r .counts.running.all <<<"$output")" -eq "$(truth | wc -l)" ] || fail "$(jq .counts <<<"$output")" "$stderr"
}

@test "the guard counts all of root's" {
  forget_lists
  ban_nothing
  new_source
  ban base:1
  new_list
  run "$EMBARGOCTL" install --dry-run "$AUTHOR/banlist.lst"
  [[ $output == *"50 of 90 running containers"* ]] || fail "$output"
  # In force for what follows.
  "$EMBARGOCTL" install "$AUTHOR/banlist.lst"
}

# named_everywhere WORD [TEXT]: every command names the container that this begins the ID of, with that text, and says that it cannot tell.
named_everywhere() {
  local said=${2:-$1}
  ends 3 --ban BAN-2026-0007 --dry-run -- true
  [[ $output$stderr == *"$1"* && $output$stderr == *"$said"* ]] || fail "$(said)"
  run "$EMBARGOCTL" list preview "$AUTHOR/banlist.lst"
  [[ $output == *"$1"* && $output == *"$said"* ]] || fail "$output"
  run "$EMBARGO" check --container "$1"
  [[ $status -eq 3 && $output == *"$said"* ]] || fail "exit status $status" "$output"
  # The guard looks at a list that is new here.
  new_list
  run "$EMBARGOCTL" install --dry-run "$AUTHOR/banlist.lst"
  [[ $status -eq 3 && $output == *"$1"* && $output == *"$said"* ]] || fail "exit status $status" "$output"
}

@test "a bare container in an unknown root is counted and named in every command" {
  local bundle=$ROOM/bare
  mkdir -p "$bundle"
  cp -a "$ROOM/root-other" "$bundle/rootfs"
  (cd "$bundle" && runc spec && sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"sleep","100000"/' config.json)
  runc --root /run/bare run -d -b "$bundle" bare >/dev/null 2>&1 </dev/null 3>&-
  named_everywhere "process-$(jq .init_process_pid /run/bare/bare/state.json)" "no known state directory has it"
  runc --root /run/bare delete -f bare
}

@test "what runs is seen when its engine is in a mount namespace of its own" {
  local id
  unshare -m sh -c "mkdir -p /run/hidden && mount -t tmpfs none /run/hidden && exec dockerd --config-file $ROOM/no-settings.json --exec-root /run/hidden/exec \
    --data-root /run/hidden/data --storage-driver vfs -H unix:///run/hidden.sock -p /run/hidden.pid --bridge none --iptables=false" >"$LOGS/hidden.log" 2>&1 3>&- &
  echo $! >"$LOGS/hidden.pid"
  ready hidden 30 docker -H unix:///run/hidden.sock info
  docker -H unix:///run/hidden.sock load -q -i "$ROOM/images.tar"
  id=$(docker -H unix:///run/hidden.sock run -d --network none app:1 sleep 100000 3>&-)
  named_everywhere "${id:0:12}"
  docker -H unix:///run/hidden.sock rm -f "$id" >/dev/null
  stop_daemon hidden
}

@test "what an engine in a container runs is named with the container that it is in" {
  local outer inner
  outer=$(docker run -d --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined --network none -v /sys/fs/cgroup:/sys/fs/cgroup \
    --tmpfs /var/lib/docker:exec --tmpfs /run --tmpfs /var/run -e PATH=/usr/sbin:/usr/bin:/sbin:/bin -v /usr:/usr:ro -v /usr/lib:/lib:ro \
    -v /usr/lib64:/lib64:ro -v /usr/sbin:/sbin:ro -v "$ROOM/images.tar:/images.tar:ro" other:1 \
    dockerd --storage-driver vfs --bridge none --iptables=false --ip-forward=false --ip-masq=false)
  within 30 sh -c "docker exec $outer docker info >/dev/null 2>&1"
  docker exec "$outer" docker load -q -i /images.tar
  inner=$(docker exec "$outer" docker run -d --network none app:1 sleep 100000)
  named_everywhere "${inner:0:12}" "it runs inside container $outer, with an engine of its own"
  docker rm -f "$outer" >/dev/null
}
