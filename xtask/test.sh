#!/usr/bin/env bash
# Runs tests, quick ones first, and adds up their results. The last line is "N passed, N failed".
#   xtask/test.sh           everything
#   xtask/test.sh browser   only the browser tests: a build of the console and the site, then Chromium
# The console and the tests are built in the dev profile (PROFILE=release: as it ships), the WebAssembly always as it ships.
# A step that fails without having counted a failed test counts as one failed test, so that nothing fails silently.
# A failed test is run once more by itself. One that passes then is unsteady: the run is green, and names it at its end.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
only=${1:-all}
profile=${PROFILE:-dev}
[ "$profile" != debug ] || profile=dev
out=target/$([ "$profile" = dev ] && echo debug || echo "$profile")
features=engine/test-jobs,server/test-jobs
with=xtask/with-toolchain.sh
log=target/test-logs
mkdir -p "$log"
passed=0
failed=0
broken=()
unsteady=()
times=()

finish() {
  printf '\n%-34s %6s\n' step seconds
  printf '%s\n' "${times[@]}" "$(printf '%-34s %6d' 'all of it' $SECONDS)"
  local name
  if [ ${#unsteady[@]} -gt 0 ]; then
    printf '\nUnsteady, passed when run once more (mend each, or write its cause down; all of them: %s):\n' "$log/unsteady.log"
    printf '  %s\n' "${unsteady[@]}"
    for name in "${unsteady[@]}"; do
      printf '%s %s %s\n' "$(date -u +%FT%TZ)" "$(git rev-parse --short HEAD 2>/dev/null)" "$name" >>"$log/unsteady.log"
    done
  fi
  if [ ${#broken[@]} -gt 0 ]; then
    printf '\nFailed:\n'
    printf '  %s\n' "${broken[@]}"
  fi
  printf '%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" = 0 ]
  exit
}

# took NAME START: books the time since START, in seconds of this script.
took() { times+=("$(printf '%-34s %6d' "$1" $((SECONDS - $2)))"); }

# fails NAME: a step failed that counts no tests of its own.
fails() {
  failed=$((failed + 1))
  broken+=("$1")
}

# one NAME COMMAND…: a step that is one test.
one() {
  local name=$1 start=$SECONDS
  shift
  echo "== $name"
  if "$@" </dev/null; then passed=$((passed + 1)); else fails "$name"; fi
  took "$name" "$start"
}

# results NAME EXIT-CODE FILE: books the tests of a step from a file of lines "passed N", "failed NAME", "unsteady NAME", "unrun N".
results() {
  local name=$1 code=$2 file=$3 word rest before=$failed
  if [ -r "$file" ]; then
    while read -r word rest; do
      case $word in
        passed) passed=$((passed + rest)) ;;
        failed) fails "$rest" ;;
        unsteady) unsteady+=("$rest") ;;
        # One line for all of them: the names of what failed are the last thing that is read.
        unrun)
          failed=$((failed + rest))
          broken+=("$name: $rest never ran, because one before them failed")
          ;;
      esac
    done <"$file"
  fi
  if [ "$code" != 0 ] && [ "$failed" = "$before" ]; then fails "$name"; fi
}

rust_tests() {
  local code=0 start=$SECONDS
  echo "== Rust tests"
  rm -f "$log/rust.result"
  $with "$out/xtask" tests "$profile" "$features" </dev/null || code=$?
  results "Rust tests" $code "$log/rust.result"
  took "Rust tests" "$start"
}

browser_tests() {
  local code=0 start=$SECONDS
  echo "== Browser tests"
  rm -f "$log/browser.json" "$log/browser.result"
  PLAYWRIGHT_JSON_OUTPUT_FILE="$PWD/$log/browser.json" PROFILE=$profile $with \
    end2end/node_modules/.bin/playwright test --config end2end --reporter=list,json </dev/null || code=$?
  [ ! -r "$log/browser.json" ] || $with node xtask/browser-results.mjs "$log/browser.json" >"$log/browser.result"
  results "browser tests" $code "$log/browser.result"
  took "browser tests" "$start"
}

start=$SECONDS
echo "== Set-up"
if ! xtask/setup.sh test; then
  fails set-up
  finish
fi
took set-up "$start"

# One selection of packages for all builds, so that nothing is compiled twice for other features of a dependency.
start=$SECONDS
echo "== Build steps"
if ! $with cargo build --quiet --profile "$profile" --features "$features" --bin xtask </dev/null; then
  fails "build steps"
  finish
fi
took "build steps (xtask)" "$start"

# Its last part, link-time optimisation, keeps one processor busy: the tests are compiled beside it.
$with "$out/xtask" site </dev/null >"$log/site.log" 2>&1 &
site=$!
if [ "$only" = all ]; then
  one "code format" $with cargo fmt --check
  one "tests and console compiled" $with cargo test --quiet --no-run --profile "$profile" --features "$features"
else
  one "console compiled" $with cargo build --quiet --profile "$profile" --features "$features"
fi
finish_site() {
  local code=0
  wait $site || code=$?
  cat "$log/site.log"
  return $code
}
one "site for the browser" finish_site
[ "$only" != all ] || rust_tests
[ "$failed" -gt 0 ] && [ ! -x "$out/pgsteward" ] || browser_tests
finish
