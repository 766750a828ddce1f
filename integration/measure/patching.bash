# Measures what exec-patch costs. This part of `inside` runs two hundred containers of three images
# in containerd, all built on one base, and compares patching them with the same number of bare
# calls of their runtime, eight at a time and one by one. What exec-patch adds is a process for each
# container that keeps its deadline and its journal, and the two lines of the journal that are
# written to the disk.

PATCHED=200
RUNC_STATE=/run/containerd/runc/patching

# let_run FIRST LAST: containers with these numbers, of app, deep and cured in turn, in a namespace of their own.
let_run() {
  local number images=(app deep cured)
  for number in $(seq "$1" "$2"); do
    echo "docker.io/library/${images[number % 3]}:1 patched-$number sleep 100000"
  done | xargs -P 4 -L 1 ctr -n patching run -d --runc-binary "$PLAIN" --runtime io.containerd.runc.v2
}

# chain_of IMAGE: the chain ID of an image of that namespace.
chain_of() {
  "$EMBARGOCTL" lineage --json "containerd:patching/docker.io/library/$1" | jq -r '.images[0].layers[-1].chain_id'
}

# program NAME COMMAND…: a program that becomes this command, which may have a -- of its own where the stopwatch's words have none.
program() {
  local path=$ROOM/$1
  shift
  printf '#!/bin/sh\nexec %s\n' "$*" >"$path"
  chmod +x "$path"
}

# measure_patching RUNS PLANS: a round of each kind so often, and a plan alone so often.
measure_patching() {
  local times bare patched plan one patching
  use plain
  import_images patching >/dev/null
  let_run 1 "$PATCHED"
  ls "$RUNC_STATE" >"$ROOM/patched"
  [ "$(wc -l <"$ROOM/patched")" -eq "$PATCHED" ] || { echo "integration/bench: $PATCHED containers should run" >&2; exit 1; }
  patching="$EMBARGO exec-patch --namespace patching --base $(chain_of base:1)"
  program bare "xargs -a $ROOM/patched -P 8 -I {} $PLAIN --root $RUNC_STATE exec --user 0:0 {} true"
  program patch "$patching --parallel 8 --again -- true"
  program plan "$patching --dry-run -- true"
  program plan-one "$patching --container patched-$PATCHED --dry-run -- true"
  times=$("$tools/stopwatch" "$1" -- "$ROOM/bare" -- "$ROOM/patch")
  bare=$(field "$times" 1 1) patched=$(field "$times" 2 1)
  times=$("$tools/stopwatch" "$2" -- "$ROOM/plan" -- "$ROOM/plan-one")
  plan=$(field "$times" 1 1) one=$(field "$times" 2 1)
  echo "exec-patch of $PATCHED containers takes $(milli "$patched") ms, as many bare runc exec $(milli "$bare") ms; its plan alone $(milli "$plan") ms, for one of them $(milli "$one") ms"
  verdict "exec-patch, $PATCHED containers, against bare runc exec" "$(over "$patched" "$bare")" x 1.25
}

# milli MICROSECONDS: the same in milliseconds.
milli() {
  awk -v micros="$1" 'BEGIN { printf "%.0f", micros / 1000 }'
}
