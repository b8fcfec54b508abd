#!/bin/bash
retort=$1
. "$(dirname "$0")/expect.sh"

expect_exit 0 "$retort" list
expect_stderr_empty
for kind in losses models datasets optimizers schedules augmentations layers; do
    expect_stdout_matches "^$kind\$"
done
expect_stdout_matches '^  kl +[A-Za-z]'
expect_stdout_matches '^  sgd +stochastic gradient descent'

expect_exit 0 "$retort" list losses
expect_stdout_matches '^cross_entropy  +[^ ]'
expect_stdout_matches '^kl  +[^ ]'
expect_stdout_lacks "sgd"

expect_exit 0 "$retort" list models
expect_stdout_matches '^model +parameters +MACs'
expect_stdout_matches '^resnet20 +0\.278 M +4[01]\.[0-9] M'
expect_stdout_matches '^wrn_40_2 +2\.3 M +328 M'
expect_stdout_matches '^vgg13 +9\.5 M +285 M'
expect_stdout_matches '^mobilenetv2 +0\.813 M +6\.5 M'

expect_exit 0 "$retort" list datasets
expect_stdout_matches '^cifar  '
expect_stdout_matches '^idx  '

expect_exit 0 "$retort" list schedules
expect_stdout_matches '^constant    [^ ]'
expect_stdout_matches '^multi_step  [^ ]'

expect_exit 0 "$retort" list loss
expect_stdout_matches '^kl '

expect_exit 2 "$retort" list loses
expect_stdout_empty
expect_stderr_contains "retort list: there are no 'loses'; did you mean 'losses'?"
expect_stderr_contains "usage: retort list [losses|models|datasets|optimizers|schedules|augmentations|layers]"

expect_exit 2 "$retort" list cheeses
expect_stderr_contains "there are no 'cheeses'"
expect_stderr_lacks "did you mean"

expect_exit 2 "$retort" list losses models
expect_stderr_contains "unexpected argument 'models'"

finish
