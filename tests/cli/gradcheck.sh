#!/bin/bash
# retort gradcheck: verdicts for people and machines, and an exit code for scripts.
retort=$(realpath "$1")
inspect=$(realpath "$2")
faulty=$(realpath "$3")
. "$(dirname "$0")/expect.sh"
cd "$scratch" || exit 99
export OMP_WAIT_POLICY=passive

expect_exit 0 "$retort" gradcheck kl
expect_stderr_empty
expect_stdout_matches '^check +verdict +cases +compared +kinks +worst'
for check in shapes differences finite not_finite added weighted inputs memory repeatable threads non_negative \
    zero_at_equality shift_invariant; do
    expect_stdout_matches "^$check +passed +[1-9]"
done
expect_stdout_matches '^speed .* ns a class, [0-9.]+ times kl$'
expect_stdout_contains "kl: 13 passed, 0 failed"
expect_exit 0 "$retort" gradcheck cross_entropy --set label_smoothing=0.1 --seed 7 --skip speed
expect_stdout_matches '^zero_at_equality +- '
expect_stdout_lacks "ns a class"

expect_exit 0 "$retort" gradcheck kl --json
expect_stderr_empty
expect_that "JSON" "$inspect" json "$printed/stdout" >said
expect_that "it passed" grep -q "passed true" said

# A wrong loss: which check, where, what; and no other check fails.
wrong() { # FAULT CHECK WORDS
    expect_exit 1 "$retort" gradcheck "$faulty" --set "fault=$1" --skip speed
    expect_stdout_matches "^$2 +FAILED"
    expect_stdout_matches "^$2: .*$3"
}
wrong gradient differences "student.logits \[1, 2\], teacher.logits \[1, 2\], seed 0: 'student.logits' \[0, 0\]: the gradient"
expect_stdout_contains "faulty: 12 passed, 1 failed"
wrong own_gradient differences "'gain' \[0\]: the gradient is .*, finite differences give"
wrong overwrites added "the gradient becomes"
wrong counts_threads threads "2 threads give other bits than one"
expect_exit 1 "$retort" gradcheck faulty --plugin "$faulty" --set fault=gradient --json
expect_that "JSON" "$inspect" json "$printed/stdout" >said
expect_that "it failed" grep -q "passed false" said
expect_that "where" grep -q "element 'student.logits' \[0, 0\]" said
expect_exit 0 "$retort" gradcheck "$faulty" --set fault=gradient --skip differences
expect_exit 0 "$retort" gradcheck "$faulty"

refused() { # MESSAGE ARGUMENTS...
    local message=$1
    shift
    expect_exit 2 "$retort" gradcheck "$@"
    expect_stdout_empty
    expect_stderr_contains "retort gradcheck: $message"
}
refused "which loss?"
refused "there is no loss 'klm'; did you mean 'kl'?" klm
refused "there is no loss 'cheese'; 'retort list losses' names them" cheese
refused "unexpected argument 'js'" kl js
refused "there is no check 'diferences'; did you mean 'differences'?" kl --skip diferences
refused "unknown key 'temprature' in loss/kl; did you mean 'temperature'?" kl --set temprature=3
refused "'temperature' in loss/kl is 0; it must be from 0.05 to 1000" kl --set temperature=0
refused "--seed '-1': it must be an integer of at least 0" kl --seed -1
refused "plugin './absent.so': No such file or directory" ./absent.so
refused "option '--set' needs a value" kl --set

finish
