#!/usr/bin/env bats
# Tests Docker: what its users and operators see, in each way it can keep images (DOCKER_STORE, see
# lib/docker.bash).

load lib/room
load lib/node
load lib/images
load lib/docker

STORE=docker:

setup_file() {
  start_docker
  docker_images
  hear_system_log
  trust_an_author
}

teardown_file() {
  stop_docker
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

# Docker 24 and newer lets a user write annotations into the bundle; before that there are only labels.
forged() {
  local flag=--label
  ! docker run --help | grep -q -- --annotation || flag=--annotation
  docker run --rm $flag io.kubernetes.cri.image-name=other:1 $flag io.kubernetes.cri.container-type=sandbox \
    $flag io.kubernetes.cri-o.ImageRef="$(docker image inspect -f '{{.Id}}' other:1)" $flag io.kubernetes.cri-o.ContainerType=sandbox \
    $flag io.container.manager=libpod app:1
}

bundle_of() {
  find /run/docker/containerd/daemon/io.containerd.runtime.v2.task /run/containerd/io.containerd.runtime.v2.task \
    -maxdepth 2 -name "$(docker inspect -f '{{.Id}}' "$1")" 2>/dev/null | head -1
}

@test "a container of an image that is not banned runs as under the plain runtime" {
  ban_and_publish base:1
  works_under_both docker run --rm other:1
  works_under_both docker run --rm -t other:1
  works_under_both docker run --rm --read-only --network none --user 1000 --cap-drop ALL other:1 id
}

@test "docker run ends with 125 and the refusal when the base is banned" {
  ban_and_publish base:1
  refused_only_by_embargo 125 docker run --rm app:1
  refused_only_by_embargo 125 docker run --rm -t app:1
  refused_only_by_embargo 125 docker run -d app:1
}

@test "the banned base itself and what is built on its children are refused" {
  ban_and_publish base:1
  refused_only_by_embargo 125 docker run --rm base:1
  refused_only_by_embargo 125 docker run --rm deep:1
}

@test "a ban of a child does not touch its parent" {
  ban_and_publish app:1
  works_under_both docker run --rm base:1
  refused_only_by_embargo 125 docker run --rm deep:1
}

@test "docker inspect keeps the refusal" {
  ban_and_publish base:1
  use embargo
  run docker run --name web-1 app:1
  [ "$status" -eq 125 ]
  is_refusal "$(docker inspect -f '{{.State.Error}}' web-1)"
  [ "$(docker inspect -f '{{.State.ExitCode}}' web-1)" -ne 0 ]
  [ "$(docker inspect -f '{{.State.Running}}' web-1)" = false ]
}

@test "a refusal calls the container as docker does, by the name it was given or got" {
  ban_and_publish base:1
  use embargo
  run docker run --name web-1 app:1
  [[ $output == *"embargo: refused web-1: built on "* ]] || fail "$output"
  local id
  id=$(docker create app:1)
  run docker start "$id"
  [[ $output == *"embargo: refused $(docker inspect -f '{{.Name}}' "$id" | tr -d /): built on "* ]] || fail "$output"
  docker rename web-1 web-2
  run docker start web-2
  [[ $output == *"embargo: refused web-2: built on "* ]] || fail "$output"
}

@test "a refused container that restarts always does not loop" {
  ban_and_publish base:1
  use embargo
  run docker run -d --name web-1 --restart always app:1
  [ "$status" -eq 125 ]
  sleep 2
  [ "$(docker inspect -f '{{.RestartCount}} {{.State.Restarting}}' web-1)" = "0 false" ]
  [ "$(own_records | wc -l)" -eq 1 ]
}

@test "a running container that restarts always stops when its base has been banned meanwhile" {
  ban_nothing
  use embargo
  docker run -d --name web-1 --restart always app:1 sh -c 'sleep 2; exit 1'
  ban_and_publish base:1
  heard 'BAN-2026-0007'
  sleep 1
  [ "$(docker inspect -f '{{.State.Running}} {{.State.Restarting}}' web-1)" = "false false" ]
}

@test "a base banned after create and before start is refused at start, every time" {
  ban_nothing
  use embargo
  docker create --name web-1 app:1
  ban_and_publish base:1
  run docker start web-1
  [ "$status" -eq 1 ]
  is_refusal "$output"
  run docker start web-1
  [ "$status" -eq 1 ]
  is_refusal "$output"
  ban_nothing
  docker start -a web-1
}

@test "a new tag does not hide the base" {
  ban_and_publish base:1
  docker tag app:1 innocent:9
  refused_only_by_embargo 125 docker run --rm innocent:9
  docker rmi innocent:9
}

@test "a tag that points elsewhere at start does not hide the base" {
  ban_and_publish base:1
  use embargo
  docker tag app:1 moving:1
  docker create --name web-1 moving:1
  docker tag other:1 moving:1
  run docker start web-1
  docker rmi moving:1
  [ "$status" -eq 1 ]
  is_refusal "$output"
}

@test "a deleted tag does not hide the base" {
  ban_and_publish base:1
  use embargo
  printf 'FROM base:1\nLABEL only=here\nRUN touch /only\n' >"$BUILD/only.dockerfile"
  use plain
  docker build -q -t only:1 -f "$BUILD/only.dockerfile" "$BUILD"
  use embargo
  docker create --name web-1 only:1 true
  docker rmi -f only:1
  run docker start web-1
  [ "$status" -eq 1 ]
  is_refusal "$output"
}

@test "forged annotations and labels do not hide the base" {
  ban_and_publish base:1
  refused_only_by_embargo 125 forged
}

@test "a container named like a command is judged and handled like any other" {
  ban_and_publish base:1
  local name
  for name in create run restore; do
    works_under_both docker run --rm --name "$name" other:1
    refused_only_by_embargo 125 docker run --rm --name "$name" app:1
  done
}

@test "an image without layers is admitted" {
  ban_and_publish base:1
  works_under_both docker run --rm -v "$ROOM/root-base:/mnt:ro" empty:1 /mnt/bin/busybox echo empty runs
}

@test "an imported copy of the same archive is the same base under another name" {
  ban_and_publish base:1
  docker save base:1 | docker load
  refused_only_by_embargo 125 docker run --rm "$(docker image inspect -f '{{.Id}}' base:1)"
}

@test "a committed container is still built on the base" {
  ban_and_publish base:1
  use plain
  local name
  for name in app other; do
    docker run --name "web-$name" "$name:1" touch /committed
    docker commit "web-$name" "committed-$name:1"
  done
  works_under_both docker run --rm committed-other:1 echo committed runs
  refused_only_by_embargo 125 docker run --rm committed-app:1 true
}

@test "an image made by the classic builder is judged like one made by BuildKit" {
  ban_and_publish base:1
  use plain
  local name
  for name in base other; do
    printf 'FROM %s:1\nRUN touch /one\nRUN touch /two\n' "$name" | DOCKER_BUILDKIT=0 docker build -t "classic-$name:1" -
  done
  works_under_both docker run --rm classic-other:1 echo classic runs
  refused_only_by_embargo 125 docker run --rm classic-base:1 true
  use embargo
  local kit
  for kit in 0 1; do
    printf 'FROM classic-other:1\nRUN touch /three\nRUN touch /four\n' | DOCKER_BUILDKIT=$kit docker build -
    run env DOCKER_BUILDKIT=$kit BUILDKIT_PROGRESS=plain docker build - <<<$'FROM classic-base:1\nRUN touch /three\n'
    [ "$status" -eq 1 ]
    is_refusal "$output"
  done
}

refuse_and_remove() {
  run docker run --name web-1 app:1
  [ "$status" -eq 125 ] || return 1
  docker rm web-1
}

@test "a refusal leaves nothing behind: state, pid file, bundle, shim, mount or cgroup" {
  ban_and_publish base:1
  use embargo
  run docker run --rm other:1
  leaves_nothing refuse_and_remove
}

@test "classic docker build refuses to run a step on a banned base" {
  ban_and_publish base:1
  refused_only_by_embargo 1 env DOCKER_BUILDKIT=0 docker build --no-cache -f "$BUILD/app.dockerfile" "$BUILD"
}

@test "BuildKit refuses to run a step on a banned base and shows why" {
  ban_and_publish base:1
  refused_only_by_embargo 1 env DOCKER_BUILDKIT=1 docker build --no-cache --progress plain -f "$BUILD/app.dockerfile" "$BUILD"
}

@test "both builders run their steps on other bases" {
  ban_and_publish base:1
  local kit
  for kit in 0 1; do
    use embargo
    env DOCKER_BUILDKIT=$kit docker build --no-cache --build-arg BASE=other:1 -f "$BUILD/app.dockerfile" "$BUILD"
  done
}

@test "a refused step leaves nothing behind" {
  ban_and_publish base:1
  use embargo
  refuse_build() {
    run env DOCKER_BUILDKIT=1 docker build --no-cache -f "$BUILD/app.dockerfile" "$BUILD"
    [ "$status" -eq 1 ]
  }
  refuse_build
  leaves_nothing refuse_build
}

@test "a payload's signals, descriptors, limits and environment are those of a direct run" {
  ban_and_publish base:1
  works_under_both docker run --rm other:1 grep -E '^(Sig(Blk|Ign|Cgt)|Cap|NoNewPrivs|Seccomp)' /proc/self/status
  works_under_both docker run --rm --init other:1 grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status
  works_under_both docker run --rm other:1 cat /proc/self/limits /proc/self/oom_score_adj /proc/self/cgroup
  works_under_both docker run --rm --hostname same other:1 sh -c 'env; umask; ls /proc/self/fd; pwd'
}

@test "standard input, output, error and the exit status pass through" {
  ban_and_publish base:1
  works_under_both eval 'printf "one\ntwo\n" | docker run --rm -i other:1 cat'
  # One at a time: which of the two streams docker prints first is a race.
  same_under_both eval 'docker run --rm other:1 sh -c "echo out; echo err >&2; exit 7" 2>/dev/null'
  [ "$seen" = $'exit status 7\nout' ]
  same_under_both eval 'docker run --rm other:1 sh -c "echo out; echo err >&2; exit 7" 2>&1 >/dev/null'
  [ "$seen" = $'exit status 7\nerr' ]
  same_under_both docker run --rm other:1 sh -c 'kill -9 $$'
  # The client may also say that it stopped waiting for a container that never was: a race of its own.
  no_start() {
    local status=0
    docker run --rm other:1 "$1" 2>"$LOGS/no-start" || status=$?
    grep -v 'error waiting for container' "$LOGS/no-start"
    return $status
  }
  same_under_both no_start no-such-program
  [[ $seen == "exit status 127"* ]]
  same_under_both no_start /etc
  [[ $seen == "exit status 126"* ]]
}

@test "exec, pause, update, top, stats, kill, stop, restart and rm work as under the plain runtime" {
  life() {
    docker run -d --name web-1 other:1 loop | wc -l
    docker exec web-1 echo inside
    docker exec -u 1000 -w /tmp web-1 sh -c 'id -u; pwd; exit 4' || echo "exit $?"
    docker pause web-1
    docker unpause web-1
    docker update --cpu-shares 512 web-1
    # The shell's children come and go.
    docker top web-1 -eo comm | head -2
    docker stats --no-stream --format '{{.Name}}' web-1
    docker restart -t 1 web-1
    docker kill -s TERM web-1
    docker wait web-1
    docker rm web-1
  }
  ban_and_publish base:1
  works_under_both life
}

@test "a container whose base is banned while it runs can still be entered, stopped and removed" {
  ban_nothing
  use embargo
  docker run -d --name web-1 app:1 loop
  ban_and_publish base:1
  docker exec web-1 echo inside
  docker stop -t 2 web-1
  docker rm web-1
}

@test "no broken list or setting stops exec, kill, stop or rm" {
  ban_nothing
  use embargo
  docker run -d --name web-1 app:1 loop
  printf 'not a list' >/var/lib/embargo/banlist.lst
  printf 'not a keyset' >/etc/embargo/keyset
  docker exec web-1 echo inside
  printf 'runtime = "%s"\nmode = \n' "$PLAIN" >/etc/embargo/config.toml
  docker exec web-1 echo inside
  docker kill web-1
  docker rm web-1
  trust_an_author
  forget_lists
}

@test "a container started by one runtime is stopped by the other" {
  ban_nothing
  use plain
  docker run -d --name web-1 app:1 sleep 1000
  use embargo
  docker exec web-1 true
  docker stop -t 0 web-1
  docker start web-1
  use plain
  docker exec web-1 true
  docker stop -t 0 web-1
}

@test "the bundle's config.json is what the engine wrote" {
  ban_nothing
  docker create --name web-1 --network none other:1 sleep 1000
  use plain
  docker start web-1
  cp "$(bundle_of web-1)/config.json" "$ROOM/config.plain"
  docker stop -t 0 web-1
  use embargo
  docker start web-1
  cp "$(bundle_of web-1)/config.json" "$ROOM/config.embargo"
  docker stop -t 0 web-1
  cmp "$ROOM/config.plain" "$ROOM/config.embargo"
}

# managed_plugin NAME: a plugin made on the spot. Its program is this machine's Python, which listens where Docker looks for it.
managed_plugin() {
  local made=$ROOM/plugin directory
  rm -rf "$made"
  mkdir -p "$made/rootfs/usr" "$made/rootfs/etc"
  for directory in bin lib lib64; do
    [ ! -L "/$directory" ] || cp -a "/$directory" "$made/rootfs/$directory"
  done
  cp -r /etc/alternatives "$made/rootfs/etc/"
  cat >"$made/config.json" <<'JSON'
{"description": "listens", "documentation": "none", "interface": {"types": ["docker.volumedriver/1.0"], "socket": "p.sock"}, "network": {"type": "none"},
 "entrypoint": ["/usr/bin/python3", "-c", "import os, socket, time; os.makedirs('/run/docker/plugins', exist_ok=True); s = socket.socket(socket.AF_UNIX); s.bind('/run/docker/plugins/p.sock'); s.listen(); time.sleep(1000)"],
 "mounts": [{"name": "usr", "source": "/usr", "destination": "/usr", "type": "bind", "options": ["rbind", "ro"]}]}
JSON
  docker plugin create "$1" "$made"
}

# plugin_record NAME: Docker's own record of it.
plugin_record() {
  cat "$(docker info -f '{{.DockerRootDir}}')/plugins/$(docker plugin inspect -f '{{.Id}}' "$1")/config.json"
}

# ban_digest KIND DIGEST: a list with exactly this ban.
ban_digest() {
  ban_and_publish base:1
  sed -i "s/^base = .*/$1 = \"$2\"/; /^name = /d; /^platform = /d" "$AUTHOR/bans.toml"
  publish
}

@test "a managed plugin is judged by what its record says it is made of" {
  use plain
  managed_plugin listens:1
  enable_and_disable() {
    docker plugin enable --timeout 5 listens:1 && docker plugin disable listens:1
  }
  ban_nothing
  works_under_both enable_and_disable
  settings 'on_no_image = "refuse"'
  works_under_both enable_and_disable
  settings
  local record kind digest
  record=$(plugin_record listens:1)
  for kind in base layer image; do
    digest=$(jq -r '.plugin.Config.rootfs.diff_ids[0]' <<<"$record")
    [ "$kind" != image ] || digest=$(jq -r '.Config' <<<"$record")
    ban_digest "$kind" "$digest"
    use embargo
    run docker plugin enable --timeout 5 listens:1
    [ "$status" -ne 0 ]
    [[ $output == *'embargo: refused listens:1: '*BAN-2026-0007* ]] || fail "$kind $digest:" "$output"
  done
  ban_digest image "$(jq -r .Manifest <<<"$record")"
  run docker plugin enable --timeout 5 listens:1
  [[ $output == *'embargo: refused listens:1: '*BAN-2026-0007* ]] || fail "$output"
  use plain
  docker plugin enable --timeout 5 listens:1
  checked 2 "$(docker plugin inspect -f '{{.Id}}' listens:1)"
  docker plugin rm -f listens:1
}

@test "docker info and docker version show the real runtime's" {
  works_under_both docker info -f '{{json .RuncCommit}} {{json .DefaultRuntime}}'
  works_under_both docker version -f '{{json .Server.Components}}'
}

@test "a refusal is an audit event with ban, container, engine, evidence and the image's source" {
  ban_and_publish base:1
  use embargo
  run docker run --name web-1 app:1
  heard EMBARGO_EVENT=refused EMBARGO_BAN=BAN-2026-0007 "EMBARGO_CONTAINER=$(docker inspect -f '{{.Id}}' web-1)" EMBARGO_ENGINE=docker \
    "EMBARGO_MATCH=$(chain_id $(diff_ids base:1))" "EMBARGO_CHAIN_ID=$(chain_id $(diff_ids app:1))" EMBARGO_LIST_VERSION= 'EMBARGO_EVIDENCE=(mount|metadata)' \
    EMBARGO_SOURCE=https://source.example/app EMBARGO_REVISION=0123abc
}

@test "an admission is silent" {
  ban_and_publish base:1
  use embargo
  docker run --rm other:1
  heard_nothing
}
