#!/bin/bash
retort=$1
. "$(dirname "$0")/expect.sh"

expect_exit 0 "$retort" version
expect_stderr_empty
expect_stdout_matches '^retort +[0-9]+\.[0-9]+\.[0-9]+$'
expect_stdout_matches '^engine +oneDNN [0-9]+\.[0-9]+\.[0-9]+, kernels for [A-Za-z0-9]'
expect_stdout_matches '^compiler +(gcc|clang) [0-9]+'
expect_stdout_matches '^CPU +.+, [0-9]+ usable$'
expect_stdout_matches '^libraries +libyaml [0-9.]+, jansson [0-9.]+, zlib [0-9.]+'
cp "$printed/stdout" "$scratch/version"
expect_exit 0 "$retort" --version
expect_that "--version is version" cmp -s "$printed/stdout" "$scratch/version"

expect_exit 2 "$retort" version now
expect_stdout_empty
expect_stderr_contains "retort version: unexpected argument 'now'"

finish
