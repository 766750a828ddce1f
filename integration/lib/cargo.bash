# Builds with the toolchain that is there, as the person who called sudo.

TARGET=x86_64-unknown-linux-musl

# as_builder PROGRAM ARGUMENT…
as_builder() {
  if [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then
    runuser -u "$SUDO_USER" -- sh -c 'PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"; exec "$@"' sh "$@"
  else
    PATH=${CARGO_HOME:-$HOME/.cargo}/bin:/root/.cargo/bin:$PATH "$@"
  fi
}

cargo_as_builder() {
  as_builder cargo "$@"
}

# fuzz_as_builder SECONDS: every fuzz target, each so long.
fuzz_as_builder() {
  as_builder tests/fuzz/run "$@"
}

# has_musl: the toolchain has the target, if need be from now on. Only the builder may have a toolchain, so nothing here runs as root.
has_musl() {
  [ -e "$(as_builder rustc --print sysroot)/lib/rustlib/$TARGET" ] || as_builder rustup target add $TARGET
}

# Where cargo puts what it makes.
target_directory() {
  cargo_as_builder metadata --no-deps --format-version 1 | jq -r .target_directory
}

# build_programs PROFILE: `embargo` and `embargoctl`, static: against musl or, where that target cannot be had, glibc. `release` is what a package has,
# `quick` the same without the optimisation of the whole program. Puts the two just built side by side, never one of an earlier build.
build_programs() {
  local target made
  target=$(target_directory) || return 1
  if has_musl; then
    made=$target/$TARGET/$1
    cargo_as_builder build --profile "$1" --target $TARGET --bins || return 1
  else
    echo "no $TARGET here: linking against static glibc"
    made=$target/x86_64-unknown-linux-gnu/$1
    RUSTFLAGS='-C target-feature=+crt-static' cargo_as_builder build --profile "$1" --target x86_64-unknown-linux-gnu --bins || return 1
  fi
  put "$made/embargo" "$target/integration" && put "$made/embargoctl" "$target/integration"
}

# put FILE DIRECTORY: a copy under the same name, replaced at once: a room may be running the one before. All of it stays the builder's.
put() {
  local new=$2/${1##*/}.new
  as_builder install -D -m 0755 "$1" "$new" && as_builder mv "$new" "$2/${1##*/}"
}

# programs: prints the directory with what build_programs made.
programs() {
  printf '%s/integration\n' "$(target_directory)"
}
