#!/usr/bin/env bash
# Runs a command with the compiler that xtask/setup.sh chose: xtask/with-toolchain.sh cargo build
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ ! -r .toolchain/env ] || . .toolchain/env
exec "$@"
