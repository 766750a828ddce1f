#!/usr/bin/env bats
# Tests the operator's walk, docs/walkthrough.md: its commands are run as they are typed, on a real
# Docker, and what they print is compared with what the page shows. `integration/walk` writes the
# page anew.

load lib/room
load lib/images
load lib/docker
load lib/walk

setup_file() {
  prepare_walk
}

teardown_file() {
  remove_containers
  stop_docker
}

@test "the operator's walk happens as it is shown" {
  cd "$WALK"
  run python3 "$LIB/walk.py" check "$ROOM/docs/walkthrough.md" operator
  [ "$status" -eq 0 ] || fail "$output"
}
