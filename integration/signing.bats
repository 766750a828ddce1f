#!/usr/bin/env bats
# Tests lists signed with the tools that people own: what each of them writes is attached as it is,
# trusted by `list verify`, installed, and obeyed by the gate.

load lib/room
load lib/node

# What is admitted ends well at once.
PLAIN=/bin/true
TASKS=$ROOM/tasks/io.containerd.runtime.v2.task/moby
KEYS=$ROOM/keys
# Two containers: every list bans what the first is made of.
BANNED=$(printf 'a%.0s' {1..64})
CLEAN=$(printf 'b%.0s' {1..64})
# The keys that `make_keys` makes; what signs with each of them stands in `sign_with`.
TOOLS=(ctl ed ec ssh-ed ssh-ec minisign minisign-l signify)

setup_file() {
  mkdir -p "$KEYS"
  trust_an_author
  settings
  container "$BANNED"
  container "$CLEAN"
  make_keys
}

setup() {
  cd "$BATS_TEST_TMPDIR"
}

# make_keys: a key of each tool, with its public half in KEYS/TOOL.pub as the tool writes it.
make_keys() {
  cd "$KEYS" || return 1
  "$EMBARGOCTL" keygen --out ctl.pem
  mv ctl.pem.pub ctl.pub
  openssl genpkey -algorithm ed25519 -out ed.pem
  openssl pkey -in ed.pem -pubout -out ed.pub
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.pem
  openssl pkey -in ec.pem -pubout -out ec.pub
  ssh-keygen -q -t ed25519 -N '' -C alice -f ssh-ed
  ssh-keygen -q -t ecdsa -b 256 -N '' -C bob -f ssh-ec
  minisign -G -W -p minisign.pub -s minisign.key >/dev/null
  minisign -G -W -p minisign-l.pub -s minisign-l.key >/dev/null
  signify-openbsd -G -n -p signify.pub -s signify.sec
}

# sign_with TOOL FILE: the signature of that tool's key over the file, in ./TOOL.sig.
sign_with() {
  local tool=$1 file=$2
  case $tool in
    ed) openssl pkeyutl -sign -rawin -inkey "$KEYS/ed.pem" -in "$file" -out ed.sig ;;
    ec) openssl dgst -sha256 -sign "$KEYS/ec.pem" -out ec.sig "$file" ;;
    ssh-*) ssh-keygen -q -Y sign -n banlist.v1 -f "$KEYS/$tool" "$file" && mv "$file.sig" "$tool.sig" ;;
    minisign) minisign -S -s "$KEYS/minisign.key" -m "$file" -x minisign.sig ;;
    minisign-l) minisign -S -l -s "$KEYS/minisign-l.key" -m "$file" -x minisign-l.sig ;;
    signify) signify-openbsd -S -s "$KEYS/signify.sec" -m "$file" -x signify.sig ;;
  esac
}

# keyset THRESHOLD TOOL…: the node trusts lists that so many of these keys signed.
keyset() {
  local threshold=$1 tool keys=()
  shift
  for tool in "$@"; do keys+=(--list-key "$KEYS/$tool.pub"); done
  "$EMBARGOCTL" keyset new --origin "$ORIGIN" "${keys[@]}" --threshold "$threshold" >/etc/embargo/keyset
}

# new_draft: the next version without a signature, in ./draft, and what is to be signed in ./head. Sets VERSION.
new_draft() {
  VERSION=$(($(cat "$ROOM/version" 2>/dev/null || echo 0) + 1))
  echo "$VERSION" >"$ROOM/version"
  printf '%s\n' '[[ban]]' 'id = "BAN-1"' 'reason = "why"' 'severity = "high"' 'effective = 2026-01-01' '[[ban.match]]' "layer = \"sha256:$BANNED\"" >bans.toml
  "$EMBARGOCTL" list build --source bans.toml --origin "$ORIGIN" --version "$VERSION" --out draft
  "$EMBARGOCTL" list head draft >head
}

# signed_by TOOL: the draft gets that tool's signature.
signed_by() {
  if [ "$1" = ctl ]; then
    "$EMBARGOCTL" list sign --key "$KEYS/ctl.pem" --name ctl draft
  else
    sign_with "$1" head
    "$EMBARGOCTL" list attach --key "$KEYS/$1.pub" --signature "$1.sig" draft
  fi
}

# obeyed VERSION: the gate admits the one container and refuses the other by this list.
obeyed() {
  local said
  said=$("$EMBARGO" create --bundle "$TASKS/$CLEAN" "$CLEAN" 2>&1) || fail "not admitted: $said" || return 1
  ! said=$("$EMBARGO" create --bundle "$TASKS/$BANNED" "$BANNED" 2>&1) || fail "admitted: $said" || return 1
  [[ $said == *", banned by BAN-1 (high) since 2026-01-01; list $1" ]] || fail "$said"
}

@test "a list signed with any one tool is verified, installed and obeyed" {
  local tool
  for tool in "${TOOLS[@]}"; do
    keyset 1 "$tool"
    new_draft
    signed_by "$tool"
    run "$EMBARGOCTL" list verify --keyset /etc/embargo/keyset draft
    [ "$status" -eq 0 ] && [[ $output == *"signatures: 1 good, 1 needed"*"  $tool: good ("* ]] || fail "$tool" "$output"
    "$EMBARGOCTL" install draft
    obeyed "$VERSION"
  done
}

@test "a threshold counts people with different tools" {
  local tool
  keyset 5 "${TOOLS[@]}"
  new_draft
  local last=$((VERSION - 1))
  for tool in ed ssh-ec minisign signify; do signed_by "$tool"; done
  run "$EMBARGOCTL" install draft
  [ "$status" -eq 1 ] && [[ $output == *"4 of 5 trusted signatures"* ]] || fail "$output"
  # Once more by somebody who has signed makes it no more.
  run "$EMBARGOCTL" list attach --key "$KEYS/ed.pub" --signature ed.sig draft
  [ "$status" -eq 0 ] && [ "$output" = "draft: already signed by ed" ] || fail "$output"
  signed_by ec
  "$EMBARGOCTL" install draft
  obeyed "$VERSION"
  [ "$VERSION" -eq $((last + 1)) ]
}

@test "a signature that was altered on the way is not trusted, whatever tool made it" {
  local tool
  keyset 1 "${TOOLS[@]}"
  for tool in ed ec ssh-ed ssh-ec minisign minisign-l signify; do
    new_draft
    cp head other
    echo >>other
    sign_with "$tool" other
    run "$EMBARGOCTL" list attach --key "$KEYS/$tool.pub" --signature "$tool.sig" draft
    [ "$status" -eq 1 ] && [[ $output == *"$tool signed this list's head with one more line feed"* ]] || fail "$tool" "$output"
    signed_by "$tool"
    # Another date in the head: only the signature tells.
    sed "s/^issued: .*/issued: 2026-01-01T00:00:00Z/" draft >forged
    run "$EMBARGOCTL" install forged
    [ "$status" -eq 1 ] && [[ $output == *"0 of 1 trusted signatures (1 bad, 0 by unknown keys)"* ]] || fail "$tool" "$output"
  done
}

@test "what key services return is taken as it is" {
  # Base 64 of DER as AWS and cosign print it, JSON around it, and the two numbers without DER as Azure returns them.
  local der numbers url
  keyset 1 ec
  new_draft
  sign_with ec head
  der=$(base64 -w 0 ec.sig)
  numbers=$(openssl asn1parse -inform DER -in ec.sig | sed -nE 's/.*INTEGER +:([0-9A-F]+)$/\1/p' | while read -r number; do printf '%64s' "$number" | tr ' ' 0; done)
  url=$(printf %s "$numbers" | tr a-f A-F | basenc --base16 -d | basenc --base64url -w 0 | tr -d =)
  printf '%s\n' "$der" >text
  base64 ec.sig >lines
  printf '{"KeyId": "k", "Signature": "%s", "SigningAlgorithm": "ECDSA_SHA_256"}' "$der" >aws.json
  printf '{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "messageSignature": {"signature": "%s"}}' "$der" >cosign.json
  printf '%s' "$url" >azure
  printf '{"algorithm": "ES256", "kid": "k", "signature": "%s"}' "$url" >azure.json
  local file
  for file in text lines aws.json cosign.json azure azure.json; do
    cp draft once
    "$EMBARGOCTL" list attach --key "$KEYS/ec.pub" --signature $file once || fail "$file"
    "$EMBARGOCTL" list verify --keyset /etc/embargo/keyset once >/dev/null || fail "$file"
  done
  "$EMBARGOCTL" install once
  obeyed "$VERSION"
}

@test "a signature of ssh-keygen for another purpose is refused, and the hint's command is right" {
  keyset 1 ssh-ed
  new_draft
  ssh-keygen -q -Y sign -n file -f "$KEYS/ssh-ed" head
  run "$EMBARGOCTL" list attach --key "$KEYS/ssh-ed.pub" --signature head.sig draft
  [ "$status" -eq 1 ] && [[ ${lines[0]} == *"it was made for the namespace \"file\", not banlist.v1" ]] || fail "$output"
  [ "${lines[1]}" = "hint: sign again: ssh-keygen -Y sign -n banlist.v1 -f KEY head" ] || fail "$output"
  run "$EMBARGOCTL" list sign --key "$KEYS/ssh-ed" draft
  [ "$status" -eq 1 ] && [[ ${lines[1]} == *"ssh-keygen -Y sign -n banlist.v1 -f KEY head"* ]] || fail "$output"
  rm head.sig
  ssh-keygen -q -Y sign -n banlist.v1 -f "$KEYS/ssh-ed" head
  "$EMBARGOCTL" list attach --key "$KEYS/ssh-ed.pub" --signature head.sig draft
  "$EMBARGOCTL" list verify --keyset /etc/embargo/keyset draft
}

@test "one secret in the forms of two tools is one key" {
  # ssh-keygen uses the key that openssl made.
  cp "$KEYS/ec.pem" both
  chmod 0600 both
  ssh-keygen -y -f both >both.pub
  run "$EMBARGOCTL" keyset new --origin "$ORIGIN" --list-key "$KEYS/ec.pub" --list-key both.pub --threshold 2
  [ "$status" -eq 1 ] && [[ $output == *"cannot make the keyset: the list keys ec and both are one key, which counts once"* ]] || fail "$output"
}

@test "what is no file is an error at once" {
  new_draft
  mkfifo fifo
  mkdir directory
  local kind
  for kind in fifo directory; do
    run timeout 5 "$EMBARGOCTL" list attach --key "$KEYS/ed.pub" --signature $kind draft
    [ "$status" -eq 1 ] && [[ $output == *"cannot read \"$kind\": not a regular file"* ]] || fail "$output"
    run timeout 5 "$EMBARGOCTL" list attach --key $kind --signature head draft
    [ "$status" -eq 1 ] && [[ $output == *"cannot read \"$kind\": not a regular file"* ]] || fail "$output"
    run timeout 5 "$EMBARGOCTL" list sign --key $kind draft
    [ "$status" -eq 1 ] && [[ $output == *"cannot read \"$kind\": not a regular file"* ]] || fail "$output"
  done
}
