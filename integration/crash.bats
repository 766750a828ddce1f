#!/usr/bin/env bats
# Tests what a node is left with when `embargoctl` is killed, or the disk fails, at any of its
# system calls. What counts is what the gate answers then: by the list before or by the new one,
# whole. The next run repairs whatever is left.

load lib/room
load lib/node

STATE=/var/lib/embargo
# What is admitted ends well at once.
PLAIN=/bin/true
TASKS=$ROOM/tasks/io.containerd.runtime.v2.task/moby
# Two containers: every list bans what the first is made of, only the second list what the second is.
OLD=$(printf 'a%.0s' {1..64})
NEW=$(printf 'b%.0s' {1..64})

setup_file() {
  trust_an_author
  trust_two_and_a_root
  settings
  container "$OLD"
  container "$NEW"
  mkdir -p "$ROOM/before/none" "$ROOM/before/first"
  forget_lists
  list first "$OLD"
  list second "$OLD" "$NEW"
  "$EMBARGOCTL" install "$ROOM/first.lst"
  cp -a "$STATE/." "$ROOM/before/first"
}

# trust_two_and_a_root: a keyset under which lifting takes a second list key: a list that is in force and did not come through an installation needs
# both, so that an installation cut short must leave its traces. And the two keysets that follow.
trust_two_and_a_root() {
  local name
  for name in second root; do
    "$EMBARGOCTL" keygen --out "$AUTHOR/$name" >/dev/null
  done
  "$EMBARGOCTL" keyset new --origin "$ORIGIN" --list-key "$AUTHOR/key.pub" --list-key "$AUTHOR/second.pub" --lift-threshold 2 \
    --root-key "$AUTHOR/root.pub" >"$ROOM/keyset-1"
  "$EMBARGOCTL" keyset next "$ROOM/keyset-1" --valid 100d --out "$ROOM/keyset-2"
  "$EMBARGOCTL" keyset sign --key "$AUTHOR/root" "$ROOM/keyset-2"
  "$EMBARGOCTL" keyset next "$ROOM/keyset-2" --valid 200d --out "$ROOM/keyset-3"
  "$EMBARGOCTL" keyset sign --key "$AUTHOR/root" "$ROOM/keyset-3"
  cp "$ROOM/keyset-1" /etc/embargo/keyset
}

# list NAME ID…: the next version, which bans these layers, in ROOM/NAME.lst.
list() {
  local name=$1 id
  shift
  printf '%s\n' '[[ban]]' 'id = "BAN-1"' 'reason = "why"' 'severity = "high"' 'effective = 2026-01-01' >"$AUTHOR/bans.toml"
  for id in "$@"; do
    printf '[[ban.match]]\nlayer = "sha256:%s"\n' "$id" >>"$AUTHOR/bans.toml"
  done
  new_list
  mv "$AUTHOR/banlist.lst" "$ROOM/$name.lst"
}

# gate ID: prints `list N` when the container is banned by list N, `admitted`, or whatever else the gate says.
gate() {
  local said
  if said=$("$EMBARGO" create --bundle "$TASKS/$1" "$1" 2>&1); then
    printf '%s\n' "${said:-admitted}"
  elif [[ $said == *", banned by BAN-1 (high) since 2026-01-01; "* ]]; then
    printf '%s\n' "${said##*; }"
  else
    printf '%s\n' "$said"
  fi
}

# answers: what the gate makes of both containers, in one line.
answers() {
  printf '%s, %s\n' "$(gate "$OLD")" "$(gate "$NEW")"
}

# restore NAME: the node's directory as it was when it was saved under this name, and the first keyset.
restore() {
  rm -rf "$STATE" /etc/embargo/.keyset*
  cp -a "$ROOM/before/$1" "$STATE"
  cp "$ROOM/keyset-1" /etc/embargo/keyset
}

# What strace does beside what a test asks of it.
BESIDE=()

# alone COMMAND…: with no other processes in sight, so that the command, which looks at all of them, makes the same calls each time.
alone() {
  unshare --pid --fork --mount-proc -- sh -c '"$@" & wait $!' sh "$@"
}

# calls COMMAND…: runs it and prints its system calls in order: `NAME N ARGUMENTS`, the Nth call of this name. Without the first, execve, which strace
# itself makes.
calls() {
  alone strace -f -qq -e signal=none -o "$ROOM/trace" "${BESIDE[@]}" "$@" >/dev/null || return 1
  # What comes after the record of the installation, or after the first fork, only says how the node is now.
  sed -i -E -e '/^[0-9]+ +(clone3?|v?fork)\(/,$d' -e '/rename.*last-install/{n;n;n;q}' "$ROOM/trace"
  [ "$(cut -d' ' -f1 "$ROOM/trace" | sort -u | wc -l)" -eq 1 ] || fail "more than one thread: counts would not tell which call is meant" || return 1
  sed -nE 's/^[0-9]+ +([a-z0-9_]+)\((.*)$/\1 \2/p' "$ROOM/trace" | awk 'NR > 1 { name = $1; $1 = ""; print name, ++count[name] $0 }'
}

# names: the files beside the list.
names() {
  find "$STATE" -mindepth 1 -printf '%f\n' | sort | paste -sd' '
}

# keyset_number: which of the keysets the node has, byte for byte.
keyset_number() {
  local number
  for number in 1 2 3; do
    ! cmp -s "$ROOM/keyset-$number" /etc/embargo/keyset || echo "$number"
  done
}

# is_one_of TEXT WANTED…
is_one_of() {
  local text=$1 wanted
  shift
  for wanted in "$@"; do
    [ "$text" != "$wanted" ] || return 0
  done
  return 1
}

# settles WHERE NAMES ANSWERS COMMAND…: run again in peace it ends well, leaves these files and these answers.
settles() {
  local where=$1 wanted=$2 answers=$3 said
  shift 3
  said=$("$@" 2>&1) || fail "$where: the next run fails:" "$said" || return 1
  [ "$(names)" = "$wanted" ] || fail "$where: the next run leaves $(names)" || return 1
  [ "$(answers)" = "$answers" ] || fail "$where: after the next run the gate says: $(answers)" || return 1
  ! grep -q '^next ' "$STATE/floor" || fail "$where: the next run leaves the floor open:" "$(cat "$STATE/floor")" || return 1
}

# killed_at_each BEFORE PART OF NAMES FINAL ALLOWED… -- COMMAND…: restores BEFORE and kills the command at each of its system calls, of which
# this is the PARTth part OF so many. After each the gate's answers are one of ALLOWED or FINAL, and the next run leaves NAMES and FINAL.
killed_at_each() {
  local before=$1 part=$2 of=$3 names=$4 final=$5 allowed=() all name number rest at=0 killed=0 status said
  shift 5
  while [ "$1" != -- ]; do
    allowed+=("$1")
    shift
  done
  shift
  restore "$before"
  all=$(calls "$@") || return 1
  [ "$(answers)" = "$final" ] || fail "undisturbed, the gate says: $(answers)" || return 1
  while read -r name number rest; do
    at=$((at + 1))
    [ $((at % of)) -eq "$part" ] || continue
    # strace fails a call or kills at it, not one of them here and the other there.
    [ "${#BESIDE[@]}" -eq 0 ] || [[ $name != open* ]] || continue
    # They change nothing but the process itself, so being killed there is being killed at the next other call; and how many reads it takes depends on
    # how much /proc has to say.
    ! is_one_of "$name" read brk mmap munmap mprotect madvise || continue
    restore "$before"
    status=0
    # The shell's own word about the signal is nobody's concern.
    { alone strace -f -qq -o /dev/null "${BESIDE[@]}" -e inject="$name:signal=KILL:when=$number" "$@" >/dev/null 2>&1; } 2>/dev/null || status=$?
    [ "$status" -eq 137 ] || fail "call $at, $name($rest: exit status $status, not killed" || return 1
    killed=$((killed + 1))
    said=$(answers)
    is_one_of "$said" "${allowed[@]}" "$final" || fail "killed at call $at, $name($rest: the gate says: $said" || return 1
    settles "killed at call $at, $name($rest" "$names" "$final" "$@" || return 1
  done <<<"$all"
  # A program that does its work makes more calls than this.
  [ "$killed" -ge 20 ] || fail "only $killed calls"
}

# fails_at_each ERROR NAME PATTERN COMMAND…: the command, which replaces the first list by the second, gets this error from each of its calls of this name
# whose arguments match. It says so in a line (and perhaps a hint) and leaves no file of its own; until the new list has its name nothing else changes.
fails_at_each() {
  local error=$1 wanted=$2 pattern=$3 all name number rest in_place= failed=0 status said where
  shift 3
  restore first
  all=$(calls "$@") || return 1
  while read -r name number rest; do
    # The list is in force, and a record that cannot be written changes nothing about that.
    [ -z "$in_place" ] || [[ $rest != *last-install* ]] || break
    if [ "$name" = "$wanted" ] && [[ $rest =~ $pattern ]]; then
      where="$error at $name($rest"
      restore first
      status=0
      said=$(alone strace -f -qq -o /dev/null -e inject="$name:error=$error:when=$number" "$@" 2>&1) || status=$?
      failed=$((failed + 1))
      [ "$status" -eq 1 ] || fail "$where: exit status $status" "$said" || return 1
      [[ $said =~ ^embargoctl:\ cannot\ [^$'\n']+($'\n'hint:\ [^$'\n']+)?$ ]] || fail "$where: said is not one line:" "$said" || return 1
      [[ $(names) != *draft* ]] || fail "$where: left $(names)" || return 1
      if [ -n "$in_place" ]; then
        [ "$(answers)" = "list 2, list 2" ] || fail "$where: with the new list in place the gate says: $(answers)" || return 1
      else
        [ "$(answers)" = "list 1, admitted" ] || fail "$where: the gate says: $(answers)" || return 1
        [ "$(grep -v '^next ' "$STATE/floor")" = "$(cat "$ROOM/before/first/floor")" ] || fail "$where: the floor has changed" || return 1
      fi
      settles "$where" ".lock banlist.copy.lst banlist.lst floor last-install.json" "list 2, list 2" "$@" || return 1
    fi
    [[ "$name $rest" != rename*'/banlist.lst")'* ]] || in_place=yes
  done <<<"$all"
  [ -n "$in_place" ] || fail "the new list is never renamed" || return 1
  [ "$failed" -ge 1 ] || fail "no call of $wanted matches $pattern"
}

NO_LIST="there is no ban list to go by"

# installing_first PART OF
installing_first() {
  local missing
  restore none
  missing=$(answers)
  [[ $missing == *"$NO_LIST"*"$NO_LIST"* ]]
  killed_at_each none "$1" "$2" ".lock banlist.copy.lst banlist.lst floor last-install.json" "list 1, admitted" "$missing" "second copy of list 1, admitted" \
    -- "$EMBARGOCTL" install "$ROOM/first.lst"
}

# installing_second PART OF
installing_second() {
  killed_at_each first "$1" "$2" ".lock banlist.copy.lst banlist.lst floor last-install.json" "list 2, list 2" "list 1, admitted" \
    -- "$EMBARGOCTL" install "$ROOM/second.lst"
}

# without_nameless_files: the list is written under a name of its own from the start, as where the file system cannot do otherwise (open(2), O_TMPFILE).
without_nameless_files() {
  local name number
  restore first
  # The C library decides which of the two calls it makes.
  read -r name number < <(calls "$EMBARGOCTL" install "$ROOM/second.lst" | awk '$1 ~ /^open(at)?$/ && /O_TMPFILE/ { print $1, $2; exit }') ||
    fail "no file without a name is made" || return 1
  BESIDE=(-e inject="$name:error=EOPNOTSUPP:when=$number")
}

@test "the first installation, killed at each of its system calls: no list, or the new one; 1 of 3" {
  installing_first 1 3
}

@test "the first installation, killed at each of its system calls: no list, or the new one; 2 of 3" {
  installing_first 2 3
}

@test "the first installation, killed at each of its system calls: no list, or the new one; 3 of 3" {
  installing_first 0 3
}

@test "another installation, killed at each of its system calls: the list before, or the new one; 1 of 2" {
  installing_second 0 2
}

@test "another installation, killed at each of its system calls: the list before, or the new one; 2 of 2" {
  installing_second 1 2
}

@test "the same where the file system has no files without a name: what is left under a name is cleared away; 1 of 2" {
  without_nameless_files
  installing_second 0 2
}

@test "the same where the file system has no files without a name: what is left under a name is cleared away; 2 of 2" {
  without_nameless_files
  installing_second 1 2
}

@test "a rotation over two keysets, killed at each of its system calls: the keyset before, or a later one, and the list in force stays" {
  local all name number rest status killed=0
  restore first
  all=$(calls "$EMBARGOCTL" keyset rotate "$ROOM/keyset-2" "$ROOM/keyset-3")
  [ "$(keyset_number)" = 3 ]
  while read -r name number rest; do
    restore first
    status=0
    { strace -f -qq -o /dev/null -e inject="$name:signal=KILL:when=$number" \
      "$EMBARGOCTL" keyset rotate "$ROOM/keyset-2" "$ROOM/keyset-3" >/dev/null 2>&1; } 2>/dev/null || status=$?
    [ "$status" -eq 137 ] || fail "$name($rest: exit status $status, not killed" || return 1
    killed=$((killed + 1))
    [ -n "$(keyset_number)" ] || fail "killed at $name($rest: the keyset is none of the three" "$(cat /etc/embargo/keyset)" || return 1
    [ "$(answers)" = "list 1, admitted" ] || fail "killed at $name($rest: the gate says: $(answers)" || return 1
    "$EMBARGOCTL" keyset rotate "$ROOM/keyset-2" "$ROOM/keyset-3" || fail "killed at $name($rest: the next run fails" || return 1
    [ "$(keyset_number)" = 3 ] || fail "killed at $name($rest: the next run leaves keyset $(keyset_number)" || return 1
    [ "$(ls -A /etc/embargo)" = $'config.toml\nkeyset' ] || fail "killed at $name($rest: left" "$(ls -A /etc/embargo)" || return 1
  done <<<"$all"
  [ "$killed" -ge 20 ]
}

@test "each fsync fails: said in a line, and nothing is changed before the new list is in place" {
  fails_at_each EIO fsync '' "$EMBARGOCTL" install "$ROOM/second.lst"
}

@test "the disk is full at each write, copy, link and rename" {
  local call
  for call in 'write ^[3-9]' 'copy_file_range ' 'linkat ' 'rename '; do
    fails_at_each ENOSPC "${call%% *}" "${call#* }" "$EMBARGOCTL" install "$ROOM/second.lst" || return 1
  done
}

@test "a disk that is really full: the list before goes on, and there is room again" {
  restore first
  mkdir "$ROOM/saved"
  cp -a "$STATE/." "$ROOM/saved"
  mount -t tmpfs -o size=24k,mode=0755 tmpfs "$STATE"
  cp -a "$ROOM/saved/." "$STATE"
  run "$EMBARGOCTL" install "$ROOM/second.lst"
  local said=$output failed=$status answers names
  answers=$(answers)
  names=$(names)
  umount "$STATE"
  [ "$failed" -eq 1 ]
  [[ $said == "embargoctl: cannot write \"$STATE/banlist.lst\": the disk is full"* ]] || fail "$said"
  [ "$answers" = "list 1, admitted" ] || fail "$answers"
  [ "$names" = ".lock banlist.copy.lst banlist.lst floor last-install.json" ] || fail "$names"
}
