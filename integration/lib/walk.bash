# Prepares what the operator's walk needs: a Docker that calls embargo, two images, and the two
# programs in the directory in which its commands are typed.

WALK=$ROOM/walk

prepare_walk() {
  start_docker
  docker_images >/dev/null 2>&1
  docker tag base:1 registry.example/base:1
  docker tag app:1 registry.example/app:1
  docker tag other:1 registry.example/base:2
  docker rmi base:1 app:1 other:1 deep:1 cured:1 empty:1 >/dev/null 2>&1 || true
  use embargo
  mkdir -p "$WALK" /etc/embargo /var/lib/embargo
  cp "$EMBARGO" "$EMBARGOCTL" "$WALK"
  export PATH=$PATH:/usr/local/bin
}
