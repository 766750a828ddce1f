#!/usr/bin/env bats
# Tests CRI-O and Podman on one store: whose a container is, what it is called, and which one holds
# a pod together.

bats_require_minimum_version 1.5.0
load lib/room
load lib/node
load lib/images
load lib/podman
load lib/cri-o

STORE=podman:

setup_file() {
  start_podman
  trust_an_author
}

setup() {
  settings
  forget_lists
  ban_nothing
  use embargo
}

teardown() {
  local made
  use plain
  for made in $(ls "$CRIO_ROOT" 2>/dev/null); do
    crio_remove "$made" || true
  done
  podman rm -fa -t 0 >/dev/null
}

# A pod of CRI-O's with one container, and a container of Podman's beside it.
start_all() {
  crio_container k8s_POD_pod_default_uid_0 localhost/other:1 -
  pod=$id
  crio_start "$pod"
  crio_container k8s_main_pod_default_uid_0 localhost/app:1 "$pod"
  app=$id
  crio_start "$app"
  podman run -d --name solo --network host localhost/app:1 sleep 1000 >/dev/null 3>&-
}

# matches [ARGUMENT…]: name and engine of each container that exec-patch would run in.
matches() {
  "$EMBARGO" exec-patch --dry-run --base localhost/base:1 "$@" -- true | sed -nE 's/^([^ ]+) \([0-9a-f]+\), ([^ ,]+), .*/\1 \2/p' | sort
}

@test "both engines make the directory of layers in both roots, so that it tells nothing" {
  start_all
  local solo
  solo=$(podman inspect -f '{{.Id}}' solo)
  [ -d /var/lib/containers/storage/overlay-layers ]
  [ -d /run/containers/storage/overlay-layers ]
  [ -e "/run/containers/storage/overlay-containers/$app/userdata/config.json" ]
  [ -e "/run/containers/storage/overlay-containers/$solo/userdata/pidfile" ]
  [ -e "/var/lib/containers/storage/overlay-containers/$solo/userdata/config.json" ]
}

@test "exec-patch knows CRI-O's containers from Podman's, and their names" {
  start_all
  local crio="k8s_main_pod_default_uid_0 cri-o" podman="solo podman"
  [ "$(matches)" = "$(printf '%s\n' "$crio" "$podman" | sort)" ]
  [ "$(matches --engine cri-o)" = "$crio" ]
  [ "$(matches --engine podman)" = "$podman" ]
  [ "$(matches --container k8s_main_pod_default_uid_0)" = "$crio" ]
}

@test "a container that the store has no record of is left out of neither" {
  start_all
  stored set-metadata --metadata '{}' "$app"
  local engine
  for engine in cri-o podman; do
    run "$EMBARGO" exec-patch --dry-run --engine "$engine" --base localhost/base:1 -- true
    [[ $output == *"${app:0:12}"*"it is not known whether it is Podman's or CRI-O's"* ]] || fail "$engine" "$output"
  done
  run "$EMBARGO" exec-patch --dry-run --engine docker --base localhost/base:1 -- true
  [[ $output != *"${app:0:12}"* ]] || fail "$output"
}

@test "a refusal bears the name that CRI-O gave the container" {
  ban_and_publish localhost/base:1
  run crio_container k8s_web_pod_default_uid_0 localhost/app:1 "$(printf '%064d' 1)"
  [[ $(cat "$LOGS"/cri-o/*.answer) == *"embargo: refused k8s_web_pod_default_uid_0: built on "* ]] || fail "$(cat "$LOGS"/cri-o/*.answer)"
}

@test "no annotation makes a container of CRI-O's a pause container, and its own record does" {
  start_all
  local forged
  crio_container k8s_POD_forger_default_uid_0 localhost/other:1 - "io.kubernetes.cri-o.SandboxID=$app" io.kubernetes.cri-o.ContainerType=container
  forged=$id
  crio_start "$forged"
  crio_container k8s_two_forger_default_uid_0 localhost/deep:1 "$forged" "io.kubernetes.cri-o.SandboxID=$app" io.kubernetes.cri-o.ContainerType=sandbox
  crio_start "$id"
  settings 'max_impact = "100%"'
  new_source
  ban localhost/base:1
  new_list
  run "$EMBARGOCTL" list preview --json "$AUTHOR/banlist.lst"
  [ "$(jq -c '[.running[] | select(.outcome == "refused") | .pause]' <<<"$output")" = '[false,false,false]' ]
  "$EMBARGOCTL" install "$AUTHOR/banlist.lst"
  forget_lists
  new_source
  ban localhost/other:1
  new_list
  run "$EMBARGOCTL" install "$AUTHOR/banlist.lst"
  [ "$status" -eq 1 ]
  [[ $output == *"no pod could start: the pause container k8s_POD_"* ]] || fail "$output"
}
