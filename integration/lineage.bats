#!/usr/bin/env bats
# Tests that one image has one chain in every store and archive: `embargoctl lineage` prints the
# same wherever the image is.

load lib/room
load lib/node
load lib/images
load lib/docker
load lib/containerd

setup_file() {
  DOCKER_STORE=overlay2 start_docker
  docker_images
  mkdir -p "$ROOM/images"
  docker save -o "$ROOM/images/docker.tar" deep:1
  skopeo copy -q "docker-archive:$ROOM/images/docker.tar" "oci:$ROOM/images/layout:deep"
  skopeo copy -q "docker-archive:$ROOM/images/docker.tar" "oci-archive:$ROOM/images/oci.tar:deep"
  tar -xOf "$ROOM/images/docker.tar" manifest.json | jq -r '.[0].Config' | xargs tar -xOf "$ROOM/images/docker.tar" >"$ROOM/images/config.json"
  jq -r '.rootfs.diff_ids[]' "$ROOM/images/config.json" >"$ROOM/images/diff-ids"
  mkdir -p /etc/containers
  skopeo copy -q --dest-decompress "docker-archive:$ROOM/images/docker.tar" "containers-storage:localhost/deep:1"
  start_daemon containerd containerd
  ready containerd 20 ctr version
  ctr image import "$ROOM/images/docker.tar"
}

teardown_file() {
  stop_daemon containerd
  stop_docker
}

# has_lineage WORD…: `embargoctl lineage` of this prints the diff IDs and chain IDs of the image, lowest first.
has_lineage() {
  local diffs=() diff
  run "$EMBARGOCTL" lineage --json "$@"
  [ "$status" -eq 0 ] || fail "lineage $*" "$output" || return 1
  while read -r diff; do
    diffs+=("$diff")
    [[ $output == *"$diff"* ]] || fail "no $diff for $*" "$output" || return 1
    [[ $output == *"$(chain_id "${diffs[@]}")"* ]] || fail "no chain ID of ${#diffs[@]} layers for $*" "$output" || return 1
  done <"$ROOM/images/diff-ids"
  jq -e . <<<"$output"
}

@test "in Docker's store" {
  has_lineage docker:deep:1
}

@test "in containerd's store" {
  has_lineage containerd:default/docker.io/library/deep:1
}

@test "in the store of Podman" {
  has_lineage podman:localhost/deep:1
}

@test "in an archive of docker save" {
  has_lineage "docker-archive:$ROOM/images/docker.tar"
}

@test "in an OCI layout and an OCI archive that skopeo made" {
  has_lineage "oci:$ROOM/images/layout:deep"
  has_lineage "oci-archive:$ROOM/images/oci.tar:deep"
}

@test "in an image config on standard input" {
  has_lineage - <"$ROOM/images/config.json"
}

@test "a bare name that is found once is enough" {
  has_lineage deep:1
}

@test "an image that is not there is a clear error" {
  run "$EMBARGOCTL" lineage docker:no-such:1
  [ "$status" -eq 1 ]
  [[ $output == *no-such* ]]
}
