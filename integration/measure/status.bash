# Measures what `embargoctl status` costs beside five hundred running containers, all of which the
# list in force bans and has a patch for. This part of `inside` comes after `patching.bash`, and
# needs its containers.

COUNTED=500

# measure_status RUNS: the document, and the two files that the units write, so often.
measure_status() {
  local found times document files
  let_run $((PATCHED + 1)) "$COUNTED"
  new_source
  STORE=containerd:patching/docker.io/library/ ban base:1
  printf '[ban.patch]\nrun = ["true"]\n' >>"$AUTHOR/bans.toml"
  settings 'max_impact = "100%"'
  publish
  found=$("$EMBARGOCTL" status --json | jq -c '[([.containers.doomed[] | select(.namespace == "patching")] | length), (.containers.unpatched[] | select(.engine == "containerd") | .containers)]')
  is_whole "$found" || { echo "integration/bench: $COUNTED containers should be doomed and unpatched: $found" >&2; exit 1; }
  times=$("$tools/stopwatch" "$1" -- "$EMBARGOCTL" status --json -- "$EMBARGOCTL" status --write --textfile "$ROOM/embargo.prom")
  document=$(field "$times" 1 1) files=$(field "$times" 2 1)
  echo "status beside $COUNTED banned containers takes $(milli "$document") ms, with the files for everybody and for node_exporter $(milli "$files") ms"
  verdict "status --json, $COUNTED containers" "$(milli "$document")" ms 1000
  verdict "status --write --textfile, $COUNTED containers" "$(milli "$files")" ms 1000
  verdict "status, $COUNTED containers, peak memory" "$(field "$times" 1 4)" KiB 20480
}

# is_whole FOUND: all of the containers, and whatever runs beside them, lack the patch.
is_whole() {
  jq -e --argjson counted "$COUNTED" '.[0] == $counted and .[1] >= $counted' <<<"$1" >/dev/null
}
