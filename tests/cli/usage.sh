#!/bin/bash
# The commands as such: which there are, and what a slip of the fingers gets.
retort=$1
. "$(dirname "$0")/expect.sh"

expect_exit 2 "$retort"
expect_stdout_empty
expect_stderr_contains "usage: retort COMMAND"

expect_exit 2 "$retort" trian
expect_stdout_empty
expect_stderr_contains "retort: there is no command 'trian'; did you mean 'train'?"

expect_exit 2 "$retort" cheese
expect_stderr_contains "there is no command 'cheese'; 'retort help' names them"

expect_exit 2 "$retort" ""
expect_stderr_contains "there is no command ''"

for command in train eval predict check list help loss bench version; do
    expect_exit 0 "$retort" "$command" --help
    expect_stdout_contains "usage: retort $command"
    expect_stderr_empty
done

expect_exit 0 "$retort" --help train
expect_stdout_contains "usage: retort train RECIPE"

# A full disk is an error, a reader that left is not worth a message.
if [ -w /dev/full ]; then
    expect_exit 1 bash -c '"$0" help >/dev/full' "$retort"
    expect_stderr_contains "write standard output: No space left on device"
fi
expect_exit 1 bash -c 'trap "" PIPE; set -o pipefail; { sleep 0.2; "$0" help; } | true' "$retort"
expect_stderr_empty

finish
