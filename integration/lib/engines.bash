# Starts containers in Docker, containerd and Podman of a whole machine, as a user of each does. Needs
# room.bash and containerd.bash.

# load_images: the same in Docker, in two namespaces of containerd, and in Podman.
load_images() {
  docker load -q -i "$ROOM/images.tar"
  ctr -n k8s.io image import "$ROOM/images.tar"
  ctr -n default image import "$ROOM/images.tar"
  podman load -q -i "$ROOM/images.tar"
}

# pod_container IMAGE: creates a pod with one container of it, and prints the container's ID.
pod_container() {
  local pod
  pod=$(cri pod "pod-$1") || return 1
  cri container "$pod" main "docker.io/library/$1:1" -- sleep 100000
}

# each_refuses: a container built on the banned base, in each engine as its user starts it.
each_refuses() {
  local container
  clear_pods
  run docker run --rm --network none app:1 true
  [ "$status" -eq 125 ] || fail "docker: exit status $status" "$output" || return 1
  is_refusal "$output" || return 1
  container=$(pod_container app)
  run cri start "$container"
  [ "$status" -eq 1 ] || fail "containerd: exit status $status" "$output" || return 1
  is_refusal "$output" || return 1
  clear_pods
  run podman run --rm --network none localhost/app:1 true
  [ "$status" -eq 126 ] || fail "podman: exit status $status" "$output" || return 1
  is_refusal "$output" || return 1
}

# each_starts [IMAGE]: a container of this image, of `other` if none is named, in each engine.
each_starts() {
  local image=${1:-other} container
  clear_pods
  [ "$(docker run --rm --network none "$image:1")" = "$image runs" ] || fail "docker does not start $image" || return 1
  container=$(pod_container "$image")
  cri start "$container" || fail "containerd does not start $image" || return 1
  [ "$(cri exec "$container" -- echo inside)" = inside ] || fail "containerd does not enter $image" || return 1
  clear_pods
  [ "$(podman run --rm --network none "localhost/$image:1")" = "$image runs" ] || fail "podman does not start $image" || return 1
}
