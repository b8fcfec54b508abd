#!/bin/bash
# Images that cannot be read: found halfway they stop a training, which keeps what it has; or they are left out and counted.
retort=$(readlink -f "$1")
. "$(dirname "$0")/expect.sh"
. "$(dirname "$0")/photographs.sh"
folder=$printed/work
mkdir "$folder"
cd "$folder" || exit 1

make_photographs 6
cp photos/train/a/1.png photos/train/a/2.png photos/val/a/
rmdir photos/val/b
(for image in photos/train/*/*.png; do echo "${image#photos/},$(basename "$(dirname "$image")")"; done) >train.csv
printf 'val/a/1.png,a\r\n"val/a/2.png",a\r\n' >test.csv

cat >run.yaml <<END
retort: 1
data: {reader: image_folder, root: photos, size: 32, mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2]}
student: {model: resnet8}
loss: [cross_entropy: {}]
train: {epochs: 3, batch: 1}
END

# By folder and by list, the same training.
expect_exit 0 "$retort" train run.yaml --out whole
expect_stderr_lacks "left out"
expect_exit 0 "$retort" train run.yaml data.reader=csv data.train=train.csv data.test=test.csv --out listed
expect_that "the same weights" cmp <(tail -c 300000 whole/last.safetensors) <(tail -c 300000 listed/last.safetensors)
printf 'train/a/1.png,a\ntrain/a/9.png,a\n' >wrong.csv
expect_exit 2 "$retort" train run.yaml data.reader=csv data.train=wrong.csv data.test=test.csv --out wrong
expect_stderr_contains "wrong.csv:2:1: cannot open 'photos/train/a/9.png'"
expect_that "nothing was written" test ! -e wrong

# Stopped halfway: exit code 1, for the run had begun; the image is named; the steps before are kept.
cp photos/train/b/3.png good.png
head -c 3000 good.png >photos/train/b/3.png
expect_exit 1 "$retort" train run.yaml --out cut
expect_stderr_contains "cannot read 'photos/train/b/3.png'"
expect_that "no result" test ! -e cut/result.json
expect_that "a checkpoint" test -s cut/checkpoint.safetensors
expect_exit 1 "$retort" train --resume cut
expect_stderr_contains "cannot read 'photos/train/b/3.png'"
cp good.png photos/train/b/3.png
expect_exit 0 "$retort" train --resume cut
expect_that "the bits of a run that was never stopped" cmp whole/last.safetensors cut/last.safetensors

# Left out: named, and counted in result and table.
head -c 3000 good.png >photos/train/b/3.png
echo "no image" >photos/val/a/3.png
expect_exit 0 "$retort" train run.yaml data.corrupt=skip --out skipped
expect_stderr_contains "warning: left out: cannot read 'photos/train/b/3.png'"
expect_stderr_contains "warning: left out: cannot read 'photos/val/a/3.png': neither a JPEG nor a PNG file"
expect_stderr_contains "left out, for they cannot be read: 1 training images, 1 test images"
tr -d ' \n' <skipped/result.json >flat
expect_that "the result counts them" grep -qF '"unreadable_images":{"train":1,"test":1}' flat
finish
