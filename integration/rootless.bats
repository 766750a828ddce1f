#!/usr/bin/env bats
# Tests Podman of an unprivileged user: the store, the log and the runtime's state are the user's;
# the list and the settings are root's.

bats_require_minimum_version 1.5.0
load lib/room
load lib/node
load lib/images
load lib/podman
load lib/tenant

podman() {
  tenant podman "$@"
}

setup_file() {
  make_tenant
  mkdir -p /etc/containers
  podman_settings >/etc/containers/containers.conf
  use plain
  podman_images
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
  podman rm -fa -t 0 >/dev/null
}

# ban_chain_of IMAGE: the author reads an archive that the user saved; the chain ID is the same in every store.
ban_chain_of() {
  rm -f "$ROOM/archive.tar"
  podman save -q "$1" >"$ROOM/archive.tar"
  ban_and_publish "docker-archive:$ROOM/archive.tar"
}

@test "a user's container of an image that is not banned runs as under the plain runtime" {
  ban_chain_of localhost/base:1
  works_under_both known run --rm --network none other:1
  works_under_both unknown run --rm --network none other:1
  works_under_both known run --rm --network host other:1
}

@test "a user's container is refused when the base is banned" {
  ban_chain_of localhost/base:1
  refused_only_by_embargo 126 known run --rm --network none app:1
  refused_only_by_embargo 126 unknown run --rm --network none deep:1
  # Only the node's own engines are counted.
  [ ! -e /run/embargo/counts ]
}

@test "a base banned after create and before start is refused at start" {
  ban_nothing
  use embargo
  podman create --name web-1 --network none app:1
  ban_chain_of localhost/base:1
  run podman start web-1
  [ "$status" -eq 125 ]
  is_refusal "$output"
}

@test "a user's environment changes neither list nor settings in a user namespace" {
  ban_chain_of localhost/base:1
  use embargo
  mkdir -p "$ROOM/elsewhere"
  chmod 0755 "$ROOM/elsewhere"
  run tenant env EMBARGO_ROOT="$ROOM/elsewhere" podman run --rm --network none app:1
  [ "$status" -eq 126 ]
  is_refusal "$output"
}

@test "exec, kill, stop and rm work as under the plain runtime" {
  life() {
    podman run -d --name web-1 --network none other:1 loop | wc -l
    podman exec web-1 echo inside
    podman exec web-1 sh -c 'exit 4' || echo "exit $?"
    podman kill -s TERM web-1
    podman wait web-1
    podman rm web-1
  }
  ban_chain_of localhost/base:1
  works_under_both life
}

@test "a keep-id user namespace does not hide the base" {
  ban_chain_of localhost/base:1
  works_under_both known run --rm --network none --userns keep-id other:1
  refused_only_by_embargo 126 known run --rm --network none --userns keep-id app:1
}

@test "a user's payload has the signals of a direct run" {
  ban_chain_of localhost/base:1
  works_under_both known run --rm --network none other:1 grep -E '^(Sig(Blk|Ign|Cgt)|Cap|NoNewPrivs|Seccomp)' /proc/self/status
}

@test "a user's build step on a banned base is refused" {
  ban_chain_of localhost/base:1
  refused_only_by_embargo 1 podman build --no-cache --network host --isolation oci --runtime "$RUNTIME" --build-arg BASE=localhost/app:1 -f "$BUILD/deep.dockerfile" "$BUILD"
}

@test "a preview by root shows a user's containers and images, which count for nothing, and one by the user shows his own" {
  podman run -d --name web-1 --network none app:1 sleep 1000 >/dev/null 3>&-
  ban_nothing
  rm -f "$ROOM/archive.tar"
  podman save -q localhost/base:1 >"$ROOM/archive.tar"
  new_source
  ban "docker-archive:$ROOM/archive.tar"
  new_list
  run --separate-stderr "$EMBARGOCTL" list preview --json "$AUTHOR/banlist.lst"
  [ "$status" -eq 2 ]
  [ "$(jq -c '[.running[] | [.names[0], .outcome, .of_user]]' <<<"$output")" = '[["web-1","refused",true]]' ]
  [ "$(jq -c '[.counts.running.newly_refused, .installation.counted]' <<<"$output")" = '[1,0]' ]
  [ "$(jq -c '[.images[] | select(.outcome == "refused") | .names[0]] | sort' <<<"$output")" = '["localhost/app:1","localhost/base:1","localhost/cured:1","localhost/deep:1"]' ]
  install -m 0644 "$AUTHOR/banlist.lst" /tmp/draft.lst
  run --separate-stderr tenant "$EMBARGOCTL" list preview /tmp/draft.lst
  [ "$status" -eq 2 ]
  # What the user's engine mounted is in a mount namespace of its own, also for him.
  grep -E '^web-1 +podman +localhost/app:1 +BAN-2026-0007 ' <<<"$output"
}
