# Building, as the person who called sudo, with the toolchain that is there.

TARGET=x86_64-unknown-linux-musl

# as_builder PROGRAM ARGUMENT…
as_builder() {
  if [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then
    runuser -u "$SUDO_USER" -- sh -c 'PATH="$HOME/.cargo/bin:$PATH"; exec "$@"' sh "$@"
  else
    PATH=$HOME/.cargo/bin:/root/.cargo/bin:$PATH "$@"
  fi
}

cargo_as_builder() {
  as_builder cargo "$@"
}

# fuzz_as_builder SECONDS: every fuzz target, each so long.
fuzz_as_builder() {
  as_builder tests/fuzz/run "$@"
}

has_musl() {
  [ -e "$(as_builder rustc --print sysroot)/lib/rustlib/$TARGET" ] || as_builder rustup target add $TARGET
}

target_folder() {
  cargo_as_builder metadata --no-deps --format-version 1 | jq -r .target_directory
}

# build_release: `embargo` statically, against musl or, where that target cannot be had, static glibc; `embargoctl` for the machine.
build_release() {
  if has_musl; then
    cargo_as_builder build --release --target $TARGET --no-default-features --bin embargo
  else
    echo "no $TARGET here: linking against static glibc"
    RUSTFLAGS='-C target-feature=+crt-static' cargo_as_builder build --release --target x86_64-unknown-linux-gnu --no-default-features --bin embargo
  fi && cargo_as_builder build --release --bin embargoctl
}

# release_binaries: prints a folder with what build_release made.
release_binaries() {
  local target folder built
  target=$(target_folder)
  folder=$target/integration
  mkdir -p "$folder"
  for built in "$target/$TARGET/release/embargo" "$target/x86_64-unknown-linux-gnu/release/embargo"; do
    [ ! -e "$built" ] || { cp "$built" "$folder/embargo.new" && mv "$folder/embargo.new" "$folder/embargo"; break; }
  done
  cp "$target/release/embargoctl" "$folder/embargoctl.new"
  mv "$folder/embargoctl.new" "$folder/embargoctl"
  printf '%s\n' "$folder"
}
