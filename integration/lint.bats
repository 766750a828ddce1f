#!/usr/bin/env bats
# Tests what `embargoctl list lint` finds with real images in the engines' stores that nobody names
# to it: it looks for what the source names, and at all others.

bats_require_minimum_version 1.5.0
load lib/room
load lib/node
load lib/images
load lib/docker

SOURCE=$ROOM/lint.toml

setup_file() {
  DOCKER_STORE=overlay2 start_docker
  docker_images
  printf 'FROM base:1\nENV ADDED=yes\n' | docker build -q -t env:1 -
  mkdir -p /etc/containers "$ROOM/images"
  docker save -o "$ROOM/images/base.tar" base:1
  skopeo copy -q --dest-decompress "docker-archive:$ROOM/images/base.tar" "containers-storage:localhost/copy:1"
}

teardown_file() {
  stop_docker
}

setup() {
  rm -f "$SOURCE"
}

# ban WORD…: a ban BAN-1 of these words in SOURCE.
ban() {
  "$EMBARGOCTL" ban --source "$SOURCE" --id BAN-1 --reason why "$@"
}

# lint STATUS WORD…: the linter ends with STATUS; what it prints is in `output`.
lint() {
  local expected=$1
  shift
  run --separate-stderr "$EMBARGOCTL" list lint --source "$SOURCE" "$@"
  [ "$status" -eq "$expected" ] || fail "exit status $status" "$output" "$stderr" || return 1
}

# finds LEVEL CODE TEXT: a line of `output` has all three.
finds() {
  grep -qE "^$SOURCE:[0-9]+: $1: BAN-1: .*$3.* \[$2\]\$" <<<"$output" || fail "no $1 $2: $3" "$output" || return 1
}

@test "a ban of an image that is there and has no twin is sound" {
  ban --successor other:1 docker:app:1
  lint 0 --deny-warnings
  [ "$output" = "$SOURCE: 1 ban, nothing wrong was found" ] || fail "$output"
}

@test "a child that only sets a variable has the same layers, and is named" {
  ban docker:base:1
  lint 0
  finds warning same-layers "the ban also hits env:1"
  lint 1 --deny-warnings
}

@test "a successor that is built on what is banned, by two steps" {
  ban --successor deep:1 docker:base:1
  lint 1
  finds error successor-banned "the successor deep:1 is built on base:1, which this ban bans"
}

@test "a successor that is the banned image under another name, in another engine's store" {
  ban --successor localhost/copy:1 docker:base:1
  lint 1
  finds error successor-banned "the successor localhost/copy:1 has the layers of base:1"
}

@test "a successor with the layer that cures is none of that" {
  local layers
  read -ra layers < <(diff_ids cured:1)
  ban --successor cured:1 docker:base:1
  sed -i "s/^successor.*/&\ncure = [\"${layers[-1]}\"]/" "$SOURCE"
  lint 0
  [[ $output != *successor-banned* && $output != *cure-in-base* ]] || fail "$output"
  sed -i "s/^cure.*/cure = [\"${layers[0]}\"]/" "$SOURCE"
  lint 1
  finds error cure-in-base "the cure ${layers[0]} is a layer of base:1 itself"
}

@test "a digest of another kind is told for what it is" {
  local layers
  read -ra layers < <(diff_ids app:1)
  ban docker:app:1
  sed -i "s/^base = .*/base = \"${layers[1]}\"/" "$SOURCE"
  lint 1
  finds error wrong-kind "base ${layers[1]} is the diff ID of a layer of app:1"
  sed -i "s/^base = .*/base = \"$(docker image inspect --format '{{.Id}}' app:1)\"/" "$SOURCE"
  lint 1
  finds error wrong-kind "is the image ID of app:1"
}

@test "an image that is banned by itself leaves what is built on it" {
  ban --as image docker:app:1
  lint 0
  finds warning image-only "app:1 is banned, and not what is built on it: deep:1"
}

@test "an exception for an image that the ban does not hold for" {
  ban docker:base:1
  "$EMBARGOCTL" except --source "$SOURCE" --ban BAN-1 --until 7d --reason moving other:1
  lint 0
  finds warning exception-idle "the ban does not hold for other:1"
}

@test "the empty layers that Buildah and GNU tar make are known" {
  local layers
  buildah commit -q "$(buildah from localhost/copy:1)" localhost/nothing:1
  read -ra layers < <(podman image inspect --format '{{range .RootFS.Layers}}{{.}} {{end}}' localhost/nothing:1)
  [ "${#layers[@]}" -eq 2 ]
  ban --as layer docker:app:1
  sed -i "s/^layer = .*/layer = \"${layers[-1]}\"/" "$SOURCE"
  lint 1
  finds error empty-layer "layer ${layers[-1]} is the empty layer"
  sed -i "s/^layer = .*/layer = \"sha256:$(tar -c -T /dev/null | sha256sum | cut -d' ' -f1)\"/" "$SOURCE"
  lint 1
  finds error empty-layer "is the empty layer"
}

@test "the same for programs" {
  ban --successor deep:1 docker:base:1
  lint 1 --json
  jq -e '.errors == 1 and (.findings[] | select(.code == "successor-banned") | .line == 7 and .level == "error" and .ban == "BAN-1")' <<<"$output"
}
