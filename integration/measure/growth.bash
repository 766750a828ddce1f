# Measures what the list costs as it grows. This part of `inside` makes lists of ten to ten million
# digests, signs each with two keys, installs it, and measures the whole process of a gated create
# on it. Every list bans as bases, images and layers, so that each digest of the measured container
# is looked up.
#
# Bounds are checked on a container of containerd whose chain was seen before. Each time is measured
# above a static program that does nothing, which is what remains of the create without the gate:
# the gate becomes it at the end, so even the second exec counts as the gate's.

# The image has 16 layers: 16 chain IDs and 16 diff IDs, of which the lowest are one, the image ID, and the manifest's digest where the engine knows it.
LAYERS=16
{
  echo 'FROM base:1'
  for layer in $(seq 2 "$LAYERS"); do echo "COPY fix /$layer"; done
} >"$BUILD/sixteen.dockerfile"

# The keys of two people, and trust in both together. What was installed before is forgotten.
trust_two_authors() {
  local key
  for key in ann bob; do
    "$EMBARGOCTL" keygen --out "$AUTHOR/$key" >/dev/null
  done
  "$EMBARGOCTL" keyset new --origin "$ORIGIN" --list-key "$AUTHOR/ann.pub" --list-key "$AUTHOR/bob.pub" --threshold 2 >/etc/embargo/keyset
  rm -rf /var/lib/embargo/*
}

random_digests() {
  head -c $((32 * $1)) /dev/urandom | od -An -v -tx1 -w32 | tr -d ' ' | sed 's/^/sha256:/'
}

# author_list N: a source that bans N random digests, one as an image, one as a layer, the others as bases.
author_list() {
  head -n $(($1 - 2)) "$AUTHOR/digests.txt" >"$AUTHOR/many.txt"
  cat >"$AUTHOR/bans.toml" <<BANS
[[ban]]
id = "BAN-2026-0001"
reason = "measurement"
severity = "low"
effective = 2026-01-01
[[ban.match]]
base_file = "many.txt"
[[ban.match]]
image = "$(random_digests 1)"
[[ban.match]]
layer = "$(random_digests 1)"
BANS
}

# seconds COMMAND…: how long it takes.
seconds() {
  local start=$EPOCHREALTIME
  "$@" >/dev/null
  awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }'
}

# install_list N: builds, signs twice and installs a list of N digests; sets built and installed to the seconds that took.
install_list() {
  local key list=$AUTHOR/banlist.lst
  version=$((${version:-0} + 1))
  author_list "$1"
  rm -f "$list"
  built=$(seconds "$EMBARGOCTL" list build --source "$AUTHOR/bans.toml" --origin "$ORIGIN" --version "$version" --out "$list")
  for key in ann bob; do "$EMBARGOCTL" list sign --key "$AUTHOR/$key" "$list" >/dev/null; done
  installed=$(seconds "$EMBARGOCTL" install "$list")
}

# create_on BUNDLE ID STOPWATCH-ARGUMENT…: the empty process and the gate in turn; sets empty and gate to the stopwatch's lines.
create_on() {
  local bundle=$1 id=$2 times
  shift 2
  times=$("$tools/stopwatch" "$@" -- "$tools/does-nothing" create --bundle "$bundle" "$id" -- "$EMBARGO" create --bundle "$bundle" "$id")
  empty=$(sed -n 1p <<<"$times")
  gate=$(sed -n 2p <<<"$times")
}

# above COLUMN: how far a figure of the gate is above the median of the empty process, in ms.
above() {
  awk -v gate="$(field "$gate" 1 "$1")" -v empty="$(field "$empty" 1 1)" 'BEGIN { printf "%.3f", (gate - empty) / 1000 }'
}

# point N: one point of the curve, warm and cold, as a line of GROWTH: entries, warm median, warm 99th percentile, cold median, in ms above an empty process.
point() {
  local warm late cold
  create_on "$containerd_bundle" sixteen "$runs"
  warm=$(above 1) late=$(above 3)
  remember_peak "$(field "$gate" 1 4)"
  create_on "$containerd_bundle" sixteen "$cold_runs" --drop-caches
  cold=$(above 1)
  printf '%s %s %s %s\n' "$1" "$warm" "$late" "$cold" >>"$GROWTH"
  printf '%10s digests: %s ms warm, %s ms at the 99th percentile, %s ms with dropped caches; built in %s s, installed in %s s\n' \
    "$1" "$warm" "$late" "$cold" "$built" "$installed"
}

# lookups JSON: how many distinct digests an image is looked up by, from `embargoctl lineage --json`.
lookups() {
  jq -r '.images[0] | .image_id, .manifests[].digest, (.layers[] | .diff_id, .chain_id)' <<<"$1" | sort -u | wc -l
}

# sixteen_layers: the image in all three engines, and a container of it in each; sets docker_id, podman_bundle and podman_id anew.
sixteen_layers() {
  local image
  docker build -q -t sixteen:1 -f "$BUILD/sixteen.dockerfile" "$BUILD" >/dev/null
  docker save -o "$ROOM/sixteen.tar" sixteen:1
  ctr -n bench image import "$ROOM/sixteen.tar" >/dev/null
  image=$(podman load -q -i "$ROOM/sixteen.tar")
  docker_id=$(docker run -d sixteen:1 sleep 100000)
  podman_id=$(podman run -d "${image##* }" sleep 100000)
  podman_bundle=/var/lib/containers/storage/overlay-containers/$podman_id/userdata
  ctr -n bench run -d --runc-binary "$RUNTIME" --runtime io.containerd.runc.v2 docker.io/library/sixteen:1 sixteen sleep 100000
  containerd_bundle=$(bundle_of sixteen)
}

# keeps_within SIZE: the bound on the time that building and installing take, for a list of ten million.
keeps_within() {
  [ "$1" -eq 10000000 ] || return 0
  verdict "build and install a list of $1" "$(awk -v a="$built" -v b="$installed" 'BEGIN { print a + b }')" s 8
}

# warm_at SIZE: the warm median of that point of the curve.
warm_at() {
  awk -v size="$1" '$1 == size { print $2 }' "$GROWTH"
}

# measure_growth SIZE…: the whole curve, and its bounds between the first size and the last.
measure_growth() {
  local size smallest=$1 largest=${!#} looked_up
  GROWTH=$tools/growth
  : >"$GROWTH"
  use plain
  sixteen_layers
  random_digests "$largest" >"$AUTHOR/digests.txt"
  trust_two_authors
  behind_the_gate "$tools/does-nothing"
  looked_up=$(lookups "$("$EMBARGOCTL" lineage --json containerd:bench/docker.io/library/sixteen:1)")
  echo "create, containerd, chain seen before, $looked_up look-ups, 2 signatures, above an empty process:"
  for size in "$@"; do
    install_list "$size"
    point "$size"
    keeps_within "$size"
  done
  verdict "create with a list of $largest against one of $smallest" "$(over "$(warm_at "$largest")" "$(warm_at "$smallest")")" x 1.7
  create_on "$(bundle_of "$docker_id")" "$docker_id" "$runs"
  echo "the same with Docker $(above 1) ms, with Podman $(create_on "$podman_bundle" "$podman_id" "$runs" && above 1) ms"
  echo "the list of $largest takes $(over "$(stat -c %s /var/lib/embargo/banlist.lst)" "$largest") bytes of disk for each entry"
}
