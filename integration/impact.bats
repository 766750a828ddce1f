#!/usr/bin/env bats
# Tests what a list would do to the containers that run here: `embargoctl list preview`, and the
# guard of `embargoctl install`. Docker, ctr, a pod of the CRI and Podman run side by side, all of
# them under the plain runtime: nothing here tests a start.

bats_require_minimum_version 1.5.0
load lib/room
load lib/node
load lib/images
load lib/docker
load lib/containerd
load lib/podman

STORE=docker:

# One containerd under Docker, the CRI and ctr; the same images for all.
setup_file() {
  use plain
  containerd_settings >/etc/containerd/config.toml
  DOCKER_CONTAINERD=own start_docker
  docker_images
  busybox_root "$ROOM/root-pause" pause
  tar -C "$ROOM/root-pause" -c . | docker import --change 'CMD ["/bin/sleep", "100000"]' - pause:1
  docker save -o "$ROOM/images.tar" base:1 app:1 deep:1 other:1 pause:1
  import_images k8s.io
  import_images default
  mkdir -p /etc/containers
  podman_settings >/etc/containers/containers.conf
  podman load -q -i "$ROOM/images.tar"
  trust_an_author
  # A container that lives on must not hold the test's own streams.
  start_containers >"$LOGS/containers.log" 2>&1 3>&- || fail "$(cat "$LOGS/containers.log")"
}

teardown_file() {
  podman pod rm -fa -t 0 >/dev/null
  podman rm -fa -t 0 >/dev/null
  clear_pods
  ctr -n default task kill -s KILL job-1
  within 10 ctr -n default task delete job-1
  docker ps -aq | xargs -r docker rm -f >/dev/null
  stop_docker
}

setup() {
  settings
  forget_lists
  ban_nothing
}

# Eight that run, two of them pause containers; four are built on base. Two that stand still, one of them built on it.
start_containers() {
  local pod
  docker run -d --name web-1 --network none --restart always app:1 sleep 100000
  docker run -d --name calm-1 --network none other:1 sleep 100000
  docker create --name late-1 --network none --restart unless-stopped deep:1
  docker create --name late-2 --network none other:1
  ctr -n default run -d --snapshotter "$SNAPSHOTTER" "$(image app:1)" job-1 sleep 100000
  pod=$(cri pod pod)
  echo "$pod" >"$ROOM/pod"
  cri container "$pod" main "$(image app:1)" -- sleep 100000 >"$ROOM/main"
  cri start "$(cat "$ROOM/main")"
  podman pod create --name duo --network host --infra-image localhost/other:1 --infra-command 'sleep 100000'
  podman run -d --pod duo --name one localhost/deep:1 sleep 100000
  podman run -d --name solo --network host localhost/other:1 sleep 100000
}

image() {
  printf 'docker.io/library/%s\n' "$1"
}

short() {
  head -c 12 "$1"
}

# preview [ARGUMENT…]: of the draft; its output in $output, its exit status in $status.
preview() {
  run --separate-stderr "$EMBARGOCTL" list preview "$@" "$AUTHOR/banlist.lst"
}

# draft IMAGE [ARGUMENT…]: a signed list with a ban of this image, and these terms. It is not installed.
draft() {
  local image=$1
  shift
  new_source
  ban "$image"
  new_list "$@"
}

# refused WHAT: what the draft refuses of the `running`, `stopped` or `images`, by name or the beginning of the ID, in order.
refused() {
  jq -r --arg what "$1" '.[$what][] | select(.outcome == "refused") | .names[0] // .id[:12]' <<<"$output" | sort | paste -sd' '
}

# kept_out WORD…: the list is not installed, one line says why with all of these words, and the list in force stays.
kept_out() {
  local before word
  before=$(sha256sum </var/lib/embargo/banlist.lst)
  run "$EMBARGOCTL" install "$AUTHOR/banlist.lst"
  [ "$status" -eq 1 ] || fail "it was installed" "$output" || return 1
  [ "$(grep -c "^embargoctl: " <<<"$output")" -eq 1 ] || fail "more than one line" "$output" || return 1
  for word in "$@"; do
    [[ $output == *"$word"* ]] || fail "without $word:" "$output" || return 1
  done
  [ "$(sha256sum </var/lib/embargo/banlist.lst)" = "$before" ] || fail "another list is in force" || return 1
  [ -z "$(find /var/lib/embargo -name '*.tmp*' -o -name '.banlist*')" ] || fail "left behind:" "$(ls -a /var/lib/embargo)" || return 1
}

@test "preview shows exactly what a draft would refuse, in every engine" {
  draft base:1
  preview --json
  [ "$status" -eq 2 ]
  [ "$(refused running)" = "$(printf '%s\n' web-1 job-1 one "$(short "$ROOM/main")" | sort | paste -sd' ')" ]
  [ "$(refused stopped)" = late-1 ]
  [ "$(jq -r '.stopped[] | select(.names[0] == "late-1") | .restart' <<<"$output")" = unless-stopped ]
  [ "$(jq -c '[.running[] | select(.names[0] == "web-1" or .names[0] == "one") | .restart] | sort' <<<"$output")" = '[null,"always"]' ]
  [ "$(jq -c '[.counts.running.all, .counts.running.newly_refused, .counts.running.unknown]' <<<"$output")" = '[8,4,0]' ]
  [ "$(jq -r '.images[] | select(.outcome == "refused") | .engine' <<<"$output" | sort -u | paste -sd' ')" = 'containerd containers-storage docker' ]
  [ "$(jq -r '.images[] | select(.engine == "docker" and .outcome == "refused") | .names[]' <<<"$output" | sort | paste -sd' ')" = 'app:1 base:1 cured:1 deep:1' ]
  [ "$(jq -c '[.installation.objection, .draft.head_fault, .in_force.version != null]' <<<"$output")" = '[null,null,true]' ]
}

@test "preview tells people the same in aligned lines, and changes nothing" {
  draft base:1
  local before
  before=$(find /var/lib/embargo -type f -exec sha256sum {} + | grep -v /lineage/ | sort)
  preview
  [ "$status" -eq 2 ]
  grep -E '^8 running containers: 4 would not start again$' <<<"$output"
  grep -E '^CONTAINER +ENGINE +MADE FROM +BAN +SEVERITY +USE INSTEAD$' <<<"$output"
  grep -E '^web-1 +docker +app:1 +BAN-2026-0007 +critical +registry.example/base:2 +restarts: always$' <<<"$output"
  grep -E '^job-1 +containerd/default +docker.io/library/app:1 +BAN-2026-0007 ' <<<"$output"
  grep -E '^one +podman +localhost/deep:1 +BAN-2026-0007 ' <<<"$output"
  grep -E '^late-1 +docker +deep:1 .* restarts: unless-stopped$' <<<"$output"
  [[ $output == *'install   no objection: 4 of 8 running containers newly refused, max_impact = "50%"' ]]
  [ "$(find /var/lib/embargo -type f -exec sha256sum {} + | grep -v /lineage/ | sort)" = "$before" ]
}

@test "a draft that refuses nothing here ends with 0, and one that is not signed is shown all the same" {
  new_source
  "$EMBARGOCTL" ban --source "$AUTHOR/bans.toml" --id BAN-2026-0008 --reason elsewhere --severity low --effective 30d docker:base:1 >/dev/null
  new_list
  preview
  [ "$status" -eq 0 ]
  [[ $output == *'8 running containers: none would be refused'*'would start, although the draft mentions it'*'from 2'*'left'* ]]
  draft base:1
  "$EMBARGOCTL" list build --source "$AUTHOR/bans.toml" --origin "$ORIGIN" --version 1000 --out "$AUTHOR/banlist.lst" >/dev/null
  preview
  [ "$status" -eq 2 ]
  [[ $output == *'signed    this node would not take it: '* ]]
}

@test "preview needs neither settings nor a list in force" {
  draft base:1
  disarm
  rm /var/lib/embargo/banlist.lst /var/lib/embargo/banlist.copy.lst
  preview
  [ "$status" -eq 2 ]
  [[ $output == *'in force  none ('*'note      this node is not armed'* ]]
}

@test "a list that would newly refuse more than max_impact is kept out, with one line" {
  settings 'max_impact = "40%"'
  draft base:1
  kept_out '4 of the 8 running containers would not start again' 'max_impact = "40%"' 'would refuse web-1: built on ' 'hint: embargoctl list preview'
  settings
  "$EMBARGOCTL" install "$AUTHOR/banlist.lst"
}

@test "what its signers acknowledge goes through" {
  settings 'max_impact = "0%"'
  draft base:1
  kept_out 'max_impact = "0%"'
  draft base:1 --acknowledge-impact
  "$EMBARGOCTL" install "$AUTHOR/banlist.lst"
}

@test "a container that the list in force bans already does not count again" {
  settings 'max_impact = "0%"'
  draft base:1 --acknowledge-impact
  "$EMBARGOCTL" install "$AUTHOR/banlist.lst"
  draft base:1
  preview --json
  [ "$(jq -c '[.counts.running.refused, .counts.running.newly_refused, .installation.objection]' <<<"$output")" = '[4,0,null]' ]
  "$EMBARGOCTL" install "$AUTHOR/banlist.lst"
}

@test "a ban of the pause image of a running pod is kept out, whoever acknowledges it and whatever the limit" {
  settings 'max_impact = "100%"'
  draft pause:1 --acknowledge-impact
  preview
  grep -E "^$(short "$ROOM/pod") .* PAUSE CONTAINER$" <<<"$output"
  kept_out 'no pod could start: the pause container pod is ' BAN-2026-0007 'hint: embargoctl list preview'
}

@test "the pause container of a pod of Podman's is one by the word of its pod, and a container with the same image is none" {
  settings 'max_impact = "100%"'
  draft other:1 --acknowledge-impact
  preview --json
  [ "$(jq -r '.running[] | select(.pause) | .names[0]' <<<"$output")" = "$(podman pod inspect --format '{{.ID}}' duo | cut -c1-12)-infra" ]
  [ "$(refused running)" = "$(printf '%s\n' calm-1 solo "$(podman pod inspect --format '{{.ID}}' duo | cut -c1-12)-infra" | sort | paste -sd' ')" ]
  kept_out 'no pod could start: the pause container ' -infra
}

@test "nobody makes his own container a pause container" {
  local pod container
  pod=$(cri pod other-pod io.kubernetes.cri.container-type=container io.kubernetes.cri-o.ContainerType=container)
  container=$(cri container "$pod" forged "$(image deep:1)" io.kubernetes.cri.container-type=sandbox io.kubernetes.cri.sandbox-id=x \
    io.kubernetes.cri-o.ContainerType=sandbox -- sleep 100000)
  cri start "$container"
  podman run -d --name forged --network host --annotation io.kubernetes.cri-o.ContainerType=sandbox --annotation io.kubernetes.cri-o.SandboxID=x \
    localhost/deep:1 sleep 100000 >/dev/null 3>&-
  # Containers that run are no secret: these bear the ID of one of them, or share what is its own.
  podman run -d --name bearer --network host --annotation io.kubernetes.cri-o.ContainerType=container \
    --annotation io.kubernetes.cri-o.SandboxID="$(podman inspect -f '{{.Id}}' forged)" localhost/other:1 sleep 100000 >/dev/null 3>&-
  podman run -d --name sharer --network container:forged --ipc container:forged localhost/other:1 sleep 100000 >/dev/null 3>&-
  draft deep:1
  preview --json
  [ "$(jq -c '[.running[] | select(.outcome == "refused") | .pause]' <<<"$output")" = '[false,false,false]' ]
  "$EMBARGOCTL" install "$AUTHOR/banlist.lst"
  podman rm -f -t 0 sharer bearer
  podman rm -f -t 0 forged
  cri stop-pod "$pod"
  cri remove-pod "$pod"
}

# Nine containers of one process are one.
@test "the state of a user's runtime keeps no list out" {
  local directory=/run/user/4242/runc n
  mkdir -p "$directory"
  for n in 1 2 3 4 5 6 7 8 9; do
    mkdir "$directory/made-up-$n"
    printf '{"id":"made-up-%s","init_process_pid":%s,"config":{"labels":["bundle=%s"]}}' "$n" "$$" \
      "/run/containerd/io.containerd.runtime.v2.task/default/job-1" >"$directory/made-up-$n/state.json"
  done
  chown -R 4242 /run/user/4242
  settings 'max_impact = "50%"'
  draft base:1
  preview --json
  [ "$(jq -c '[.counts.running.all, .installation.counted, .installation.newly_refused]' <<<"$output")" = '[9,8,4]' ]
  "$EMBARGOCTL" install "$AUTHOR/banlist.lst"
  rm -r /run/user/4242
}

@test "a container in the host's PID namespace makes no stopped one count as running" {
  local late forged
  late=$(docker inspect --format '{{.Id}}' late-1)
  forged=/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/$late
  printf '/usr/bin/unshare --user --mount /usr/bin/sleep 100000 &\nwait\n' >"$ROOM/forge"
  docker run -d --name forger --pid host --security-opt seccomp=unconfined --network none -v /usr:/usr:ro -v /usr/lib:/lib:ro -v /usr/lib64:/lib64:ro \
    -v "$ROOM/forge:/forge:ro" other:1 /usr/bin/bash -c "exec -a conmon /usr/bin/bash /forge -c $late -b $forged"
  within 10 sh -c 'ps -eo args | grep -q "^conmon /forge"'
  within 10 sh -c 'ps -eo args | grep -q "^/usr/bin/sleep 100000"'
  sleep 0.5
  run --separate-stderr "$EMBARGO" check --json late-1
  docker rm -f forger
  [ "$(jq -r '.found[0].running' <<<"$output")" = false ] || fail "$output" "$stderr"
}
