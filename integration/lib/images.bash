# Builds images on the spot, because nothing can be pulled.
#
#   base    what gets banned: a busybox root, one layer
#   app     built on base (RUN and COPY)          deep   built on app
#   other   another root, never banned            cured  built on base, carries the layer that cures the ban
#   empty   no layer at all

# busybox_root DIR MARK: a root file system with a static shell; MARK makes its layer differ from others'.
busybox_root() {
  local name
  mkdir -p "$1/bin" "$1/etc" "$1/tmp" "$1/proc" "$1/dev" "$1/sys"
  cp "$(command -v busybox)" "$1/bin/busybox"
  for name in sh ls cat true false sleep echo touch grep ps kill id env mkdir head stty mount wc trap sed; do
    ln -sf busybox "$1/bin/$name"
  done
  # Ends with 3 when asked to.
  printf '#!/bin/sh\ntrap "exit 3" TERM\nwhile :; do sleep 0.1; done\n' >"$1/bin/loop"
  chmod +x "$1/bin/loop"
  echo 'root:x:0:0:root:/:/bin/sh' >"$1/etc/passwd"
  echo "$2" >"$1/etc/mark"
}

# The build context of every derived image.
BUILD=$ROOM/build
mkdir -p "$BUILD"
printf 'fixed\n' >"$BUILD/fix"
# The same file in the same place with the same time: the same layer, wherever it is built.
touch -d 2026-01-01T00:00:00Z "$BUILD/fix"
cat >"$BUILD/app.dockerfile" <<'FILE'
ARG BASE=base:1
FROM ${BASE}
RUN touch /app
COPY fix /copied
LABEL org.opencontainers.image.source=https://source.example/app org.opencontainers.image.revision=0123abc
CMD ["echo", "app runs"]
FILE
cat >"$BUILD/deep.dockerfile" <<'FILE'
ARG BASE=app:1
FROM ${BASE}
RUN touch /deep
CMD ["echo", "deep runs"]
FILE
cat >"$BUILD/cured.dockerfile" <<'FILE'
ARG BASE=base:1
FROM ${BASE}
COPY fix /fix
CMD ["echo", "cured runs"]
FILE
cat >"$BUILD/empty.dockerfile" <<'FILE'
FROM scratch
LABEL empty=yes
CMD ["/bin/sh"]
FILE

# docker_images: makes all of them in the running Docker, whose default runtime must let them be built.
docker_images() {
  local name
  busybox_root "$ROOM/root-base" base
  busybox_root "$ROOM/root-other" other
  tar -C "$ROOM/root-base" -c . | docker import --change 'ENV PATH=/bin' --change 'CMD ["echo", "base runs"]' - base:1
  tar -C "$ROOM/root-other" -c . | docker import --change 'ENV PATH=/bin' --change 'CMD ["echo", "other runs"]' - other:1
  for name in app deep cured empty; do
    docker build -q -t "$name:1" -f "$BUILD/$name.dockerfile" "$BUILD"
  done
}

# podman_images: the same in the store of Podman and Buildah; names get Podman's localhost/ in front.
podman_images() {
  local name
  busybox_root "$ROOM/root-base" base
  busybox_root "$ROOM/root-other" other
  tar -C "$ROOM/root-base" -c . | podman import -q --change 'ENV PATH=/bin' --change 'CMD ["echo", "base runs"]' - localhost/base:1
  tar -C "$ROOM/root-other" -c . | podman import -q --change 'ENV PATH=/bin' --change 'CMD ["echo", "other runs"]' - localhost/other:1
  for name in app deep cured; do
    podman build -q -t "localhost/$name:1" -f "$BUILD/$name.dockerfile" "$BUILD"
  done
}
