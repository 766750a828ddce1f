#!/usr/bin/env bats
# Tests containerd's CRI, called as kubelet does.

load lib/room
load lib/node
load lib/images
load lib/docker
load lib/containerd

STORE=containerd:k8s.io/

setup_file() {
  start_containerd k8s.io
  hear_system_log
  trust_an_author
}

teardown_file() {
  stop_containerd
  stop_daemon system-log
}

setup() {
  export CONTAINERD_NAMESPACE=k8s.io
  settings
  forget_system_log
}

teardown() {
  use plain
  clear_pods
}

image() {
  printf 'docker.io/library/%s\n' "$1"
}

# pod_runs IMAGE [COMMAND…]: a pod with one container, seen to run.
pod_runs() {
  local pod container image=$1
  shift
  pod=$(cri pod pod)
  container=$(cri container "$pod" main "$(image "$image")" -- "$@") || return 1
  cri start "$container" || return 1
  cri exec "$container" -- echo inside
  cri exec "$container" -- sh -c 'exit 4' || echo "exit $?"
  cri stop "$container"
  cri state "$container"
  cri remove "$container"
  clear_pods
}

@test "a pod of an image that is not banned lives as under the plain runtime" {
  ban_and_publish "$(image base:1)"
  works_under_both pod_runs other:1 sleep 1000
}

@test "StartContainer answers with the refusal when the base is banned" {
  ban_and_publish "$(image base:1)"
  refused_only_by_embargo 1 pod_runs app:1 sleep 1000
  [[ $seen == *"rpc error: code ="*"failed to create containerd task"* ]]
}

@test "the refused container is exited, and the rest of its pod lives on" {
  ban_and_publish "$(image base:1)"
  use embargo
  local pod good bad
  pod=$(cri pod pod)
  good=$(cri container "$pod" good "$(image other:1)" -- sleep 1000)
  bad=$(cri container "$pod" bad "$(image deep:1)" -- sleep 1000)
  cri start "$good"
  run cri start "$bad"
  [ "$status" -eq 1 ]
  is_refusal "$output"
  # This engine has no name for it but the ID.
  [[ $output == *"embargo: refused ${bad:0:12}: "* ]]
  [[ $(cri state "$bad") == exited* ]]
  [[ $(cri state "$bad") == *"embargo: refused"* ]]
  [[ $(cri state "$good") == running* ]]
  cri remove "$bad"
}

# sandbox_runs: an empty pod comes up and is removed again.
sandbox_runs() {
  local pod
  pod=$(cri pod pod) || return 1
  clear_pods
}

@test "a pod whose pause image is banned is refused" {
  ban_and_publish "$(image pause:1)"
  refused_only_by_embargo 1 sandbox_runs
  [[ $seen == *"rpc error: code ="* ]]
}

@test "annotations of a pod do not hide the base" {
  ban_and_publish "$(image base:1)"
  use embargo
  local pod container
  pod=$(cri pod pod io.kubernetes.cri.image-name=other:1 io.kubernetes.cri-o.ImageRef=other io.kubernetes.cri-o.ContainerType=sandbox)
  container=$(cri container "$pod" main "$(image app:1)" io.kubernetes.cri.container-type=sandbox io.kubernetes.cri.image-name=other:1 \
    io.kubernetes.cri-o.ContainerType=sandbox io.container.manager=libpod -- sleep 1000)
  run cri start "$container"
  [ "$status" -eq 1 ]
  is_refusal "$output"
}

@test "a new tag does not hide the base" {
  ban_and_publish "$(image base:1)"
  use embargo
  local pod container
  pod=$(cri pod pod)
  ctr -n k8s.io image tag "$(image app:1)" innocent.example/app:1
  container=$(cri container "$pod" main innocent.example/app:1 -- sleep 1000)
  run cri start "$container"
  [ "$status" -eq 1 ]
  is_refusal "$output"
}

@test "a base banned between CreateContainer and StartContainer is refused" {
  ban_nothing
  use embargo
  local pod container
  pod=$(cri pod pod)
  container=$(cri container "$pod" main "$(image app:1)" -- sleep 1000)
  ban_and_publish "$(image base:1)"
  run cri start "$container"
  [ "$status" -eq 1 ]
  is_refusal "$output"
}

@test "a pod whose base is banned while it runs can still be entered, stopped and removed" {
  ban_nothing
  use embargo
  local pod container
  pod=$(cri pod pod)
  container=$(cri container "$pod" main "$(image app:1)" -- sleep 1000)
  cri start "$container"
  ban_and_publish "$(image base:1)"
  cri exec "$container" -- echo inside
  cri stop "$container"
  cri remove "$container"
  clear_pods
}

refuse_a_pod() {
  local pod container
  pod=$(cri pod pod)
  container=$(cri container "$pod" main "$(image app:1)" -- sleep 1000)
  run cri start "$container"
  [ "$status" -eq 1 ]
  clear_pods
}

@test "a refused container leaves nothing behind once its pod is removed" {
  ban_and_publish "$(image base:1)"
  use embargo
  refuse_a_pod
  leaves_nothing refuse_a_pod
}

refuse_a_sandbox() {
  run cri pod pod
  [ "$status" -eq 1 ]
  clear_pods
}

@test "a refused sandbox leaves nothing behind" {
  ban_and_publish "$(image pause:1)"
  use embargo
  refuse_a_sandbox
  leaves_nothing refuse_a_sandbox
}

@test "a refusal in a pod is an audit event with ban, container and chain" {
  ban_and_publish "$(image base:1)"
  use embargo
  local pod container
  pod=$(cri pod pod)
  container=$(cri container "$pod" main "$(image app:1)" -- sleep 1000)
  run cri start "$container"
  [ "$status" -eq 1 ]
  heard EMBARGO_EVENT=refused EMBARGO_BAN=BAN-2026-0007 "EMBARGO_CONTAINER=$container" EMBARGO_ENGINE=containerd EMBARGO_MATCH=sha256: \
    EMBARGO_SOURCE=https://source.example/app EMBARGO_REVISION=0123abc
}
