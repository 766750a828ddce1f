# Makes containers as CRI-O makes them. Debian has no package of CRI-O itself, so the tools that it
# is made of play its part. The store is containers/storage's own (package containers-storage), the
# caller is conmon. What CRI-O writes and these lines repeat was copied from CRI-O 1.37: the
# record's metadata, the place of the bundle in the run root, the annotations that a pod's author
# can overrule, the runtime's root with `=`.

CRIO_ROOT=/run/crun

stored() {
  containers-storage --graph /var/lib/containers/storage --run /run/containers/storage --storage-driver overlay "$@"
}

# crio_container NAME IMAGE POD [KEY=VALUE…]: creates one, up to where StartContainer goes on; POD is the pod's ID, or `-` where it is the pod's own sandbox. The
# annotations are those that its author asked for. Its ID is in $id.
crio_container() {
  local name=$1 image=$2 pod=$3 bundle kind=container
  shift 3
  id=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
  if [ "$pod" = - ]; then
    pod=$id
    kind=sandbox
  fi
  stored create-container --volatile --id "$id" --name "$name" --metadata "$(crio_metadata "$name" "$image" "$pod")" "$image" >/dev/null
  bundle=/run/containers/storage/overlay-containers/$id/userdata
  mkdir -p "$bundle" "$LOGS/cri-o"
  runc spec --bundle "$bundle"
  jq --arg root "$(stored mount "$id")" --arg id "$id" --arg pod "$pod" --arg kind "$kind" '.root = {path: $root} | .process.terminal = false
    | .process.args = ["sleep", "1000"] | .process.env = ["PATH=/bin"] | .process.rlimits = null | .linux.namespaces |= map(select(.type != "network"))
    | .linux.cgroupsPath = "/pods/crio-" + $id
    | .annotations = ({"io.kubernetes.cri-o.SandboxID": $pod, "io.kubernetes.cri-o.ContainerType": $kind} + ([$ARGS.positional[] | split("=") | {(.[0]): .[1]}] | add // {}))' \
    --args "$@" <"$bundle/config.json" >"$bundle/config.new"
  mv "$bundle/config.new" "$bundle/config.json"
  _OCI_SYNCPIPE=4 conmon -b "$bundle" -c "$id" -u "$id" -n "$name" -r "$RUNTIME" --runtime-arg "--root=$CRIO_ROOT" -P "$bundle/conmon-pidfile" -p "$bundle/pidfile" \
    --exit-dir "$LOGS/cri-o" --socket-dir-path "$LOGS/cri-o" -l "$LOGS/cri-o/$id.log" >"$LOGS/cri-o/$id.conmon" 2>&1 3>&- 4>"$LOGS/cri-o/$id.answer"
  within 5 test -s "$bundle/pidfile"
}

# crio_metadata NAME IMAGE POD: as internal/storage/runtime.go writes it.
crio_metadata() {
  jq -nc --arg name "$1" --arg image "$2" --arg pod "$3" --argjson sandbox "$([ "$3" = "$id" ] && echo true || echo false)" \
    '{"pod-name": "k8s_pod_default_uid_0", "pod-id": $pod, "image-name": $image, "name": $name, "metadata-name": "main", "created-at": 1796004350}
     + if $sandbox then {pod: true} else {} end'
}

crio_start() {
  "$RUNTIME" --root "$CRIO_ROOT" start "$1"
}

crio_remove() {
  "$RUNTIME" --root "$CRIO_ROOT" delete --force "$1"
  stored unmount "$1" >/dev/null
  stored delete-container "$1" >/dev/null
}
