#!/bin/bash
# retort loss: JSON alone on stdout, the gradient in a file, and nothing written where something is wrong.
retort=$(realpath "$1")
. "$(dirname "$0")/expect.sh"
cd "$scratch" || exit 99

npy() { # FILE DESCR SHAPE BYTES: a version 1.0 file with a header of 64 characters; BYTES as printf takes them
    printf '\x93NUMPY\x01\x00\x40\x00%-63s\n%b' "{'descr': '$2', 'fortran_order': False, 'shape': $3}" "$4" >"$1"
}

one='\x00\x00\x80\x3f'
zero='\x00\x00\x00\x00'
npy student.npy '<f4' '(1, 2)' "$zero$zero"
npy teacher.npy '<f4' '(1, 2)' "$one$one"
npy wide.npy '<f8' '(1, 2)' '\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\xf0\x3f'
npy labels.npy '|u1' '(1,)' '\x00'
npy many.npy '|u1' '(2,)' '\x00\x00'
npy nan.npy '<f4' '(1, 2)' "$zero\\x00\\x00\\xc0\\x7f"
inputs=(--student student.npy --teacher teacher.npy --labels labels.npy)

expect_exit 0 "$retort" loss cross_entropy "${inputs[@]}" --grad gradient.npy
expect_stderr_empty
expect_stdout_matches '^\{"loss": 0\.69314718055994(53|529)\}$'
printf '\x00\x00\x00\xbf\x00\x00\x00\x3f' >expected # -0.5, 0.5
expect_that "the gradient is -0.5, 0.5" cmp -s expected <(tail -c 8 gradient.npy)
expect_that "the gradient is float32 [1, 2]" grep -aqF "'<f4', 'fortran_order': False, 'shape': (1, 2)" gradient.npy
rm gradient.npy

# A mixed image: a quarter is of class 1.
npy mixed.npy '|u1' '(1,)' '\x01'
npy quarter.npy '<f4' '(1,)' '\x00\x00\x80\x3e'
expect_exit 0 "$retort" loss cross_entropy "${inputs[@]}" --mixed-labels mixed.npy --mixed-shares quarter.npy \
    --grad gradient.npy
expect_stdout_matches '^\{"loss": 0\.69314718055994(53|529)\}$'
printf '\x00\x00\x80\xbe\x00\x00\x80\x3e' >expected # -0.25, 0.25
expect_that "the gradient is -0.25, 0.25" cmp -s expected <(tail -c 8 gradient.npy)
rm gradient.npy
expect_exit 2 "$retort" loss cross_entropy "${inputs[@]}" --mixed-labels mixed.npy
expect_stderr_contains "loss 'cross_entropy' needs 'mixed.shares' beside 'mixed.labels'"

expect_exit 0 "$retort" loss kl --student student.npy --teacher=wide.npy --set temperature=2 --set temperature=3
expect_stdout_matches '^\{"loss": 0\}$'
expect_that "no gradient without --grad" test ! -e gradient.npy

# Features: a vector a sample is what a map is flattened to.
npy flat.npy '<f4' '(2, 2)' "$one$zero$zero$one"
npy map.npy '<f4' '(2, 1, 2, 1)' "$one$one$one$one"
expect_exit 0 "$retort" loss similarity --student-features flat.npy --teacher-features map.npy --grad gradient.npy
expect_stdout_matches '^\{"loss": 0\.29289321881345[0-9]*\}$' # (2 (1 - sqrt(1/2))^2 + 2 / 2) / 4
expect_that "the gradient has the features' shape" grep -aqF "'shape': (2, 2)" gradient.npy
rm gradient.npy
expect_exit 0 "$retort" loss attention --student-features map.npy --teacher-features map.npy
expect_stdout_matches '^\{"loss": 0\}$'

refused() { # MESSAGE ARGUMENTS...
    local message=$1
    shift
    expect_exit 2 "$retort" loss "$@" --grad gradient.npy
    expect_stdout_empty
    expect_stderr_contains "retort loss: $message"
    expect_that "nothing is written" test ! -e gradient.npy
}
refused "which loss?"
refused "there is no loss 'cross_entrpy'; did you mean 'cross_entropy'?" cross_entrpy "${inputs[@]}"
refused "there is no loss 'cheese'; 'retort list losses' names them" cheese
refused "unexpected argument 'kl'" kl kl
refused "unknown option '--techer'" kl --techer teacher.npy
refused "--student is given twice" kl "${inputs[@]}" --student student.npy
refused "loss 'kl' needs --teacher" kl --student student.npy --labels labels.npy
refused "loss 'cross_entropy' needs --labels" cross_entropy --student student.npy
refused "loss 'similarity' needs --teacher-features" similarity --student-features flat.npy "${inputs[@]}"
refused "loss 'attention': 'student.features' has shape [2, 2]; it must be [N H W K]" \
    attention --student-features flat.npy --teacher-features map.npy
refused "unknown key 'temprature' in loss/kl; did you mean 'temperature'?" kl "${inputs[@]}" --set temprature=3
refused "'temperature' in loss/kl is 0; it must be from 0.05 to 1000" kl "${inputs[@]}" --set temperature=0
refused "cannot open 'absent.npy': No such file" kl --student absent.npy --teacher teacher.npy
refused "cannot read 'expected': not a .npy file" kl --student expected --teacher teacher.npy
refused "loss 'kl': 'teacher.logits' must hold floating-point numbers" kl --student student.npy --teacher labels.npy
refused "loss 'cross_entropy': N is 1 in 'student.logits' and 2 in 'labels'; they must be equal" \
    cross_entropy --student student.npy --labels many.npy
refused "loss 'kl': 'teacher.logits' of sample 0, class 1 is nan; it must be finite" \
    kl --student student.npy --teacher nan.npy

expect_exit 2 "$retort" loss kl "${inputs[@]}" --grad absent/gradient.npy
expect_stdout_empty
expect_stderr_contains "cannot write 'absent/gradient.npy'"

finish
