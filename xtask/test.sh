#!/usr/bin/env bash
# Runs tests, quick ones first, and adds up their results. The last line is "N passed, N failed".
#   xtask/test.sh           everything
#   xtask/test.sh browser   only the browser tests: a build of the console and the site, then Chromium
# A step that fails without having counted a failed test counts as one failed test, so that nothing fails silently.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
only=${1:-all}
profile=${PROFILE:-release}
[ "$profile" != debug ] || profile=dev
out=target/$([ "$profile" = dev ] && echo debug || echo "$profile")
wasm_profile=wasm-release
site_flags=()
[ "$profile" != dev ] || { site_flags=(--dev); wasm_profile=wasm-dev; }
features=engine/test-jobs,server/test-jobs
log=target/test-logs
mkdir -p "$log"
passed=0
failed=0
broken=()

finish() {
  if [ ${#broken[@]} -gt 0 ]; then printf '\nFailed: %s\n' "$(IFS=,; echo "${broken[*]}")"; fi
  printf '%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" = 0 ]
  exit
}

# add NAME EXIT-CODE PASSED FAILED: books one step.
add() {
  local name=$1 code=$2 ok=$3 bad=$4
  if [ "$code" != 0 ] && [ "$bad" = 0 ]; then bad=1; fi
  passed=$((passed + ok))
  failed=$((failed + bad))
  [ "$bad" = 0 ] || broken+=(" $name")
}

# one NAME COMMAND…: a step that is one test.
one() {
  local name=$1 code=0 start=$SECONDS
  shift
  echo "== $name"
  "$@" </dev/null || code=$?
  echo "   $([ $code = 0 ] && echo ok || echo FAILED), $((SECONDS - start)) s"
  if [ $code = 0 ]; then add "$name" 0 1 0; else add "$name" $code 0 1; fi
  return $code
}

# Sums up the result lines of libtest, one a test binary.
cargo_tests() {
  local code=0 sums
  echo "== Rust tests"
  xtask/with-toolchain.sh cargo test --profile "$profile" --features "$features" --no-fail-fast </dev/null 2>&1 \
    | tee "$log/cargo.log" || code=$?
  sums=$(awk '/^test result: /{for (i = 2; i <= NF; i++) {if ($i == "passed;") p += $(i-1); if ($i == "failed;") f += $(i-1)}} END {print p+0, f+0}' "$log/cargo.log")
  add "Rust tests" $code $sums
}

browser_tests() {
  local code=0 sums
  echo "== Browser tests"
  rm -f "$log/browser.json"
  PLAYWRIGHT_JSON_OUTPUT_FILE="$PWD/$log/browser.json" PROFILE=$profile xtask/with-toolchain.sh \
    end2end/node_modules/.bin/playwright test --config end2end --reporter=list,json </dev/null || code=$?
  sums=$(xtask/with-toolchain.sh node -e '
    const { stats } = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
    console.log(stats.expected + stats.flaky, stats.unexpected);' "$log/browser.json" 2>/dev/null) || sums="0 0"
  add "browser tests" $code $sums
}

echo "== Set-up"
if ! xtask/setup.sh test; then
  add set-up 1 0 1
  finish
fi
if [ "$only" = all ]; then
  one "code format" xtask/with-toolchain.sh cargo fmt --check
  one "contract for WebAssembly" xtask/with-toolchain.sh cargo check --quiet -p contract --target wasm32-unknown-unknown --profile "$wasm_profile"
  one "frontend for WebAssembly" xtask/with-toolchain.sh cargo check --quiet -p frontend --target wasm32-unknown-unknown --profile "$wasm_profile"
  cargo_tests
fi
# The browser needs the binary with the job kind that only tests use, and the site that goes with it.
one "console and site for the browser" xtask/with-toolchain.sh bash -c "
  cargo build --quiet --profile $profile --features $features && $out/xtask site ${site_flags[*]}" && browser_tests
finish
