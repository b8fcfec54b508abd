#!/usr/bin/env bash
# Sets up, builds and runs the tests; ends with the line 'N passed, N failed, N skipped' and fails if any test does.
#
#   scripts/test.sh [--sanitize] [MESON TEST ARGUMENT ...]
#
# --sanitize builds in build-sanitize/ and runs with the address, leak and undefined-behaviour sanitizers.
# RETORT_DATA names the folder of test data too large for the tree; without it the tests that need it are skipped.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

folder=build
setup=(build)
arguments=(--print-errorlogs)
if [[ ${1:-} == --sanitize ]]; then
    shift
    folder=build-sanitize
    setup=(build-sanitize --buildtype=debugoptimized '-Db_sanitize=address,undefined' -Db_lundef=false)
    arguments+=(--timeout-multiplier 5)
    export ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
    export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"
fi

# Several test programs share the cores: a thread that waits must not hold one.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}

scripts/setup.sh "${setup[@]}"
meson compile -C "$folder"

log=$folder/meson-logs/testlog.json
rm -f "$log"
status=0
meson test -C "$folder" "${arguments[@]}" "$@" || status=$?
if [[ ! -s $log ]]; then
    echo "test: no test ran" >&2
    exit 1
fi

# One line of JSON a test; within a test's own output the quotes are escaped, so this matches nothing but the outcome.
count() { grep -cE "\"result\": \"($1)\"" "$log" || true; }
passed=$(count 'OK|EXPECTEDFAIL')
skipped=$(count SKIP)
failed=$(($(wc -l <"$log") - passed - skipped))
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0)) || exit 1
exit "$status"
