#!/usr/bin/env bash
# Brings a bare machine to the point where `cargo` can build pgsteward, its WebAssembly included.
#   xtask/setup.sh build   compiler, WebAssembly target, PostgreSQL
#   xtask/setup.sh test    the same, and what the browser tests need
# Each step says what it does and how long it took, does nothing twice, and can be interrupted and run again.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
want=${1:-build}
tools=$top/.toolchain
mkdir -p "$tools/bin"

step() { # step NAME COMMAND…
  local name=$1 start=$SECONDS
  shift
  printf '  %-46s' "$name" >&2
  if "$@" >"$tools/step.log" 2>&1; then
    printf '%4d s\n' $((SECONDS - start)) >&2
  else
    printf 'failed\n' >&2
    tail -n 25 "$tools/step.log" >&2
    exit 1
  fi
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

# apt_install WHAT-FOR PACKAGE…: installs only what dpkg does not know as installed.
apt_install() {
  local name=$1 missing=()
  shift
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || { echo "Missing: ${missing[*]} (no apt-get here: install them by hand)." >&2; exit 1; }
  if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
    echo "Missing: ${missing[*]}. Run: sudo apt-get install ${missing[*]}" >&2
    exit 1
  fi
  [ -e "$tools/apt-updated" ] || { step "package lists" as_root apt-get update; touch "$tools/apt-updated"; }
  step "$name: ${missing[*]:0:2}…" as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}

rustup_has_wasm() {
  command -v rustup >/dev/null || return 1
  rustup target list --installed 2>/dev/null | grep -qx wasm32-unknown-unknown && return 0
  timeout 20 rustup target add wasm32-unknown-unknown >/dev/null 2>&1
}

# Debian's compiler has no standard library for WebAssembly: build it once from its own sources.
build_wasm_sysroot() {
  local work=$tools/wasm-std
  rm -rf "$work" && mkdir -p "$work/src"
  printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n' >"$work/Cargo.toml"
  echo '#![no_std]' >"$work/src/lib.rs"
  (cd "$work" && env -u RUSTFLAGS -u CARGO_TARGET_DIR PATH="$tools/bin:$PATH" RUSTC_BOOTSTRAP=1 \
    "$tools/bin/cargo" build --release -Z build-std=std,panic_abort --target wasm32-unknown-unknown)
  local part=$tools/wasm-sysroot.part lib
  rm -rf "$part"
  lib=$part/lib/rustlib/wasm32-unknown-unknown/lib
  mkdir -p "$lib"
  find "$work/target/wasm32-unknown-unknown/release/deps" -name '*.rlib' ! -name 'libempty-*' -exec cp {} "$lib/" \;
  rm -rf "$tools/wasm-sysroot" "$work"
  mv "$part" "$tools/wasm-sysroot"
  /usr/bin/rustc --version >"$tools/wasm-sysroot/version"
}

set_up_rust() {
  if [ ! -e "$tools/bin/cargo" ] && rustup_has_wasm && rustc --version | awk '{split($2,v,"."); exit !(v[1]>1 || v[2]>=96)}'; then
    : >"$tools/env" # The machine's own toolchain can do everything.
    return
  fi
  command -v cc >/dev/null || apt_install "C compiler" gcc libc6-dev
  apt_install "Rust with WebAssembly" rustc-web cargo-web rust-web-src lld-22 rustfmt-web rust-web-clippy
  local program
  for program in cargo rustc rustdoc rustfmt cargo-fmt cargo-clippy clippy-driver; do
    ln -sf "/usr/bin/$program" "$tools/bin/$program"
  done
  ln -sf /usr/bin/ld.lld-22 "$tools/bin/ld.lld"
  if [ "$(cat "$tools/wasm-sysroot/version" 2>/dev/null)" != "$(/usr/bin/rustc --version)" ]; then
    step "standard library for WebAssembly" build_wasm_sysroot
  fi
  cat >"$tools/env" <<ENV
export PATH="$tools/bin:\$PATH"
export RUSTC="$tools/bin/rustc"
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="--sysroot=$tools/wasm-sysroot"
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-22
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-Clink-arg=-fuse-ld=lld"
ENV
}

set_up_postgres() {
  compgen -G '/usr/lib/postgresql/*/bin/pg_ctl' >/dev/null && compgen -G '/usr/lib/postgresql/*/bin/pg_dump' >/dev/null && return
  command -v pg_ctl >/dev/null && command -v pg_dump >/dev/null && return
  apt_install "PostgreSQL" postgresql
}

set_up_browser() {
  apt_install "Chromium" chromium fonts-inter
  command -v npm >/dev/null || apt_install "Node.js" nodejs npm
  if ! cmp -s end2end/package-lock.json "$tools/package-lock.json" || [ ! -d end2end/node_modules ]; then
    step "Playwright" env PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --prefix end2end --no-audit --no-fund
    cp end2end/package-lock.json "$tools/package-lock.json"
  fi
}

set_up_rust
set_up_postgres
[ "$want" != test ] || set_up_browser
