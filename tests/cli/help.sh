#!/bin/bash
retort=$1
. "$(dirname "$0")/expect.sh"

expect_exit 0 "$retort" help
expect_stderr_empty
for command in train sweep eval predict export inspect check data list help loss gradcheck new bench memo pack version; do
    expect_stdout_matches "^  $command +[^ ]"
done

expect_exit 0 "$retort" help list
expect_stdout_contains "usage: retort list [losses|models"

# Everything that can be listed can be explained, and what is explained has a summary.
for kind in losses models datasets optimizers schedules augmentations layers; do
    expect_exit 0 "$retort" help "$kind"
    names=$("$retort" list "$kind" | sed -e '/^model /d' -e '/^---/d' -e 's/ .*//')
    expect_that "names in list $kind" test -n "$names"
    case $kind in losses) singular=loss ;; *) singular=${kind%s} ;; esac
    for name in $names; do
        expect_exit 0 "$retort" help "$singular/$name"
        expect_stdout_matches "^$singular/$name: [^ ]"
        expect_stdout_contains "In a recipe"
        expect_stderr_empty
    done
done

expect_exit 0 "$retort" help loss/kl
expect_stdout_contains "student.logits"
expect_stdout_contains "gets a gradient"
expect_stdout_matches '^  temperature +number +[0-9]'
expect_stdout_contains "Formula"
expect_stdout_contains "  is 0, with gradients of 0, where student and teacher are equal"
expect_stdout_contains "Reference"
cp "$printed/stdout" "$scratch/qualified"
expect_exit 0 "$retort" help kl
expect_that "help kl is help loss/kl" cmp -s "$printed/stdout" "$scratch/qualified"

expect_exit 0 "$retort" help optimizer/sgd
expect_stdout_matches '^  lr +number +0\.1 +1e-12 to 1000 +learning rate'
expect_stdout_matches '^  nesterov +true or false +false  '
expect_exit 0 "$retort" help schedule/multi_step
expect_stdout_matches '^  milestones +integers +required +1 to 1000000  '
expect_stdout_contains "train: {schedule: {multi_step: {milestones: [...]}}}"
expect_exit 0 "$retort" help model/resnet20
expect_stdout_contains "0.278 M parameters"
expect_exit 0 "$retort" help dataset/cifar
expect_stdout_contains "data: {reader: cifar, root: FOLDER}"

expect_exit 0 "$retort" help recipe
for section in data data.augment teacher student train; do
    expect_stdout_matches "^$section: [^ ]"
done
for key in reader root model weights weight epochs batch seed threads; do
    expect_stdout_matches "^  $key +(integer|number|text) "
done
expect_stdout_matches '^  batch +integer +128 +1 to 65536 +images in a step'

# The page of the losses is made from their descriptors, and is the one in the tree.
expect_exit 0 "$retort" help --markdown losses
expect_stderr_empty
expect_stdout_contains '| `temperature` | number | 4 | 0.05 to 1000 |'
expect_stdout_contains '[arXiv:1503.02531](https://arxiv.org/abs/1503.02531)'
expect_that "losses/README.md is fresh; else: build/retort help --markdown losses >losses/README.md" \
    diff "$(dirname "$0")/../../losses/README.md" "$printed/stdout"
for wrong in "" models "losses models"; do
    expect_exit 2 "$retort" help --markdown $wrong
    expect_stdout_empty
    expect_stderr_contains "--markdown takes 'losses', and nothing else"
done

expect_exit 2 "$retort" help loss/cheese
expect_stdout_empty
expect_stderr_contains "there is no loss 'cheese'; 'retort list losses' names them"
expect_exit 2 "$retort" help loss/cross_entorpy
expect_stderr_contains "there is no loss 'cross_entorpy'; did you mean 'loss/cross_entropy'?"
expect_exit 2 "$retort" help optimiser/sgd
expect_stderr_contains "there is no kind 'optimiser' as in 'optimiser/sgd'; did you mean 'optimizer/sgd'?"
expect_exit 2 "$retort" help resnet2O
expect_stderr_contains "nothing is called 'resnet2O'; did you mean 'resnet20'?"
expect_exit 2 "$retort" help /
expect_stderr_contains "there is no kind '' as in '/'"
expect_exit 2 "$retort" help cheese
expect_stderr_contains "retort help: nothing is called 'cheese'"
expect_exit 2 "$retort" help loss/kl model/resnet20
expect_stderr_contains "one topic at a time"

finish
