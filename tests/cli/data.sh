#!/bin/bash
# retort data preview: one picture of what the network will see.
retort=$(readlink -f "$1")
. "$(dirname "$0")/expect.sh"
folder=$printed/work
mkdir "$folder"
cd "$folder" || exit 1

cat >recipe.yaml <<END
retort: 1
data: {reader: synthetic, classes: 3, samples: 40, augment: {crop: {pad: 4}, flip: true, rand_augment: {}}}
student: {model: resnet8}
loss: [cross_entropy: {}]
train: {epochs: 1}
END
expect_exit 0 "$retort" data preview recipe.yaml sheet.png
expect_stdout_empty
expect_stderr_contains "sheet.png: the first 32 training images of the first epoch, labels"
[ "$(head -c 8 sheet.png | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ] || { echo "not a PNG file"; exit 1; }
# 8 columns and 4 rows of 32 x 32 pixels, three times as large, with 4 between them: 804 x 404.
[ "$(head -c 24 sheet.png | tail -c 8 | od -An -tx1 | tr -d ' \n')" = 0000032400000194 ] || { echo "wrong size"; exit 1; }
cp sheet.png again.png
expect_exit 0 "$retort" data preview recipe.yaml again.png data.workers=3
cmp sheet.png again.png || exit 1
expect_exit 0 "$retort" data preview recipe.yaml again.png seed=1
! cmp -s sheet.png again.png || { echo "the seed changes nothing"; exit 1; }

# Mixed images are shown as they are, with both labels; the larger share comes first.
expect_exit 0 "$retort" data preview recipe.yaml mixed.png data.augment.mixup={}
expect_that "two labels an image, of one share" test \
    "$(grep -oE ' [0-2]\+[0-2]:[0-4]?[0-9]%' "$printed/stderr" | cut -d: -f2 | uniq -c | awk '{print $1}')" = 32
expect_that "the picture is another" test "$(cmp -s sheet.png mixed.png; echo $?)" = 1

expect_exit 2 "$retort" data
expect_stderr_contains "retort data: needs the word preview"
expect_exit 2 "$retort" data preview recipe.yaml
expect_stderr_contains "needs a recipe and a file to write"
expect_exit 2 "$retort" data preview recipe.yaml nowhere/sheet.png
expect_exit 2 "$retort" data preview recipe.yaml other.png data.reader=image_folder data.root=.
[ ! -e other.png ] || exit 1
finish
