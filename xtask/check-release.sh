#!/usr/bin/env bash
# The short path in Chromium on the release build, as `make build` left it: log in, migrate, optimise, back up, import. What
# the tests prove on the dev profile holds for what ships as well: no debug assertion, other optimisation, the same pages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
xtask/setup.sh test
PROFILE=${PROFILE:-release} exec xtask/with-toolchain.sh end2end/node_modules/.bin/playwright test --config end2end \
  --project chain --project import --reporter=list
