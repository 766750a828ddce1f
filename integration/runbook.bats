#!/usr/bin/env bats
# Tests the runbook, docs/runbook.md: its commands are run as they are typed, on a real Docker, and
# what they print is compared with what the page shows. `integration/walk` writes the page anew.

load lib/room
load lib/images
load lib/docker
load lib/walk

setup_file() {
  prepare_runbook >/dev/null 2>&1
}

teardown_file() {
  remove_containers
  stop_docker
}

@test "the runbook happens as it is shown" {
  cd "$WALK"
  export TIMEFORMAT=%3Rs
  run python3 "$LIB/walk.py" check "$ROOM/docs/runbook.md" runbook
  [ "$status" -eq 0 ] || fail "$output"
}
