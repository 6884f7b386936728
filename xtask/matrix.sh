#!/usr/bin/env bash
# The console on PostgreSQL 14 to 18 with the client tools of each version that can speak to it, behind TLS and PgBouncer, on a
# standby, and with every kind of SQLite file. Prints a table; the last line is "N passed, N failed".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
xtask/setup.sh test
exec xtask/with-toolchain.sh cargo test --quiet --features engine/test-jobs,server/test-jobs,server/every-version \
  --test every_version
