# Sets up a node's trust, list and settings: what operators and authors do before a container is
# refused, with the real embargoctl.

AUTHOR=$ROOM/author
STORE=
STORE_FLAGS=()
ORIGIN=bans.example/integration
mkdir -p "$AUTHOR"

# trust_an_author: makes a list key, once, and puts a keyset that trusts it on the node.
trust_an_author() {
  mkdir -p /etc/embargo /var/lib/embargo
  chmod 0755 /etc/embargo /var/lib/embargo
  [ -e "$AUTHOR/key" ] || "$EMBARGOCTL" keygen --out "$AUTHOR/key" >/dev/null
  "$EMBARGOCTL" keyset new --origin "$ORIGIN" --list-key "$AUTHOR/key.pub" >/etc/embargo/keyset
}

# forget_lists: the node has never had a list. The author counts on.
forget_lists() {
  rm -rf /var/lib/embargo
  mkdir -m 0755 /var/lib/embargo
}

# settings [LINE…]: arms the node in enforce mode with the plain runtime behind it, and with these lines.
settings() {
  printf '%s\n' "runtime = \"$PLAIN\"" "$@" >/etc/embargo/config.toml
}

# disarm: no settings at all, as straight after the installation of the package.
disarm() {
  rm -f /etc/embargo/config.toml
}

# Opens a new source with nothing banned.
new_source() {
  echo "# Nothing is banned yet." >"$AUTHOR/bans.toml"
}

# ban IMAGE [ARGUMENT…]: adds the ban that refusals are compared with, by the chain ID of this image in the store
# that a test file sets as STORE (and, where it stands in an unusual place, STORE_FLAGS).
ban() {
  local image=$STORE$1
  shift
  "$EMBARGOCTL" ban --source "$AUTHOR/bans.toml" --id BAN-2026-0007 --reason "remote code execution" --severity critical \
    --advisory CVE-2026-1234 --successor registry.example/base:2 "${STORE_FLAGS[@]}" "$@" "$image" >/dev/null
}

# publish [ARGUMENT…]: builds, signs and installs what stands in the source, as the next version.
publish() {
  new_list "$@" || return 1
  "$EMBARGOCTL" install "$AUTHOR/banlist.lst" >/dev/null
}

# new_list [ARGUMENT…]: the signed list that publish would install, in AUTHOR/banlist.lst.
new_list() {
  local version
  version=$(($(cat "$AUTHOR/version" 2>/dev/null || echo 0) + 1))
  echo "$version" >"$AUTHOR/version"
  "$EMBARGOCTL" list build --source "$AUTHOR/bans.toml" --origin "$ORIGIN" --version "$version" "$@" --out "$AUTHOR/banlist.lst" >/dev/null || return 1
  "$EMBARGOCTL" list sign --key "$AUTHOR/key" "$AUTHOR/banlist.lst" >/dev/null
}

# ban_and_publish IMAGE [ARGUMENT…]: a list with exactly this ban.
ban_and_publish() {
  new_source
  ban "$@"
  publish
}

# checked STATUS WORD…: `embargo check` with these words ends with 2 and the ban, or with 0.
checked() {
  local wanted=$1
  shift
  run "$EMBARGO" check "$@"
  [ "$status" -eq "$wanted" ] || fail "exit status $status instead of $wanted: embargo check $*" "$output" || return 1
  [ "$wanted" -eq 0 ] || [[ $output == *BAN-2026-0007* ]] || fail "no ban: embargo check $*" "$output" || return 1
}

# ban_nothing: an authentic list without a ban.
ban_nothing() {
  new_source
  publish
}

# chain_id DIFF_ID…: the chain ID of the stack of these layers, lowest first (image-spec, config.md, "Layer ChainID").
chain_id() {
  local chain=$1 diff
  shift
  for diff in "$@"; do
    chain=sha256:$(printf '%s %s' "$chain" "$diff" | sha256sum | cut -d' ' -f1)
  done
  printf '%s\n' "$chain"
}

# container ID: a container of Docker's vfs store that is about to start, made of one layer, whose diff ID is sha256:ID; its bundle is in TASKS.
container() {
  local layers=/var/lib/docker/image/vfs/layerdb
  mkdir -p "$layers/mounts/$1" "$layers/sha256/$1" "/var/lib/docker/vfs/dir/$1" "/var/lib/docker/containers/$1" "$TASKS/$1"
  printf %s "$1" >"$layers/mounts/$1/mount-id"
  printf 'sha256:%s' "$1" | tee "$layers/mounts/$1/parent" >"$layers/sha256/$1/diff"
  printf '{"ID":"%s","Driver":"vfs","Image":"sha256:%s","Config":{"Image":"made-here"},"Name":"/made-here"}' "$1" "$1" \
    >"/var/lib/docker/containers/$1/config.v2.json"
  printf '{"ociVersion":"1.0.2","root":{"path":"/var/lib/docker/vfs/dir/%s"}}' "$1" >"$TASKS/$1/config.json"
}

# hear_system_log: listens where syslog(3) and journald's clients send to, writes what arrives to LOGS/syslog, one record a line.
hear_system_log() {
  : >"$LOGS/syslog"
  start_daemon system-log /usr/bin/python3 "$LIB/system-log.py" "$LOGS/syslog"
  within 10 test -S /dev/log
}

# own_records: what embargo itself said of containers; other programs repeat a refusal in their own, and each list that is installed is told, too.
own_records() {
  grep -E 'SYSLOG_IDENTIFIER=embargo|embargo(\[[0-9]+\])?:' "$LOGS/syslog" | grep -v conmon | grep -v 'embargo: installed version '
}

# heard PATTERN…: embargo has told the system log one thing that matches all of them (extended expressions) since forget_system_log.
heard() {
  local pattern
  matching() {
    local records
    records=$(own_records)
    for pattern in "$@"; do
      records=$(grep -E -- "$pattern" <<<"$records") || return 1
    done
  }
  within 5 matching "$@" || fail "not in the system log: $*" "$(cat "$LOGS/syslog")" || return 1
}

# heard_nothing: an admission is silent.
heard_nothing() {
  [ -z "$(own_records)" ] || fail "in the system log:" "$(own_records)" || return 1
}

forget_system_log() {
  : >"$LOGS/syslog"
}
