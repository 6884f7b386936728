#!/usr/bin/env bash
# Measures the console against its budgets; `make bench` builds the console and its site before it calls this.
#   make bench                  the whole run, about 47 minutes, written to docs/performance.md
#   BENCH_ONLY=import make bench    the import of SQLite files alone; the other numbers stay as they are
#   BENCH_ONLY=restore make bench   restores beside bare pg_restore, alone
#   BENCH_ONLY=sampler make bench   what it costs to watch databases, alone; about 22 minutes
#   BENCH_QUICK=1 make bench    a smoke run of two minutes; its numbers mean little and go to target/bench/performance.md
# The release build is what counts: PROFILE=dev is for working on the bench itself and needs BENCH_QUICK=1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
profile=${PROFILE:-release}
[ "$profile" != debug ] || profile=dev
out=target/$([ "$profile" = dev ] && echo debug || echo "$profile")
quick=()
case ${BENCH_QUICK:-0} in 0 | "") ;; *) quick=(--quick) ;; esac
only=()
[ -z "${BENCH_ONLY:-}" ] || only=(--only "$BENCH_ONLY")
if [ "$profile" = dev ] && [ ${#quick[@]} = 0 ]; then
  echo "the numbers of a dev build say nothing: run make bench without PROFILE, or with BENCH_QUICK=1" >&2
  exit 2
fi
# The same call as in `make build` plus this crate, so that nothing of the console is built twice with other features.
xtask/with-toolchain.sh cargo build --quiet --profile "$profile" --workspace --exclude frontend
exec "$out/bench" --console "$out/pgsteward" --site target/site "${quick[@]}" "${only[@]}"
