# Checks which crates are linked in: what deny.toml says of licences, banned crates and sources,
# read with jq, so that nothing has to be installed.

# The most crates that the gate may be made of, embargo itself among them.
MOST_GATE_CRATES=30

# allowed_licences, banned_crates: one a line, as deny.toml has them.
allowed_licences() {
  sed -nE '/^\[licenses\]/,/^\[bans\]/ { /^allow = \[/,/^\]/ s/^ *"([^"]+)",?$/\1/p }' deny.toml
}

banned_crates() {
  sed -nE '/^\[bans\]/,/^\[sources\]/ s/^ *\{ crate = "([^"]+)".*/\1/p' deny.toml
}

# Prints each locked crate, its licence expression in the shell's arithmetic (1 for a licence that is allowed, 0 for any other), the expression itself
# (SPDX 2.3, annex D; crates also write `/` for OR) and what else it is faulted for: mostly nothing, hence last. Separated by tabs.
CRATES='
  def arithmetic:
    gsub(" */ *"; " OR ")
    | [scan("[()]|[A-Za-z0-9.+-]+(?: WITH [A-Za-z0-9.+-]+)?")
       | if . == "AND" then "&&" elif . == "OR" then "||" elif . == "(" or . == ")" then .
         elif . as $name | $allowed | index([$name]) then "1" else "0" end]
    | join(" ");
  .packages[]
  | .name as $name
  | [if $banned | index([$name]) then "banned"
     elif .source == null or .source == "registry+https://github.com/rust-lang/crates.io-index" then ""
     else "from \(.source)" end] as [$fault]
  | (.license // "none known") as $licence
  | "\(.name) \(.version)\t\($licence | arithmetic)\t\($licence)\t\($fault)"'

# crate_faults METADATA ALLOWED BANNED: a line for each crate that may not be there; the last two are JSON lists.
crate_faults() {
  local crates crate holds licence fault
  crates=$(jq -r --argjson allowed "$2" --argjson banned "$3" "$CRATES" <<<"$1") || return 1
  while IFS=$'\t' read -r crate holds licence fault; do
    [ -z "$fault" ] || printf '%s: %s\n' "$crate" "$fault"
    # An expression that cannot be worked out does not hold.
    (($holds)) 2>/dev/null || printf '%s: licence %s is not allowed\n' "$crate" "$licence"
  done <<<"$crates"
}

lines_as_json() {
  jq -R . | jq -s .
}

# crates_as_allowed: every locked crate is one that deny.toml allows.
crates_as_allowed() {
  local metadata allowed banned faults
  allowed=$(allowed_licences | lines_as_json) && banned=$(banned_crates | lines_as_json) || return 1
  [ "$allowed" != '[]' ] && [ "$banned" != '[]' ] || { echo "cannot read deny.toml"; return 1; }
  metadata=$(cargo_as_builder metadata --locked --all-features --format-version 1) || return 1
  faults=$(crate_faults "$metadata" "$allowed" "$banned") || return 1
  echo "$(jq '.packages | length' <<<"$metadata") locked crates"
  [ -z "$faults" ] || { printf '%s\n' "$faults"; return 1; }
}

# gate_crates_few: what `embargo` is made of stays small enough to be read.
gate_crates_few() {
  local tree count
  tree=$(cargo_as_builder tree --locked --no-default-features --target $TARGET -e normal,no-proc-macro --prefix none --format '{p}') || return 1
  count=$(sed -E 's/ \(\*\)$//' <<<"$tree" | sort -u | wc -l)
  echo "$count crates in the gate, embargo among them; $MOST_GATE_CRATES at most"
  [ "$count" -le "$MOST_GATE_CRATES" ]
}

# gate_alone: `embargo` needs nothing that only embargoctl may have.
gate_alone() {
  cargo_as_builder check --quiet --no-default-features --bin embargo
}

# crates_step: all three.
crates_step() {
  crates_as_allowed && gate_crates_few && gate_alone
}
