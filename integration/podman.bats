#!/usr/bin/env bats
# Tests Podman with conmon, and Buildah: as root, with the real runtime that PODMAN_RUNTIME names.

load lib/room
load lib/node
load lib/images
load lib/podman

STORE=podman:

setup_file() {
  start_podman
  hear_system_log
  trust_an_author
}

teardown_file() {
  stop_daemon system-log
}

setup() {
  settings
  forget_system_log
}

teardown() {
  use plain
  remove_containers
}

@test "a container of an image that is not banned runs as under the plain runtime" {
  ban_and_publish localhost/base:1
  works_under_both known run --rm other:1
  works_under_both unknown run --rm other:1
  works_under_both known run --rm -t other:1
  works_under_both known run --rm --read-only --network none --user 1000 --cap-drop ALL other:1 id
}

@test "podman run ends with 126 and the refusal when the base is banned" {
  ban_and_publish localhost/base:1
  refused_only_by_embargo 126 known run --rm app:1
  refused_only_by_embargo 126 known run --rm deep:1
  refused_only_by_embargo 126 known run --rm -t base:1
  refused_only_by_embargo 126 known run -d app:1
}

@test "podman run shows the refusal also under a runtime name that it does not know" {
  ban_and_publish localhost/base:1
  refused_only_by_embargo 126 unknown run --rm app:1
  refused_only_by_embargo 126 unknown run --rm -t app:1
}

@test "podman shows the refusal when it logs everything" {
  ban_and_publish localhost/base:1
  refused_only_by_embargo 126 known --log-level debug run --rm app:1
}

@test "a container that existed before its ban starts until the day that the ban names" {
  ban_nothing
  use embargo
  podman create --name web-1 app:1
  sleep 2
  local now
  now=$(date -u +%FT%TZ)
  podman create --name web-2 app:1
  ban_and_publish localhost/base:1 --effective "$now" --existing-until 10d
  forget_system_log
  podman start -a web-1
  podman start -a web-1
  heard EMBARGO_EVENT=existing EMBARGO_BAN=BAN-2026-0007 EMBARGO_DAYS_LEFT=10
  run podman start web-2
  [ "$status" -eq 125 ]
  is_refusal "$output"
  checked 0 web-1
  checked 2 web-2
}

@test "a base banned after create and before start is refused at start, every time" {
  ban_nothing
  use embargo
  local name
  for name in known unknown; do
    $name create --name web-1 app:1
    ban_and_publish localhost/base:1
    run $name start web-1
    [ "$status" -eq 125 ]
    is_refusal "$output"
    run $name start web-1
    [ "$status" -eq 125 ]
    is_refusal "$output"
    ban_nothing
    $name start -a web-1
    podman rm web-1
  done
}

@test "a new tag does not hide the base" {
  ban_and_publish localhost/base:1
  podman tag app:1 localhost/innocent:9
  refused_only_by_embargo 126 known run --rm innocent:9
  podman untag localhost/app:1 localhost/innocent:9
}

@test "a tag that points elsewhere at start does not hide the base" {
  ban_and_publish localhost/base:1
  use embargo
  podman tag deep:1 localhost/moving:1
  podman create --name web-1 moving:1
  podman tag other:1 localhost/moving:1
  run podman start web-1
  podman untag localhost/other:1 localhost/moving:1
  [ "$status" -eq 125 ]
  is_refusal "$output"
}

@test "a deleted tag does not hide the base" {
  ban_and_publish localhost/base:1
  use plain
  podman build -q -t localhost/only:1 --no-cache --build-arg BASE=localhost/app:1 -f "$BUILD/deep.dockerfile" "$BUILD"
  podman create --name web-1 only:1 true
  podman untag localhost/only:1
  ! podman image exists localhost/only:1 || fail "the tag is still there"
  use embargo
  run podman start web-1
  [ "$status" -eq 125 ]
  is_refusal "$output"
}

@test "a refusal calls the container as podman does, by the name it was given or got" {
  ban_and_publish localhost/base:1
  use embargo
  run podman run --name web-1 app:1
  [[ $output == *"embargo: refused web-1: built on "* ]] || fail "$output"
  local id
  id=$(podman create app:1)
  run podman start "$id"
  [[ $output == *"embargo: refused $(podman inspect -f '{{.Name}}' "$id"): built on "* ]] || fail "$output"
}

@test "embargo check tells of running and stopped containers and of images: 2 banned, 0 clear" {
  ban_and_publish localhost/base:1
  use plain
  local name
  for name in app other; do
    podman run -d --name "running-$name" "$name:1" sleep 1000
    podman run --name "stopped-$name" "$name:1" true
    podman create --name "created-$name" "$name:1" true
  done
  for name in running stopped created; do
    checked 2 "$name-app"
    checked 0 "$name-other"
    checked 2 "$(podman inspect -f '{{.Id}}' "$name-app")"
    checked 0 "$(podman inspect -f '{{.Id}}' "$name-other")"
  done
  checked 2 localhost/app:1
  checked 0 localhost/other:1
  checked 2 --image "$(podman image inspect -f '{{.Id}}' deep:1)"
}

@test "annotations of the user and of the image's author do not hide the base" {
  ban_and_publish localhost/base:1
  local id working
  id=$(podman image inspect -f '{{.Id}}' other:1)
  refused_only_by_embargo 126 known run --rm --annotation io.kubernetes.cri-o.ImageRef="$id" --annotation io.kubernetes.cri-o.Image=other:1 \
    --annotation io.kubernetes.cri-o.ContainerType=sandbox --annotation io.kubernetes.cri.container-type=sandbox app:1
  use plain
  working=$(buildah from localhost/app:1)
  buildah config --annotation io.kubernetes.cri-o.ImageRef="$id" --annotation io.kubernetes.cri-o.ContainerType=sandbox \
    --annotation io.kubernetes.cri.image-name=other:1 --annotation org.opencontainers.image.base.name=other:1 "$working"
  buildah commit -q "$working" localhost/annotated:1
  refused_only_by_embargo 126 known run --rm annotated:1
}

@test "a container named like a command is judged and handled like any other" {
  ban_and_publish localhost/base:1
  local name
  for name in create run restore; do
    works_under_both known run --rm --name "$name" other:1
    refused_only_by_embargo 126 known run --rm --name "$name" app:1
  done
}

@test "a mapped user namespace does not hide the base" {
  # On an overlay of FUSE runc itself does not start one: it may not open its mount points there.
  [ -z "${MOUNT_PROGRAM:-}" ] || return 0
  ban_and_publish localhost/base:1
  works_under_both known run --rm --uidmap 0:100000:65536 other:1
  refused_only_by_embargo 126 known run --rm --uidmap 0:100000:65536 app:1
}

@test "a root file system that is no image is admitted, or refused where the operator says so" {
  ban_and_publish localhost/base:1
  works_under_both known run --rm --rootfs "$ROOM/root-base" /bin/echo root runs
  works_under_both known run --rm --rootfs "$ROOM/root-base:O" /bin/echo overlay runs
  settings 'on_no_image = "refuse"'
  use embargo
  run podman run --rm --name web-1 --rootfs "$ROOM/root-base" /bin/echo root runs
  [ "$status" -eq 126 ]
  [[ $output == *"embargo: refused "* ]]
}

@test "an image of an additional store is judged like one of the main store" {
  # The btrfs driver knows no additional stores.
  [ "$STORAGE_DRIVER" != btrfs ] || return 0
  ban_and_publish localhost/base:1
  local more=/var/lib/containers/more
  use plain
  podman build -q -t localhost/more:1 --build-arg BASE=localhost/app:1 -f "$BUILD/deep.dockerfile" --no-cache "$BUILD"
  skopeo copy -q containers-storage:localhost/more:1 "containers-storage:[$STORAGE_DRIVER@$more+/run/more]localhost/more:1"
  podman rmi -f localhost/more:1
  printf '[storage.options]\nadditionalimagestores = ["%s"]\n' "$more" >>/etc/containers/storage.conf
  refused_only_by_embargo 126 known run --rm --pull never localhost/more:1
  sed -i '/^.storage.options]/,$d' /etc/containers/storage.conf
}

refuse_and_remove() {
  run podman run --name web-1 app:1
  [ "$status" -eq 126 ] || return 1
  podman rm web-1
}

@test "a refusal leaves nothing behind: state, pid file, conmon, mount or cgroup" {
  ban_and_publish localhost/base:1
  use embargo
  podman run --rm other:1
  leaves_nothing refuse_and_remove
}

@test "podman build refuses to run a step on a banned base and shows why" {
  ban_and_publish localhost/base:1
  refused_only_by_embargo 1 podman build --no-cache --runtime "$RUNTIME" -f "$BUILD/deep.dockerfile" --build-arg BASE=localhost/app:1 "$BUILD"
}

@test "podman build runs its steps on other bases" {
  ban_and_publish localhost/base:1
  use embargo
  podman build --no-cache --runtime "$RUNTIME" -f "$BUILD/app.dockerfile" --build-arg BASE=localhost/other:1 "$BUILD"
}

@test "buildah run is refused on a working container of a banned base" {
  ban_and_publish localhost/base:1
  local working
  use plain
  working=$(buildah from localhost/app:1)
  refused_only_by_embargo 1 buildah run --isolation oci --runtime "$RUNTIME" "$working" -- true
  working=$(buildah from localhost/other:1)
  works_under_both buildah run --isolation oci --runtime "$RUNTIME" "$working" -- echo other runs
}

@test "a step in chroot isolation calls no runtime and is not judged; what it makes is" {
  ban_and_publish localhost/base:1
  local working
  use embargo
  podman build -q --no-cache --isolation chroot --runtime "$RUNTIME" -t localhost/around:1 -f "$BUILD/app.dockerfile" --build-arg BASE=localhost/base:1 "$BUILD"
  working=$(buildah from localhost/app:1)
  buildah run --isolation chroot --runtime "$RUNTIME" "$working" -- true
  BUILDAH_ISOLATION=chroot buildah run --runtime "$RUNTIME" "$working" -- true
  checked 2 localhost/around:1
  run podman run --rm around:1
  [ "$status" -eq 126 ]
  is_refusal "$output"
}

@test "a refused build step leaves nothing behind" {
  ban_and_publish localhost/base:1
  use embargo
  refuse_build() {
    run podman build --no-cache --runtime "$RUNTIME" -f "$BUILD/app.dockerfile" --build-arg BASE=localhost/base:1 "$BUILD"
    [ "$status" -ne 0 ]
  }
  refuse_build
  remove_containers
  leaves_nothing eval 'refuse_build && remove_containers'
}

@test "a payload's signals, descriptors, limits and environment are those of a direct run" {
  ban_and_publish localhost/base:1
  works_under_both known run --rm other:1 grep -E '^(Sig(Blk|Ign|Cgt)|Cap|NoNewPrivs|Seccomp)' /proc/self/status
  works_under_both known run --rm other:1 cat /proc/self/limits /proc/self/oom_score_adj
  works_under_both known run --rm --hostname same other:1 sh -c 'env; umask; ls /proc/self/fd; pwd'
}

@test "descriptors handed on with preserve-fds reach the payload" {
  ban_and_publish localhost/base:1
  echo through >"$ROOM/through"
  works_under_both eval 'known run --rm --preserve-fds 2 other:1 sh -c "cat <&4" 3</dev/null 4<"$ROOM/through"'
  [[ $seen == *through* ]]
}

@test "standard input and the exit status pass through" {
  ban_and_publish localhost/base:1
  works_under_both eval 'printf "one\ntwo\n" | known run --rm -i other:1 cat'
  same_under_both known run --rm other:1 sh -c 'exit 7'
  [[ $seen == "exit status 7"* ]]
  same_under_both known run --rm other:1 sh -c 'kill -9 $$'
  same_under_both eval 'known run --rm other:1 no-such-program >/dev/null 2>&1'
  [[ $seen == "exit status 127"* ]]
}

@test "exec, pause, update, top, kill, stop, restart and rm work as under the plain runtime" {
  life() {
    podman run -d --name web-1 other:1 loop | wc -l
    podman exec web-1 echo inside
    podman exec -u 1000 -w /tmp web-1 sh -c 'id -u; pwd; exit 4' || echo "exit $?"
    podman pause web-1
    podman unpause web-1
    # The shell's children come and go.
    podman top web-1 comm | head -2
    podman restart -t 1 web-1
    podman kill -s TERM web-1
    podman wait web-1
    podman rm web-1
  }
  ban_and_publish localhost/base:1
  works_under_both life
}

@test "a container whose base is banned while it runs can still be entered, stopped and removed" {
  ban_nothing
  use embargo
  podman run -d --name web-1 app:1 loop
  ban_and_publish localhost/base:1
  podman exec web-1 echo inside
  podman stop -t 2 web-1
  podman rm web-1
}

@test "a pod's own pause container is judged too" {
  ban_and_publish localhost/base:1
  pod_lives() {
    podman pod create --name pod-1 --infra-image localhost/app:1 --infra-command '/bin/sleep 1000'
    podman pod start pod-1
    local status=$?
    podman pod rm -f -t 0 pod-1 >/dev/null
    return $status
  }
  refused_only_by_embargo 125 pod_lives
}

@test "the bundle's config.json is what the engine wrote" {
  # Podman writes the mounts in a random order.
  as_written() { jq -S '.mounts |= sort_by(.destination)' "$bundle/config.json"; }
  ban_nothing
  local bundle
  use plain
  podman create --name web-1 --network none other:1 sleep 1000
  bundle=/var/lib/containers/storage/$STORAGE_DRIVER-containers/$(podman inspect -f '{{.Id}}' web-1)/userdata
  podman start web-1
  as_written >"$ROOM/config.plain"
  podman stop -t 0 web-1
  use embargo
  podman start web-1
  as_written >"$ROOM/config.embargo"
  podman stop -t 0 web-1
  cmp "$ROOM/config.plain" "$ROOM/config.embargo"
}

@test "a refusal is an audit event with ban, container, engine and the image's source" {
  ban_and_publish localhost/base:1
  use embargo
  run podman run --name web-1 app:1
  heard EMBARGO_EVENT=refused EMBARGO_BAN=BAN-2026-0007 "EMBARGO_CONTAINER=$(podman inspect -f '{{.Id}}' web-1)" \
    "EMBARGO_MATCH=$(chain_id $(diff_ids base:1))" "EMBARGO_CHAIN_ID=$(chain_id $(diff_ids app:1))" EMBARGO_LIST_VERSION= EMBARGO_EVIDENCE= \
    EMBARGO_SOURCE=https://source.example/app EMBARGO_REVISION=0123abc
}

@test "an admission is silent" {
  ban_and_publish localhost/base:1
  use embargo
  podman run --rm other:1
  heard_nothing
}
