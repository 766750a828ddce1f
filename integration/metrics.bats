#!/usr/bin/env bats
# Tests that Prometheus gets the metrics of `embargoctl status` through node_exporter, with the
# values that hold for a node with a list and a banned container, and that the alerts go off.

load lib/room
load lib/node
load lib/images
load lib/docker

STORE=docker:
RULES=$ROOM/packaging/prometheus/embargo.rules.yml
# The directory that Debian's node_exporter reads by default.
TEXTFILES=/var/lib/prometheus/node-exporter
EXPORTER=127.0.0.1:9100
PROMETHEUS=127.0.0.1:9090

setup_file() {
  install -m 0755 "$ROOM/embargo/embargo" "$ROOM/embargo/embargoctl" /usr/bin/
  start_docker
  busybox_root "$ROOM/root-base" base
  tar -C "$ROOM/root-base" -c . | docker import - base:1
  docker run -d --name web --restart always base:1 sleep 100000
  docker run -d --name job base:1 sleep 100000
  trust_an_author
  settings 'max_impact = "100%"'
  new_source
  ban base:1
  # A list that ends within three days is the state that an alert is for.
  publish --expires "$(date -u -d '+1 day' +%Y-%m-%dT%H:%M:%SZ)"
  mkdir -p "$TEXTFILES"
  rm -f "$TEXTFILES"/*
  # As node-exporter-textfile-collectors writes it.
  echo 'node_reboot_required 1' >"$TEXTFILES/apt.prom"
  write_metrics
  settings_of_prometheus >"$ROOM/prometheus.yml"
  start_daemon node-exporter setpriv --reuid prometheus --regid prometheus --clear-groups \
    prometheus-node-exporter --collector.disable-defaults --collector.textfile --web.listen-address "$EXPORTER"
  start_daemon prometheus prometheus --config.file "$ROOM/prometheus.yml" --storage.tsdb.path /var/tmp/prometheus --web.listen-address "$PROMETHEUS"
  ready prometheus 20 sees 'embargo_collector_success' 1
}

teardown_file() {
  stop_daemon prometheus
  stop_daemon node-exporter
  remove_containers
  stop_docker
}

settings_of_prometheus() {
  cat <<YAML
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [$RULES]
scrape_configs:
  - job_name: node
    static_configs: [{targets: ["$EXPORTER"]}]
YAML
}

# write_metrics: what the unit does, by its own command line.
write_metrics() {
  eval "$(sed -n 's/^ExecStart=//p' "$ROOM/systemd/embargo-metrics.service")"
}

# api PATH: what Prometheus answers.
api() {
  busybox wget -q -O - "http://$PROMETHEUS/api/v1/$1"
}

# value EXPRESSION: its value, if there is exactly one.
value() {
  api "query?query=$(jq -rn --arg expression "$1" '$expression | @uri')" | jq -er '.data.result | select(length == 1) | .[0].value[1]'
}

# sees EXPRESSION VALUE: Prometheus has this value.
sees() {
  [ "$(value "$1")" = "$2" ]
}

# alert NAME: its state: firing, pending, or nothing.
alert() {
  api alerts | jq -r --arg name "$1" '[.data.alerts[] | select(.labels.alertname == $name) | .state] | unique | join(" ")'
}

# goes NAME STATE: the alert is in this state soon.
goes() {
  is_in() { [ "$(alert "$1")" = "$2" ]; }
  within 15 is_in "$@" || fail "$(api alerts)" || return 1
}

@test "promtool accepts the rules, and each of them fires in its own test" {
  promtool check rules "$RULES"
  promtool test rules "${RULES%.yml}.test.yml"
}

@test "promtool has nothing to say about the metrics" {
  run promtool check metrics <"$TEXTFILES/embargo.prom"
  [ "$status" -eq 0 ] && [ -z "$output" ] || fail "$output"
}

@test "the metrics that the unit writes come to Prometheus with their values" {
  local expression expected
  while read -r expected expression; do
    sees "$expression" "$expected" || fail "$(value "$expression") instead of $expected: $expression" "$(cat "$TEXTFILES/embargo.prom")" || return 1
  done <<LIST
1 up{job="node"}
0 node_textfile_scrape_error
1 embargo_collector_success
1 embargo_mode{mode="enforce"}
1 embargo_settings_valid
1 embargo_list_info{origin="$ORIGIN",slot="current"}
$(cat "$AUTHOR/version") embargo_list_version
$(cat "$AUTHOR/version") embargo_floor_version
1 embargo_list_digests{kind="base"}
1 embargo_list_bans{action="refuse",standing="in-effect"}
1 embargo_install_last_result{result="ok"}
2 embargo_containers{engine="docker",state="running"}
0 embargo_containers_unknown{engine="docker"}
0 embargo_store_faults
1 embargo_doomed_containers{ban="BAN-2026-0007",severity="critical",engine="docker",restart="always",grounds="banned"}
1 embargo_doomed_containers{ban="BAN-2026-0007",restart="no"}
2 count(embargo_build_info)
1 count(count by (version) (embargo_build_info))
LIST
}

@test "a refusal is counted" {
  use embargo
  ! docker run --rm base:1 true || fail "base:1 was not refused"
  use plain
  write_metrics
  within 10 sees 'embargo_refused_total{ban="BAN-2026-0007",severity="critical"}' 1
  within 10 sees 'embargo_decisions_total{event="refused",grounds="banned",engine="docker"}' 1
}

@test "a runtime name past Embargo is 0, and 1 once Embargo is behind it" {
  use plain
  write_metrics
  within 10 sees 'embargo_runtime_covered{engine="docker",runtime="embargo",role="default"}' 0
  goes EmbargoBypassOpen pending
  use embargo
  write_metrics
  within 10 sees 'embargo_runtime_covered{engine="docker",runtime="embargo",role="default"}' 1
  sees 'embargo_runtime_covered{engine="docker",runtime="runc",role="choice"}' 1
}

@test "a list that ends soon, and doomed containers before a reboot, fire" {
  goes EmbargoListExpires firing
  goes EmbargoDoomedAndRebootPending firing
}

@test "what is not the matter does not fire" {
  local name
  for name in EmbargoNotReporting EmbargoCausesOutage EmbargoSettingsBroken EmbargoListBehind EmbargoListRolledBack EmbargoListDamaged \
    EmbargoListRefusedHere EmbargoBreakGlassOpen EmbargoVersionSkew; do
    [ -z "$(alert "$name")" ] || fail "$name: $(alert "$name")" || return 1
  done
}

@test "settings with a mistake fire, and are quiet again once it is mended" {
  settings 'mode = "enforced"'
  write_metrics
  goes EmbargoSettingsBroken firing
  settings 'max_impact = "100%"'
  write_metrics
  goes EmbargoSettingsBroken ''
}

@test "break-glass and a refused list are pending" {
  "$EMBARGOCTL" break-glass --reason "test of the alert" --for 30m
  ! "$EMBARGOCTL" install "$ROOM/no-such-list"
  write_metrics
  goes EmbargoBreakGlassOpen pending
  goes EmbargoListRefusedHere pending
}

@test "a file that is no longer written is not taken for good news" {
  rm "$TEXTFILES/embargo.prom"
  goes EmbargoNotReporting pending
}
