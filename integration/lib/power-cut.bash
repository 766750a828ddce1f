# Cuts the power of a machine that installs lists and rotates keysets, again and again, and judges
# what the node is left with. The machine has no engine: both programs and a shell. See
# power-cut-inside for what it tells.

# Digests in each list: one that is asked about, the others make the list long enough to be torn.
LIST_LENGTH=2000
# A machine installs fewer lists than this from one boot to the next cut, on average.
LISTS_PER_CUT=16
# Every so many lists are the first for a new keyset.
LISTS_PER_KEYSET=3
# The power goes at most this long after the node has recovered, in milliseconds.
LONGEST_MS=3000
# A machine that has not recovered by then has not recovered.
BOOT_SECONDS=300
# In MiB.
MEMORY=256

# power_cut_tree TREE LISTS: the machine's root, with signed lists and keysets to last.
power_cut_tree() {
  local tree=$1 lists=$2 author=$machine/author layer version keyset last=1
  mkdir -p "$tree"/{bin,sbin,proc,sys,dev,run,tmp,lists,keysets,etc/embargo,var/lib/embargo} "$author"
  layer=$(printf 'a%.0s' {1..64})
  cp "$(command -v busybox)" "$binaries/embargo" "$binaries/embargoctl" "$tree/bin"
  sed "s/LAYER/$layer/" "$here/lib/power-cut-inside" >"$tree/sbin/init"
  chmod 0755 "$tree/sbin/init"
  printf 'runtime = "/bin/true"\n' >"$tree/etc/embargo/config.toml"
  {
    printf '%s\n' '[[ban]]' 'id = "BAN-1"' 'reason = "why"' 'severity = "high"' 'effective = 2026-01-01'
    printf '[[ban.match]]\nlayer = "sha256:%s"\n' "$layer"
    seq "$LIST_LENGTH" | awk '{ printf "[[ban.match]]\nlayer = \"sha256:%064x\"\n", $1 }'
  } >"$author/bans.toml"
  ctl keygen --out "$author/key"
  ctl keygen --out "$author/root"
  ctl keyset new --origin bans.example/cut --list-key "$author/key.pub" --root-key "$author/root.pub" --out "$tree/keysets/1"
  cp "$tree/keysets/1" "$tree/etc/embargo/keyset"
  for version in $(seq "$lists"); do
    keyset=$((1 + version / LISTS_PER_KEYSET))
    if [ "$keyset" -gt "$last" ]; then
      ctl keyset next "$tree/keysets/$last" --valid 1000d --out "$tree/keysets/$keyset"
      ctl keyset sign --key "$author/root" "$tree/keysets/$keyset"
      last=$keyset
    fi
    ctl list build --source "$author/bans.toml" --origin bans.example/cut --version "$version" --keyset "$keyset" \
      --out "$tree/lists/$version.$keyset"
    ctl list sign --key "$author/key" "$tree/lists/$version.$keyset"
  done
  ctl --root "$tree" install "$tree/lists/1.1"
}

# ctl WORD…: embargoctl, which says nothing when all is well.
ctl() {
  "$binaries/embargoctl" "$@" >/dev/null
}

# told NAME WORD: what stands after this word in a machine's report, one a line.
told() {
  tr -d '\r' <"$machine/$1.report" | sed -nE "s/^$2 //p"
}

# recovered NAME: waits until the machine has installed its next list; false when it says a fault or nothing.
recovered() {
  local end=$((SECONDS + BOOT_SECONDS))
  until grep -q '^ready' "$machine/$1.report"; do
    [ "$SECONDS" -lt "$end" ] && machine_runs && ! grep -q '^fault' "$machine/$1.report" || return 1
    sleep 0.05
  done
}

# between NUMBER LOW HIGH
between() {
  [ "$2" -le "$1" ] && [ "$1" -le "$3" ]
}

# fault_after BOOT: what is wrong with the node after this boot, given what was told to the boot before; nothing when all is well.
fault_after() {
  local list keyset floor said before=boot$(($1 - 1))
  said=$(told "boot$1" fault)
  if [ -n "$said" ]; then
    echo "$said"
    return
  fi
  if ! read -r list keyset floor _ < <(told "boot$1" state); then
    echo "nothing is told of the node; the machine's console ends with $(tail -n 3 "$machine/boot$1.console")"
    return
  fi
  # What an ended command has brought about stays; what one was about to, may be.
  between "$list" "$(last_told "$before" installed)" "$(last_told "$before" installing)" || echo "list $list is in force"
  between "$keyset" "$(last_told "$before" rotated)" "$(last_told "$before" rotating)" || echo "keyset $keyset is in force"
  between "$floor" "$(last_told "$before" installed)" "$list" || echo "the floor is $floor, with list $list in force"
  grep -q '^ready' "$machine/boot$1.report" || echo "the next installation does not end"
}

# last_told NAME WORD: the last number, of this boot or where it said none, of one before.
last_told() {
  local number
  number=$(told "$1" "$2" | tail -1)
  if [ -n "$number" ]; then
    echo "$number"
  elif [ "$1" = boot0 ]; then
    echo 1
  else
    last_told "boot$((${1#boot} - 1))" "$2"
  fi
}

# power_cut CUTS SEED: a line of TAP for the first boot, and for each cut.
power_cut() {
  local cuts=$1 seed=$2 cut delay moment
  new_machine
  power_cut_tree "$machine/tree" $(((cuts + 1) * LISTS_PER_CUT)) || return 1
  make_disk "$machine/tree" "$machine/disk.raw" $((64 + cuts * 8))M || return 1
  echo "# seed $seed"
  RANDOM=$seed
  boot boot0 "$MEMORY" "$machine/disk.raw"
  if recovered boot0; then
    tap "ok the machine installs lists"
  else
    judge "the machine installs lists" "$(tail -n 20 "$machine/boot0.report" "$machine/boot0.console")"
    return
  fi
  for cut in $(seq "$cuts"); do
    delay=$((RANDOM % LONGEST_MS))
    sleep "$((delay / 1000)).$(printf %03d $((delay % 1000)))"
    cut_power
    moment=$(tail -n 1 "$machine/boot$((cut - 1)).report" | tr -d '\r\n')
    boot "boot$cut" "$MEMORY" "$machine/disk.raw"
    recovered "boot$cut" || true
    judge "power cut $delay ms after the node had recovered, $moment: $(left_with "boot$cut")" "$(fault_after "$cut")" || return 0
  done
  end_machine
}

# left_with BOOT
left_with() {
  told "$1" state | sed -E 's/^(.*) (.*) (.*) (.*)$/list \1, keyset \2, floor \3, by the \4 copy/'
}

# judge NAME FAULT: false when there is one.
judge() {
  if [ -z "$2" ]; then
    tap "ok $1"
  else
    tap "not ok $1"
    sed 's/^/# /' <<<"$2"
    return 1
  fi
}
