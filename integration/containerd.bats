#!/usr/bin/env bats
# Tests containerd through ctr: the user chooses container IDs, annotations and root file systems
# here.

load lib/room
load lib/node
load lib/images
load lib/docker
load lib/containerd

STORE=containerd:default/

setup_file() {
  start_containerd default
  hear_system_log
  trust_an_author
}

teardown_file() {
  stop_containerd
  stop_daemon system-log
}

setup() {
  settings
  forget_system_log
}

teardown() {
  use plain
  local id
  for id in $(ctr task ls -q); do
    ctr task kill -s KILL "$id" || true
    ctr task rm -f "$id" || true
  done
  for id in $(ctr container ls -q); do
    ctr container rm "$id"
  done
}

# launch [FLAG…] IMAGE ID COMMAND…: ctr run with our runtime.
launch() {
  ctr run --rm --snapshotter "$SNAPSHOTTER" --runc-binary "$RUNTIME" --runtime io.containerd.runc.v2 "$@"
}

# ctr 2.1 was seen to lose the output of a container that ends at once, with no embargo near: those that speak stay a moment.
SAYS='echo "$0"; sleep 0.3'

image() {
  printf 'docker.io/library/%s\n' "$1"
}

@test "a container of an image that is not banned runs as under the plain runtime" {
  ban_and_publish "$(image base:1)"
  works_under_both launch "$(image other:1)" one sh -c "$SAYS" "other runs"
}

@test "ctr run shows the refusal when the base is banned" {
  ban_and_publish "$(image base:1)"
  refused_only_by_embargo 1 launch "$(image base:1)" one true
  refused_only_by_embargo 1 launch "$(image app:1)" one true
  refused_only_by_embargo 1 launch "$(image deep:1)" one true
}

@test "a container with the ID of a command is judged, started, killed and deleted like any other" {
  ban_and_publish "$(image base:1)"
  local id
  for id in create run restore start delete state kill exec; do
    works_under_both launch "$(image other:1)" "$id" sh -c "$SAYS" "other runs"
    refused_only_by_embargo 1 launch "$(image app:1)" "$id" true
  done
}

@test "annotations of a container do not hide the base" {
  ban_and_publish "$(image base:1)"
  refused_only_by_embargo 1 launch --annotation io.kubernetes.cri.image-name=other:1 --annotation io.kubernetes.cri.container-type=sandbox \
    --annotation io.kubernetes.cri-o.ContainerType=sandbox --annotation io.container.manager=libpod \
    --label io.cri-containerd.kind=sandbox "$(image app:1)" one true
}

@test "a new tag does not hide the base" {
  ban_and_publish "$(image base:1)"
  ctr image tag "$(image app:1)" innocent.example/x:9
  refused_only_by_embargo 1 launch innocent.example/x:9 one true
  ctr image rm innocent.example/x:9
}

# ctr 1.6 cannot name the binary here: the shim finds `runc` in containerd's PATH, as on a node where embargo stands at that path.
create() {
  ctr container create --snapshotter "$SNAPSHOTTER" "$@"
}

@test "a base banned after create and before start is refused at start" {
  ban_nothing
  use embargo
  create "$(image app:1)" one sleep 1000
  ban_and_publish "$(image base:1)"
  run ctr task start -d one
  [ "$status" -eq 1 ]
  is_refusal "$output"
}

@test "a container that existed before its ban starts until the day that the ban names" {
  ban_nothing
  use embargo
  create "$(image app:1)" one sleep 1000
  sleep 2
  local now
  now=$(date -u +%FT%TZ)
  create "$(image app:1)" two sleep 1000
  ban_and_publish "$(image base:1)" --effective "$now" --existing-until 10d
  forget_system_log
  ctr task start --null-io -d one
  heard EMBARGO_EVENT=existing EMBARGO_BAN=BAN-2026-0007 EMBARGO_DAYS_LEFT=10
  run ctr task start -d two
  [ "$status" -eq 1 ]
  is_refusal "$output"
  checked 0 one
  checked 2 two
}

@test "a tag that points elsewhere or is gone at start does not hide the base" {
  ban_and_publish "$(image base:1)"
  use embargo
  ctr image tag "$(image app:1)" moving.example/x:1
  create moving.example/x:1 one sleep 1000
  ctr image tag --force "$(image other:1)" moving.example/x:1
  run ctr task start -d one
  [ "$status" -eq 1 ]
  is_refusal "$output"
  ctr image rm moving.example/x:1
  run ctr task start -d one
  [ "$status" -eq 1 ]
  is_refusal "$output"
}

@test "a root file system that is no image is admitted, or refused where the operator says so" {
  ban_and_publish "$(image base:1)"
  works_under_both launch --rootfs "$ROOM/root-base" one /bin/sh -c "$SAYS" "root runs"
  heard EMBARGO_EVENT=no-image EMBARGO_CONTAINER=one
  settings 'on_no_image = "refuse"'
  use embargo
  run launch --rootfs "$ROOM/root-base" one /bin/echo root runs
  [ "$status" -eq 1 ]
  [[ $output == *"embargo: refused one"* ]]
}

@test "exec, pause, resume, metrics, kill and delete work as under the plain runtime" {
  life() {
    create "$(image other:1)" one loop
    ctr task start --null-io -d one
    ctr task exec --exec-id two one echo inside
    ctr task exec --exec-id three one false || echo "exit $?"
    ctr task pause one
    ctr task ls | grep -c PAUSED
    ctr task resume one
    # The shell's children come and go.
    ctr task ps one | grep -c "^$(ctr task ls | awk '$1 == "one" { print $2 }') "
    ctr task kill -s TERM one
    within 5 sh -c '! ctr task ls | grep -q RUNNING'
    ctr task rm one || echo "exit $?"
    ctr container rm one
  }
  ban_and_publish "$(image base:1)"
  works_under_both life
}

@test "a refusal leaves nothing behind: state, pid file, bundle, shim, mount or cgroup" {
  ban_and_publish "$(image base:1)"
  use embargo
  refuse() {
    run launch "$(image app:1)" one true
    [ "$status" -eq 1 ]
  }
  launch "$(image other:1)" one true
  leaves_nothing refuse
}

@test "a container in another containerd namespace is judged too" {
  ban_and_publish "$(image base:1)"
  import_images elsewhere
  refused_only_by_embargo 1 ctr -n elsewhere run --rm --snapshotter "$SNAPSHOTTER" --runc-binary "$RUNTIME" \
    --runtime io.containerd.runc.v2 "$(image app:1)" one true
}

@test "a container whose image was deleted altogether is still told by its snapshots" {
  ban_nothing
  use embargo
  ctr image tag "$(image deep:1)" gone.example/deep:1
  create gone.example/deep:1 one sleep 1000
  ctr image rm --sync gone.example/deep:1 "$(image deep:1)"
  ban_and_publish "$(image base:1)"
  run ctr task start -d one
  import_images default
  [ "$status" -eq 1 ]
  is_refusal "$output"
}

@test "embargo check tells of containers and images: 2 banned, 0 clear" {
  ban_and_publish "$(image base:1)"
  use plain
  local name
  for name in app other; do
    create "$(image $name:1)" "running-$name" sleep 1000
    ctr task start --null-io -d "running-$name"
    create "$(image $name:1)" "created-$name" sleep 1000
  done
  for name in running created; do
    checked 2 "$name-app"
    checked 0 "$name-other"
  done
  checked 2 "$(image app:1)"
  checked 0 "$(image other:1)"
}

@test "embargo check tells of containers whose image was deleted altogether" {
  ban_nothing
  use plain
  ctr image tag "$(image deep:1)" gone.example/deep:1
  create gone.example/deep:1 running sleep 1000
  ctr task start --null-io -d running
  create gone.example/deep:1 created sleep 1000
  ctr image rm --sync gone.example/deep:1 "$(image deep:1)"
  ban_and_publish "$(image base:1)"
  local status_of_test=0
  { checked 2 running && checked 2 created; } || status_of_test=1
  import_images default
  [ "$status_of_test" -eq 0 ]
}

@test "a snapshotter that was moved is found where it is, though the old one is still there" {
  # Others' mounts are not compared with their records.
  case $SNAPSHOTTER in overlayfs | native) ;; *) return 0 ;; esac
  ban_and_publish "$(image base:1)"
  stop_containerd
  # What containerd's records say of the old place holds no longer, and its garbage collection takes new layers away by them.
  rm /var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db
  printf '[plugins."io.containerd.snapshotter.v1.%s"]\n  root_path = "/var/lib/containerd/elsewhere"\n' "$SNAPSHOTTER" >>/etc/containerd/config.toml
  PATH=$ROOM/path:$PATH start_daemon containerd containerd
  ready containerd 20 ctr version
  import_images elsewhere
  [ -e /var/lib/containerd/elsewhere/metadata.db ] && [ -e "/var/lib/containerd/io.containerd.snapshotter.v1.$SNAPSHOTTER/metadata.db" ]
  moved() { ctr -n elsewhere run --rm --snapshotter "$SNAPSHOTTER" --runc-binary "$RUNTIME" --runtime io.containerd.runc.v2 "$@"; }
  works_under_both moved "$(image other:1)" one sh -c "$SAYS" "other runs"
  refused_only_by_embargo 1 moved "$(image base:1)" one true
  refused_only_by_embargo 1 moved "$(image app:1)" one true
}
