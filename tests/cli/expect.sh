# Sourced by the scripts in this folder: runs commands and checks what they print and how they exit.
#
#   retort=$1
#   . "$(dirname "$0")/expect.sh"
#   expect_exit 2 "$retort" list cheeses
#   expect_stdout_empty
#   expect_stderr_contains "there are no 'cheeses'"
#   finish
#
# Each check speaks about the last expect_exit. A failed one is reported with what was printed, and the script goes on;
# finish prints the count and exits 1 if any failed. skip REASON exits 77, which meson reports as skipped.
# $scratch is an empty folder that is removed at the end.

set -u
if [ ! -x "${retort:-}" ]; then
    echo "no such binary: ${retort:-(none given)}"
    exit 99
fi
scratch=$(mktemp -d "${TMPDIR:-/tmp}/retort-cli-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
export XDG_CACHE_HOME=$scratch/.cache # memos of teachers: not into the cache of whoever runs the tests
checks=0
failures=0
command_line='(nothing ran)'
printed=$(mktemp -d "$scratch/printed-XXXXXX")

skip() {
    echo "skipped: $*"
    exit 77
}

show() { # FILE: its first lines, indented
    head -n 20 "$1" | sed 's/^/    | /'
}

failed() { # MESSAGE
    failures=$((failures + 1))
    echo "FAILED: $command_line"
    echo "  $1"
    echo "  stdout:"
    show "$printed/stdout"
    echo "  stderr:"
    show "$printed/stderr"
}

expect_exit() { # CODE COMMAND...
    local expected=$1 code=0
    shift
    command_line=$*
    checks=$((checks + 1))
    "$@" >"$printed/stdout" 2>"$printed/stderr" </dev/null || code=$?
    [ "$code" -eq "$expected" ] || failed "exit code $code; expected $expected"
}

contains() { # STREAM TEXT
    checks=$((checks + 1))
    grep -qF -e "$2" "$printed/$1" || failed "$1 lacks: $2"
}

lacks() { # STREAM TEXT
    checks=$((checks + 1))
    ! grep -qF -e "$2" "$printed/$1" || failed "$1 has: $2"
}

is_empty() { # STREAM
    checks=$((checks + 1))
    [ ! -s "$printed/$1" ] || failed "$1 is not empty"
}

expect_stdout_contains() { contains stdout "$1"; }
expect_stderr_contains() { contains stderr "$1"; }
expect_stdout_lacks() { lacks stdout "$1"; }
expect_stderr_lacks() { lacks stderr "$1"; }
expect_stdout_empty() { is_empty stdout; }
expect_stderr_empty() { is_empty stderr; }

expect_stdout_matches() { # an extended regular expression that some line matches
    checks=$((checks + 1))
    grep -qE -e "$1" "$printed/stdout" || failed "no line of stdout matches: $1"
}

expect_that() { # WORDS COMMAND...: the command succeeds
    local words=$1
    shift
    checks=$((checks + 1))
    "$@" || failed "$words"
}

finish() {
    echo "$checks checks, $failures failed"
    [ "$checks" -gt 0 ] && [ "$failures" -eq 0 ]
    exit
}
