#!/usr/bin/env bats
# Tests which containers `embargo exec-patch` enters. 33 containers of three lineages run in Docker,
# in two namespaces of containerd and in Podman, with runc and crun; each test patches some of them
# and looks at all of them.

bats_require_minimum_version 1.5.0
load lib/room
load lib/node
load lib/images
load lib/docker
load lib/containerd
load lib/podman
load lib/patch

STORE=docker:

setup_file() {
  start_engines
  trust_an_author
  hear_system_log
  launch_fleet >"$LOGS/fleet.log" 2>&1 3>&- || fail "$(cat "$LOGS/fleet.log")"
}

teardown_file() {
  stop_engines
  stop_daemon system-log
}

setup() {
  settings "former_runtimes = [\"$CRUN\"]" 'max_impact = "100%"'
  forget_lists
  ban_nothing
  unmarked
  forget_system_log
}

# Docker 10, containerd 6 and 7, Podman 10. Two that have the same ID in two namespaces, and two that have the same name in two engines.
launch_fleet() {
  local image
  for image in base app deep cured other calm third; do
    in_docker "docker-$image" $image
    in_containerd default "$image" $image
    in_containerd batch "$image" $image
    in_podman "podman-$image" $image
  done
  in_docker docker-app-2 app
  in_docker docker-third-2 third
  in_podman podman-deep-2 deep
  in_podman podman-calm-2 calm
  in_podman podman-third-2 third --read-only --user 1000
}

# of_base [ENGINE [NAMESPACE]]: the containers built on base, in one line.
of_base() {
  awk -v engine="${1:-}" -v space="${2:-}" '$4 ~ /^(base|app|deep|cured|owned)$/ && (engine == "" || $2 == engine) && (space == "" || $3 == space) { print $1 }' "$FLEET" |
    paste -sd' '
}

# others: the containers that are not built on base, in one line.
others() {
  names other calm third
}

@test "the fleet is at least thirty containers of three lineages" {
  [ "$(wc -l <"$FLEET")" -ge 30 ]
  [ "$(awk '{ print $2 }' "$FLEET" | sort -u | paste -sd' ')" = 'containerd docker podman' ]
  [ "$(awk '$2 == "containerd" { print $3 }' "$FLEET" | sort -u | paste -sd' ')" = 'batch default' ]
  [ "$(of_base | wc -w)" -ge 15 ]
  [ "$(others | wc -w)" -ge 12 ]
  [ "$(patched 0)" = "$(names)" ]
}

@test "the signed patch of a ban is in exactly the containers built on the banned base, and the others are untouched" {
  local before
  # shellcheck disable=SC2046
  before=$(trace $(others))
  ban_and_publish base:1 --patch-run 'echo BAN-2026-0007 >>/patched' --patch-timeout 1m
  ends 0 --ban BAN-2026-0007
  only_patched 1 $(of_base)
  [ "$(cat "$(inside podman-app)/patched")" = BAN-2026-0007 ]
  [ "$(trace $(others))" = "$before" ]
  [ "$(outcomes | cut -f3 | sort | uniq -c | xargs)" = "$(of_base | wc -w) patched" ]
}

@test "a second run enters nothing, and --again enters all of them" {
  local before
  ban_and_publish base:1 --patch-run 'echo BAN-2026-0007 >>/patched'
  ends 0 --ban BAN-2026-0007
  before=$(trace $(names))
  ends 0 --ban BAN-2026-0007
  [ "$(trace $(names))" = "$before" ]
  only_patched 1 $(of_base)
  ends 0 --ban BAN-2026-0007 --again --parallel 8
  only_patched 2 $(of_base)
}

@test "another command is another patch" {
  ends 0 --base docker:base:1 --canary 0 --engine podman -- "${MARK[@]}"
  ends 0 --base docker:base:1 --canary 0 --engine podman -- sh -c 'echo another >>/patched'
  only_patched 2 $(of_base podman)
}

@test "all bans in effect at once" {
  ban_and_publish deep:1 --patch-run 'echo patched >>/patched'
  ends 0 --all-banned
  only_patched 1 $(names deep)
}

@test "a ban that has no patch: refused before there is a run, and none of its containers is entered" {
  ban_and_publish base:1
  ends 1 --ban BAN-2026-0007
  only_patched 1
  [[ $stderr == *'BAN-2026-0007 has no patch'* ]] || fail "$(said)"
  ends 0 --ban BAN-2026-0007 -- "${MARK[@]}"
  only_patched 1 $(of_base)
}

@test "what a ban excepts or another layer cures is left alone" {
  new_source
  ban base:1
  sed -i "/^id = /a cure = [\"$(diff_ids cured:1 | awk '{ print $NF }')\"]" "$AUTHOR/bans.toml"
  "$EMBARGOCTL" except --source "$AUTHOR/bans.toml" --ban BAN-2026-0007 --until 14d --reason tested docker:deep:1 >/dev/null
  publish
  ends 0 --ban BAN-2026-0007 -- "${MARK[@]}"
  only_patched 1 $(names base app)
}

@test "a base without any list: by chain ID, by an image of Docker's, containerd's or Podman's store, or an archive" {
  local base
  disarm
  rm -f /var/lib/embargo/banlist.lst /var/lib/embargo/banlist.copy.lst
  for base in "$(chain_id $(diff_ids app:1))" docker:app:1 containerd:batch/docker.io/library/app:1 podman:localhost/app:1; do
    unmarked
    ends 0 --base "$base" -- "${MARK[@]}"
    only_patched 1 $(names app deep)
  done
  docker save -o "$ROOM/app.tar" app:1
  unmarked
  ends 0 --base "docker-archive:$ROOM/app.tar" -- "${MARK[@]}"
  only_patched 1 $(names app deep)
}

@test "an image: its own containers alone, by name, ID or digest" {
  ends 0 --image "$(docker image inspect -f '{{.Id}}' app:1)" -- "${MARK[@]}"
  only_patched 1 $(names app)
  unmarked
  ends 0 --image docker.io/library/app:1 --engine containerd -- "${MARK[@]}"
  only_patched 1 default/app batch/app
  unmarked
  ends 0 --image localhost/app:1 -- "${MARK[@]}"
  only_patched 1 $(names app)
}

@test "narrowed by engine, namespace, and container" {
  ends 0 --base docker:base:1 --engine docker -- "${MARK[@]}"
  only_patched 1 $(of_base docker)
  unmarked
  ends 0 --base docker:base:1 --engine docker --engine podman -- "${MARK[@]}"
  only_patched 1 $(of_base docker) $(of_base podman)
  unmarked
  ends 0 --base docker:base:1 --namespace batch -- "${MARK[@]}"
  only_patched 1 $(of_base containerd batch)
  unmarked
  ends 0 --base docker:base:1 --container docker-app --container "$(id_of podman-app)" --container "$(id_of docker-deep | cut -c1-9)" -- "${MARK[@]}"
  only_patched 1 docker-app podman-app docker-deep
  unmarked
  ends 0 --base docker:base:1 --container app --namespace default -- "${MARK[@]}"
  only_patched 1 default/app
}

@test "nothing matches: the exit status is 2, and nothing is entered" {
  ends 2 --base docker:base:1 --container docker-other -- "${MARK[@]}"
  ends 2 --base "$(chain_id "$(diff_ids base:1 | tr -d ' ')" "$(diff_ids third:1 | tr -d ' ')")" -- "${MARK[@]}"
  ends 2 --all-banned -- "${MARK[@]}"
  only_patched 1
}

@test "a ban that is not there, an image that is not there: the exit status is 1, with one line that says so" {
  ends 1 --ban BAN-2099-0001 -- "${MARK[@]}"
  [[ $stderr == *BAN-2099-0001* ]] || fail "$(said)"
  ends 1 --base docker:nowhere:1 -- "${MARK[@]}"
  [[ $stderr == *nowhere:1* ]] || fail "$(said)"
  only_patched 1
}

@test "words that cannot be meant together: 64" {
  ends 64
  ends 64 --all-banned --base docker:base:1 -- true
  ends 64 --base docker:base:1
  ends 64 --base docker:base:1 --user nobody -- true
}

@test "the plan names each container, its image, why it matches and what would run, and enters nothing" {
  local before name
  before=$(trace $(names))
  ban_and_publish base:1 --patch-run 'apply-it --now'
  ends 0 --ban BAN-2026-0007 --dry-run
  for name in docker-app default/app podman-deep-2; do
    grep -F -- "${name#*/}" <<<"$output" || fail "without $name" "$(said)"
  done
  [[ $output == *'apply-it --now'* ]] || fail "$(said)"
  [[ $output == *BAN-2026-0007* ]] || fail "$(said)"
  [[ $output != *docker-third* ]] || fail "$(said)"
  [ "$(trace $(names))" = "$before" ]
  [ -z "$(last_run)" ]
}

@test "with --json each line is one JSON object, and each container is in it" {
  local name
  ends 0 --base docker:base:1 --json -- "${MARK[@]}"
  jq -es 'all(.[]; .schema == 1 and (.event | type == "string"))' <<<"$output" >/dev/null || fail "$(said)"
  for name in $(of_base); do
    grep -qF -- "\"$(id_of "$name")\"" <<<"$output" || fail "without $name" "$(said)"
  done
}

@test "the history tells who ran what, and how it ended" {
  local run
  ends 0 --base docker:base:1 --engine docker -- "${MARK[@]}"
  run=$(last_run)
  patch --history
  [ "$status" -eq 0 ] || fail "$(said)"
  [[ $output == *"$run"* ]] || fail "$(said)"
  patch --history "$run"
  [ "$status" -eq 0 ] || fail "$(said)"
  [[ $output == *docker-app-2* ]] || fail "$(said)"
  [[ $output == *'echo patched >>/patched'* ]] || fail "$(said)"
  patch --history 20200101-000000-0000
  [ "$status" -eq 1 ] || fail "$(said)"
}

@test "the journal is root's alone, and has what each container printed" {
  local run
  ends 0 --base docker:base:1 --engine podman -- sh -c 'echo "I am $(cat /etc/mark)"; echo louder >&2'
  run=$(last_run)
  [ "$(stat -c '%a %U' "$PATCHES" "$PATCHES/$run" | sort -u)" = '700 root' ]
  [ "$(ls "$PATCHES/$run/output" | wc -l)" -eq "$(of_base podman | wc -w)" ]
  grep -q '^I am base$' "$PATCHES/$run/output/"*
  grep -q '^louder$' "$PATCHES/$run/output/"*
}

@test "the system log hears of the run, its end, and of every container" {
  ban_and_publish base:1 --patch-run true
  forget_system_log
  ends 0 --ban BAN-2026-0007 --engine docker
  heard "$(last_run)" BAN-2026-0007
  heard "$(last_run)" "$(id_of docker-app-2 | cut -c1-12)" patched
  [ "$(own_records | grep -c "$(last_run)")" -eq $(($(of_base docker | wc -w) + 2)) ] || fail "$(own_records)"
}

@test "a script: by its first line or by sh, with words, and nothing of it stays" {
  local name
  printf '#!/bin/sh\necho "$1 $2" >>/patched\n' >"$ROOM/fix.sh"
  ends 0 --base docker:base:1 --script "$ROOM/fix.sh" -- one two
  only_patched 1 $(of_base)
  [ "$(cat "$(inside docker-app)/patched")" = 'one two' ]
  unmarked
  printf 'echo plain >>/patched\n' >"$ROOM/plain.sh"
  ends 0 --base docker:base:1 --script "$ROOM/plain.sh"
  only_patched 1 $(of_base)
}

@test "a ban's patch that is a script runs with that very file alone" {
  printf 'echo "$1" >>/patched\n' >"$ROOM/fix.sh"
  printf 'echo forged >>/patched\n' >"$ROOM/forged.sh"
  new_source
  ban base:1
  printf '[ban.patch]\nscript = "sha256:%s"\nrun = ["signed"]\n' "$(sha256sum <"$ROOM/fix.sh" | cut -d' ' -f1)" >>"$AUTHOR/bans.toml"
  publish
  patch --ban BAN-2026-0007
  [ "$status" -ne 0 ] || fail "$(said)"
  patch --ban BAN-2026-0007 --script "$ROOM/forged.sh"
  [ "$status" -ne 0 ] || [ "$(patched 1)" = "$(of_base | tr ' ' '\n' | sort | xargs)" ] || fail "$(said)"
  unmarked
  ends 0 --ban BAN-2026-0007 --script "$ROOM/fix.sh"
  only_patched 1 $(of_base)
  [ "$(cat "$(inside default/deep)/patched")" = signed ]
}

@test "signed patches run by themselves only where the settings allow it" {
  ban_and_publish base:1 --patch-run 'echo patched >>/patched'
  ends 0 --auto
  only_patched 1
  settings "former_runtimes = [\"$CRUN\"]" 'max_impact = "100%"' 'auto_patch = "on-install"'
  ends 0 --auto
  only_patched 1 $(of_base)
}

@test "the environment and the directory are the container's own but for what is asked for" {
  ends 0 --base docker:base:1 --container docker-app --env COLOUR=blue --workdir /tmp -- sh -c 'echo "$COLOUR $PATH $(pwd)" >/patched'
  [ "$(cat "$(inside docker-app)/patched")" = 'blue /bin /tmp' ] || fail "$(cat "$(inside docker-app)/patched")"
}

@test "an unprivileged caller is told that it takes root" {
  run --separate-stderr runuser -u nobody -- "$EMBARGO" exec-patch --base "$(chain_id $(diff_ids base:1))" -- true
  [ "$status" -ne 0 ]
  [ -n "$stderr" ]
}
