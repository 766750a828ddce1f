#!/usr/bin/env bats
# Tests every outcome of the verdict (embargo(8), "OUTCOMES") as a user of Docker sees it, with real
# lists and settings.

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
  forget_lists
  rm -f /etc/embargo/break-glass
  settings
  use embargo
  forget_system_log
}

teardown() {
  use plain
  remove_containers
}

# write_ban [KEY=VALUE…]: a source with the ban of the base's chain ID; what is said here replaces or adds to its keys.
write_ban() {
  local effective=2026-01-01 line
  printf '%s\n' '[[ban]]' 'id = "BAN-2026-0007"' 'reason = "remote code execution"' 'advisories = ["CVE-2026-1234"]' 'severity = "critical"' \
    'successor = "registry.example/base:2"' >"$AUTHOR/bans.toml"
  for line in "$@"; do
    [[ $line != effective* ]] || effective=
    printf '%s\n' "$line" >>"$AUTHOR/bans.toml"
  done
  [ -z "$effective" ] || printf 'effective = %s\n' "$effective" >>"$AUTHOR/bans.toml"
  printf '%s\n' '[[ban.match]]' "base = \"$(base_chain)\"" 'name = "docker.io/library/base:1"' >>"$AUTHOR/bans.toml"
}

base_chain() {
  chain_id $(diff_ids base:1)
}

# except KIND DIGEST UNTIL: an exception to the ban just written.
except() {
  printf '%s\n' '[[ban.except]]' "$1 = \"$2\"" "until = $3" 'reason = "replaced with release 7"' 'ticket = "OPS-4711"' >>"$AUTHOR/bans.toml"
}

admitted() {
  run docker run --rm "$@"
  [ "$status" -eq 0 ] || fail "not admitted: $*" "$output" || return 1
}

refused() {
  run docker run --rm "$@"
  [ "$status" -eq 125 ] || fail "exit status $status, not refused: $*" "$output" || return 1
  [[ $output == *"embargo: refused "* ]] || fail "refused without saying so:" "$output" || return 1
}

@test "no match: admitted, silently" {
  write_ban
  publish
  admitted other:1
  heard_nothing
}

@test "a ban in effect: refused, in the words of the manual" {
  write_ban
  publish
  refused app:1
  is_refusal "$output"
  [[ $output == *"built on docker.io/library/base:1, banned by BAN-2026-0007 (critical, CVE-2026-1234) since 2026-01-01; use registry.example/base:2"* ]]
  heard EMBARGO_EVENT=refused
}

@test "a ban not yet in effect: admitted, with the days left in the system log" {
  write_ban "effective = $(date -u -d '+10 days' +%F)"
  publish
  admitted app:1
  heard EMBARGO_EVENT=ban-ahead EMBARGO_BAN=BAN-2026-0007 'EMBARGO_DAYS_LEFT=(9|10)'
}

@test "a ban that has lapsed: admitted" {
  write_ban 'lapses = 2026-02-01'
  publish
  admitted app:1
}

@test "a ban that spares what existed: the old container starts until then, a new one never does" {
  write_ban 'action = "warn"'
  publish
  docker create --name web-1 app:1
  sleep 2
  local now
  now=$(date -u +%FT%TZ)
  docker create --name web-2 app:1
  write_ban "effective = $now" "existing_until = $(date -u -d '+10 days' +%F)"
  publish
  forget_system_log
  docker start -a web-1
  heard EMBARGO_EVENT=existing EMBARGO_BAN=BAN-2026-0007 'EMBARGO_DAYS_LEFT=(9|10)'
  run docker start -a web-2
  [ "$status" -ne 0 ] && [[ $output == *"embargo: refused web-2"* ]] || fail "exit status $status, not refused" "$output"
  refused app:1
  # Every command says the same, and so does an installation.
  run "$EMBARGO" check web-1
  [ "$status" -eq 0 ] && [[ $output == *"but made before, "* ]] || fail "exit status $status" "$output"
  checked 2 web-2
  run "$EMBARGOCTL" list preview "$AUTHOR/banlist.lst"
  [[ $output == *"but made before, "* ]] || fail "not in the preview" "$output"
  # The time of a file and a label prove nothing.
  docker create --name web-3 --label created=2020-01-01T00:00:00Z app:1
  touch -d 2020-01-01 "$(docker info -f '{{.DockerRootDir}}')/containers/$(docker inspect -f '{{.Id}}' web-3)/config.v2.json"
  run docker start -a web-3
  [ "$status" -ne 0 ] || fail "a file's time let it start" "$output"
}

@test "a ban that spares what existed, past its day: refused" {
  write_ban 'action = "warn"'
  publish
  docker create --name web-1 app:1
  sleep 2
  write_ban "effective = $(date -u -d '-1 second' +%FT%TZ)" "existing_until = $(date -u +%FT%TZ)"
  publish
  run docker start -a web-1
  [ "$status" -ne 0 ] && [[ $output == *"embargo: refused web-1"* ]] || fail "exit status $status, not refused" "$output"
}

@test "a ban that warns: admitted, told in the system log" {
  write_ban 'action = "warn"'
  publish
  admitted app:1
  heard EMBARGO_EVENT=warned EMBARGO_BAN=BAN-2026-0007
}

@test "an exception for one image lets that image through and no other" {
  write_ban
  except image "$(docker image inspect -f '{{.Id}}' app:1)" "$(date -u -d '+10 days' +%F)"
  publish
  admitted app:1
  heard EMBARGO_EVENT=excepted EMBARGO_BAN=BAN-2026-0007 OPS-4711
  refused deep:1
}

@test "an exception for a base lets everything built on it through" {
  write_ban
  except base "$(chain_id $(diff_ids app:1))" "$(date -u -d '+10 days' +%F)"
  publish
  admitted app:1
  admitted deep:1
  refused base:1
}

@test "an exception that has run out lets nothing through" {
  write_ban
  except image "$(docker image inspect -f '{{.Id}}' app:1)" "$(date -u -d '-1 day' +%F)"
  publish
  refused app:1
}

@test "a cured image: admitted, told in the system log" {
  local layers
  layers=($(diff_ids cured:1))
  write_ban "cure = [\"${layers[-1]}\"]"
  publish
  admitted cured:1
  heard EMBARGO_EVENT=cured EMBARGO_BAN=BAN-2026-0007
  refused base:1
}

@test "an image ban by image ID: that image is refused, its child is not" {
  sed -e 's/^base = .*/image = "'"$(docker image inspect -f '{{.Id}}' app:1)"'"/' <(write_ban; cat "$AUTHOR/bans.toml") >"$AUTHOR/image.toml"
  mv "$AUTHOR/image.toml" "$AUTHOR/bans.toml"
  publish
  refused app:1
  admitted deep:1
}

@test "a layer ban: every image with that layer is refused, wherever it lies" {
  local layers
  layers=($(diff_ids app:1))
  sed -e 's/^base = .*/layer = "'"${layers[1]}"'"/' <(write_ban; cat "$AUTHOR/bans.toml") >"$AUTHOR/layer.toml"
  mv "$AUTHOR/layer.toml" "$AUTHOR/bans.toml"
  publish
  refused deep:1
  admitted base:1
}

@test "an image without layers: admitted" {
  write_ban
  publish
  admitted -v "$ROOM/root-base:/mnt:ro" empty:1 /mnt/bin/busybox true
}

@test "audit mode: admitted, and the system log has what would have been refused" {
  settings 'mode = "audit"'
  write_ban
  publish
  admitted app:1
  heard EMBARGO_EVENT=would-refuse EMBARGO_BAN=BAN-2026-0007
}

@test "broken glass: admitted until its time is over" {
  write_ban
  publish
  printf 'reason = "INC-4711"\nuntil = "%s"\n' "$(date -u -d '+1 hour' +%FT%TZ)" >/etc/embargo/break-glass
  admitted app:1
  heard EMBARGO_EVENT=break-glass-override INC-4711
  printf 'reason = "INC-4711"\nuntil = "%s"\n' "$(date -u -d '-1 hour' +%FT%TZ)" >/etc/embargo/break-glass
  refused app:1
  heard EMBARGO_EVENT=break-glass-ignored 'opens nothing: it ended at'
  printf 'reason = "INC-4711"\nuntil = "%s"\n' "$(TZ=Asia/Kathmandu date -d '+1 hour' +%FT%T%:z)" >/etc/embargo/break-glass
  admitted app:1
  # A limit that is a year away would be forgotten.
  printf 'reason = "INC-4711"\nuntil = "%s"\n' "$(date -u -d '+1 year' +%FT%TZ)" >/etc/embargo/break-glass
  refused app:1
  heard EMBARGO_EVENT=break-glass-ignored break_glass_max
  chmod 0664 /etc/embargo/break-glass
  refused app:1
  heard EMBARGO_EVENT=break-glass-ignored 'cannot trust'
}

@test "break-glass is opened and ended by embargoctl, and the system log names who did it" {
  write_ban
  publish
  "$EMBARGOCTL" break-glass --reason 'INC-4711: registry down' --for 30m
  heard EMBARGO_EVENT=break-glass-opened 'EMBARGO_USER=root' 'EMBARGO_REASON=INC-4711: registry down'
  [ "$(stat -c '%a %U' /etc/embargo/break-glass)" = '644 root' ]
  admitted app:1
  heard EMBARGO_EVENT=break-glass-override INC-4711
  "$EMBARGOCTL" break-glass --end
  heard EMBARGO_EVENT=break-glass-ended 'EMBARGO_USER=root'
  refused app:1
}

@test "what is refused is counted, and what starts is not" {
  rm -rf /run/embargo/counts
  write_ban
  publish
  admitted other:1
  [ ! -e /run/embargo/counts ]
  refused app:1
  refused app:1
  [ "$(cd /run/embargo/counts && stat -c '%n %s %a' *)" = $'ban.critical.BAN-2026-0007 2 644\nevent.refused.banned.docker 2 644' ]
  [ "$(stat -c %a /run/embargo/counts)" = 755 ]
}

@test "a list past its expiry: still enforced, told in the system log" {
  write_ban
  publish --issued "$(date -u -d '-20 days' +%FT%TZ)" --expires "$(date -u -d '-10 days' +%FT%TZ)"
  refused app:1
  forget_system_log
  admitted other:1
  heard EMBARGO_EVENT=list-stale
}

@test "a list past the grace period: what it does not ban is admitted, or refused where the operator says so" {
  write_ban
  publish --issued "$(date -u -d '-200 days' +%FT%TZ)" --expires "$(date -u -d '-100 days' +%FT%TZ)"
  admitted other:1
  heard EMBARGO_EVENT=list-overdue
  settings 'on_overdue_list = "refuse"'
  refused other:1
}

@test "no list: refused, naming it, or admitted where the operator says so" {
  refused other:1
  [[ $output == *"embargo: refused "*/var/lib/embargo/banlist.lst* ]]
  settings 'on_missing_list = "admit"'
  admitted other:1
  heard EMBARGO_EVENT=list-missing
}

@test "a forged list alone: refused" {
  write_ban
  publish
  mkdir "$ROOM/forger" 2>/dev/null || true
  [ -e "$ROOM/forger/key" ] || "$EMBARGOCTL" keygen --out "$ROOM/forger/key"
  new_source
  "$EMBARGOCTL" list build --source "$AUTHOR/bans.toml" --origin "$ORIGIN" --version 9999 --out "$ROOM/forger/banlist.lst"
  "$EMBARGOCTL" list sign --key "$ROOM/forger/key" "$ROOM/forger/banlist.lst"
  run "$EMBARGOCTL" install "$ROOM/forger/banlist.lst"
  [ "$status" -ne 0 ]
  refused app:1
  rm -f /var/lib/embargo/banlist.copy.lst
  cp "$ROOM/forger/banlist.lst" /var/lib/embargo/banlist.lst
  refused app:1
  refused other:1
}

@test "a broken list with a second copy: that is enforced, loudly" {
  new_source
  publish
  write_ban
  publish
  truncate -s 5000 /var/lib/embargo/banlist.lst
  refused app:1
  heard EMBARGO_EVENT=second-copy
  admitted other:1
}

@test "a list rolled back by hand: refused" {
  new_source
  publish
  cp /var/lib/embargo/banlist.lst "$ROOM/old.lst"
  write_ban
  publish
  run "$EMBARGOCTL" install "$ROOM/old.lst"
  [ "$status" -ne 0 ]
  cp "$ROOM/old.lst" /var/lib/embargo/banlist.lst
  rm -f /var/lib/embargo/banlist.copy.lst
  refused app:1
}

@test "a list that is cut off, empty, garbage, a link, a directory or a FIFO: refused at once, naming it" {
  write_ban
  publish
  rm -f /var/lib/embargo/banlist.copy.lst
  cp /var/lib/embargo/banlist.lst "$ROOM/good.lst"
  local list=/var/lib/embargo/banlist.lst way
  for way in 'truncate -s 0 L' 'truncate -s 100 L' 'truncate -s 4096 L' 'head -c 20000 /dev/urandom >L' 'rm L; mkfifo L' 'rm L; mkdir L' \
    'rm L; ln -s /dev/zero L' 'printf x | dd of=L bs=1 seek=4100 conv=notrunc status=none'; do
    rm -rf "$list"
    cp "$ROOM/good.lst" "$list"
    eval "${way//L/$list}"
    run timeout 20 docker run --rm app:1
    [ "$status" -eq 125 ] || fail "exit status $status after: $way" "$output" || return 1
    [[ $output == *"embargo: refused "*"$list"* ]] || fail "does not name the list after: $way" "$output" || return 1
  done
  rm -rf "$list"
}

@test "settings that cannot be read: refused, naming file and line" {
  write_ban
  publish
  settings 'mode = "enforced"'
  refused other:1
  [[ $output == *"/etc/embargo/config.toml"*"line 2"* ]]
  settings 'unknown_key = 1'
  refused other:1
  [[ $output == *"/etc/embargo/config.toml"*"line 2"* ]]
}

@test "settings that are empty, cut off, not text, huge, a link, a directory or a FIFO: refused at once, naming the file" {
  write_ban
  publish
  local way file=/etc/embargo/config.toml
  for way in ': >F' 'printf "mode = " >F' 'printf "\377\376" >F' 'head -c 1000000 /dev/zero >F' 'rm F; ln -s /etc/passwd F' 'rm F; mkdir F' 'rm F; mkfifo F'; do
    rm -rf $file
    settings
    eval "${way//F/$file}"
    run timeout 20 docker run --rm other:1
    [ "$status" -eq 125 ] || fail "exit status $status after: $way" "$output" || return 1
    [[ $output == *"embargo: refused "*"$file"* ]] || fail "does not name the file after: $way" "$output" || return 1
  done
  rm -rf $file
}

@test "not armed: everything is passed on, with a warning in the system log" {
  write_ban
  publish
  disarm
  admitted app:1
  heard EMBARGO_EVENT=not-armed
}

@test "a keyset that is missing, garbage, cut off, a directory or a FIFO: refused at once, naming it" {
  write_ban
  publish
  cp /etc/embargo/keyset "$ROOM/keyset"
  local way file=/etc/embargo/keyset
  for way in 'rm F' 'echo garbage >F' ': >F' 'truncate -s 60 F' 'rm F; mkdir F' 'rm F; mkfifo F'; do
    rm -rf $file
    cp "$ROOM/keyset" $file
    eval "${way//F/$file}"
    run timeout 20 docker run --rm other:1
    [ "$status" -eq 125 ] || fail "exit status $status after: $way" "$output" || return 1
    [[ $output == *"embargo: refused "*"$file"* ]] || fail "does not name the keyset after: $way" "$output" || return 1
  done
  rm -rf $file
  mv "$ROOM/keyset" $file
  admitted other:1
}

@test "a store that is corrupt: refused whatever the settings say" {
  write_ban
  publish
  settings 'on_unknown_image = "admit"' 'on_no_image = "admit"'
  docker create --name web-1 other:1
  local record
  record=/var/lib/docker/image/overlay2/layerdb/mounts/$(docker inspect -f '{{.Id}}' web-1)/parent
  cp "$record" "$ROOM/parent"
  local way
  for way in ': >R' 'echo sha256:0000 >R' 'base_chain | tr -d "\n" >R' 'printf "\377" >R'; do
    eval "${way//R/$record}"
    run docker start web-1
    [ "$status" -eq 1 ] || fail "started after: $way" "$output" || return 1
    [[ $output == *"embargo: refused "* ]] || fail "no refusal after: $way" "$output" || return 1
  done
  cp "$ROOM/parent" "$record"
  docker start -a web-1
}

@test "embargo check says the same as the gate: 0 clear, 2 banned, 3 could not tell, 4 not found" {
  write_ban
  publish
  docker create --name good other:1
  docker run -d --name better other:1 sleep 1000
  use plain
  docker run -d --name bad app:1 sleep 1000
  run "$EMBARGO" check "$(docker inspect -f '{{.Id}}' better)"
  [ "$status" -eq 0 ] || fail "$status" "$output"
  run "$EMBARGO" check "$(docker inspect -f '{{.Id}}' bad)"
  [ "$status" -eq 2 ] || fail "$status" "$output"
  [[ $output == *BAN-2026-0007* ]]
  run "$EMBARGO" check --json "$(docker inspect -f '{{.Id}}' bad)"
  [ "$status" -eq 2 ]
  jq -e . <<<"$output"
  [[ $output == *BAN-2026-0007* ]]
  run "$EMBARGO" check app:1
  [ "$status" -eq 2 ] || fail "$status" "$output"
  run "$EMBARGO" check other:1
  [ "$status" -eq 0 ] || fail "$status" "$output"
  run "$EMBARGO" check no-such-thing
  [ "$status" -eq 4 ] || fail "$status" "$output"
  # A store that cannot be read may have it.
  chmod 0000 /var/lib/docker
  run setpriv --reuid 65534 --regid 65534 --clear-groups "$EMBARGO" check no-such-thing
  chmod 0710 /var/lib/docker
  [ "$status" -eq 3 ] || fail "$status" "$output"
}

@test "the real runtime is embargo itself, by path, link or copy: a clear error and no loop" {
  new_source
  publish
  cp "$EMBARGO" "$ROOM/copy"
  ln -sf "$EMBARGO" "$ROOM/link"
  local real
  for real in "$EMBARGO" "$ROOM/link" "$ROOM/copy"; do
    printf 'runtime = "%s"\n' "$real" >/etc/embargo/config.toml
    run timeout 20 docker run --rm other:1
    [ "$status" -ne 0 ]
    [ "$status" -ne 124 ]
    [[ $output == *"embargo: "* ]] || fail "no clear error with $real" "$output" || return 1
  done
}

@test "the real runtime is missing, not executable or no program: the engine shows why" {
  new_source
  publish
  echo garbage >"$ROOM/garbage"
  local real
  chmod 0644 "$ROOM/garbage"
  for real in "$ROOM/no-such" "$ROOM/garbage" "$ROOM"; do
    printf 'runtime = "%s"\n' "$real" >/etc/embargo/config.toml
    run timeout 20 docker run --rm other:1
    [ "$status" -ne 0 ]
    [[ $output == *"$real"* ]] || fail "does not name $real" "$output" || return 1
  done
  chmod 0755 "$ROOM/garbage"
  printf 'runtime = "%s"\n' "$ROOM/garbage" >/etc/embargo/config.toml
  run timeout 20 docker run --rm other:1
  [ "$status" -ne 0 ]
}

@test "the real runtime is a script or is replaced between two calls: containers live on" {
  new_source
  publish
  printf '#!/bin/sh\nexec %s "$@"\n' "$PLAIN" >"$ROOM/script"
  chmod 0755 "$ROOM/script"
  printf 'runtime = "%s"\n' "$ROOM/script" >/etc/embargo/config.toml
  docker run -d --name web-1 other:1 loop
  cp "$PLAIN" "$ROOM/script.new"
  mv "$ROOM/script.new" "$ROOM/script"
  docker exec web-1 true
  docker stop -t 2 web-1
}

@test "embargo is replaced while containers run: they live on" {
  new_source
  publish
  cp "$EMBARGO" "$ROOM/runtime/new"
  docker run -d --name web-1 other:1 loop
  mv "$ROOM/runtime/new" "$RUNTIME"
  docker exec web-1 true
  docker stop -t 2 web-1
  docker rm web-1
}

@test "the real runtime is switched from runc to crun: containers of the former one still stop" {
  new_source
  publish
  docker run -d --name web-1 other:1 loop
  printf 'runtime = "%s"\nformer_runtimes = ["%s"]\n' "$(command -v crun)" "$PLAIN" >/etc/embargo/config.toml
  docker exec web-1 true
  docker kill web-1
  docker rm web-1
  docker run --rm other:1
}

@test "embargo in crun's place: crun, krun and crun-wasm are the crun that stood there, and no other where it is gone" {
  new_source
  publish
  local place=$ROOM/place name settings
  mkdir -p "$place"
  cp "$(command -v crun)" "$place/crun.real"
  cp "$EMBARGO" "$place/crun"
  ln -s crun "$place/krun"
  ln -s "$place/crun" "$place/crun-wasm"
  for settings in '# nothing' 'mode = "audit"' "runtime = \"$PLAIN\""; do
    printf '%s\n' "$settings" >/etc/embargo/config.toml
    for name in crun krun crun-wasm; do
      run "$place/$name" --version
      [ "$status" -eq 0 ]
      [[ $output == "crun version"* ]] || fail "$name with $settings" "$output" || return 1
      # crun names its own state directory.
      run "$place/$name" state no-such-container
      [ "$status" -eq 1 ]
      [[ $output == *"/run/crun/no-such-container/status"* ]] || fail "$name with $settings" "$output" || return 1
    done
  done
  rm "$place/crun.real"
  printf 'mode = "audit"\n' >/etc/embargo/config.toml
  for name in crun krun crun-wasm; do
    run "$place/$name" --version
    [ "$status" -eq 1 ]
    [[ $output == *"embargo is in its place"* ]] || fail "$name" "$output" || return 1
  done
}
