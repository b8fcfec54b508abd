#!/bin/bash
# retort pack: from a folder and from recipes; the same training from either; files that are damaged; a kill on the way.
retort=$(readlink -f "$1")
. "$(dirname "$0")/expect.sh"
. "$(dirname "$0")/photographs.sh"
folder=$printed/work
mkdir "$folder"
cd "$folder" || exit 1

make_photographs 4
cp photos/train/a/1.png photos/val/a/
cp photos/train/b/2.png photos/val/b/

cat >run.yaml <<END
retort: 1
data: {reader: image_folder, root: photos, size: 32, mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2],
       augment: {random_resized_crop: {}, flip: true}}
student: {model: resnet8}
loss: [cross_entropy: {}]
train: {epochs: 2, batch: 4}
END

expect_exit 0 "$retort" pack photos photos.rpk --json
expect_stdout_contains '"train": 8'
expect_stderr_contains "photos.rpk: 8 training and 2 test images"
expect_exit 0 "$retort" pack run.yaml recipe.rpk
expect_stdout_empty
expect_that "recipe and folder give the same file" cmp photos.rpk recipe.rpk
expect_exit 0 "$retort" pack --verify photos.rpk
expect_stderr_contains "all as they were written"
expect_exit 0 "$retort" train run.yaml --out files
expect_exit 0 "$retort" train run.yaml data.reader=pack data.root=photos.rpk data.workers=2 --out packed
expect_that "the same epochs" cmp <(cut -d, -f1-4 files/results.csv) <(cut -d, -f1-4 packed/results.csv)
# The weights' last bytes are the numbers; the header before them names the recipe.
expect_that "the same weights" cmp <(tail -c 300000 files/last.safetensors) <(tail -c 300000 packed/last.safetensors)

# Any reader, with settings from the command line.
expect_exit 0 "$retort" pack made.yaml made.rpk data.samples=10 data.test_samples=5
expect_stderr_contains "made.rpk: 10 training and 5 test images"
expect_exit 0 "$retort" pack photos small.rpk --resize 40
expect_that "resized is smaller" test "$(stat -c %s small.rpk)" -lt 200000

# What is damaged.
size=$(stat -c %s photos.rpk)
cp photos.rpk damaged.rpk
printf '\125' | dd of=damaged.rpk bs=1 seek=5000 conv=notrunc 2>"$scratch/log"
expect_exit 1 "$retort" pack --verify damaged.rpk --json
expect_stdout_contains '"damaged_images"'
expect_stderr_contains "cannot read 'damaged.rpk': training image 0 does not match its checksum"
expect_exit 1 "$retort" train run.yaml data.reader=pack data.root=damaged.rpk --out stopped
expect_stderr_contains "training image 0 does not match its checksum"
expect_exit 0 "$retort" train run.yaml data.reader=pack data.root=damaged.rpk data.corrupt=skip --out skipped
expect_that "the image is counted" grep -q '"train": 1' skipped/result.json
head -c $((size - 3)) photos.rpk >short.rpk
expect_exit 2 "$retort" pack --verify short.rpk
expect_stderr_contains "it has $((size - 3)) bytes and was written with $size"
expect_exit 2 "$retort" train run.yaml data.reader=pack data.root=short.rpk --out none
expect_that "nothing was written" test ! -e none
expect_exit 2 "$retort" pack --verify run.yaml
expect_stderr_contains "not a pack"

# Images that cannot be read.
head -c 2000 photos/train/b/3.png >photos/train/b/9.png
expect_exit 2 "$retort" pack photos broken.rpk
expect_stderr_contains "cannot read 'photos/train/b/9.png'"
expect_that "nothing is there" test -z "$(ls | grep broken)"
expect_exit 0 "$retort" pack photos broken.rpk --corrupt skip --json
expect_stderr_contains "left out: cannot read 'photos/train/b/9.png'"
expect_stdout_contains '"train": 1'
expect_exit 0 "$retort" pack run.yaml broken2.rpk data.corrupt=skip
expect_that "as the recipe says" cmp broken.rpk broken2.rpk
expect_that "but for that image the same" cmp broken.rpk photos.rpk

# A process that is killed while it writes leaves nothing under the name.
mkdir -p many/train/a many/val/a
for i in $(seq 600); do ln photos/train/a/1.png many/train/a/$i.png; done
ln photos/train/a/1.png many/val/a/
"$retort" pack many killed.rpk 2>"$scratch/log" &
for i in $(seq 1000); do
    temporary=$(echo killed.rpk.*.tmp)
    [ -s "$temporary" ] && break
    sleep 0.01
done
kill -9 $!
wait $! 2>"$scratch/log"
expect_that "it was writing" test -s "$temporary"
expect_that "no half of a file" test ! -e killed.rpk
rm -r many "$temporary"

# The command line.
expect_exit 2 "$retort" pack
expect_stderr_contains "needs a folder or a recipe, and a file to write"
expect_exit 2 "$retort" pack photos photos.rpk
expect_stderr_contains "it exists; --force replaces it"
expect_exit 2 "$retort" pack photos x.rpk --resize 0
expect_stderr_contains "--resize '0' must be a whole number from 1 to 8192"
expect_exit 2 "$retort" pack photos x.rpk --corrupt ignore
expect_stderr_contains "--corrupt 'ignore' must be stop or skip"
expect_exit 2 "$retort" pack photos x.rpk data.size=3
expect_stderr_contains "a folder takes no settings"
expect_exit 2 "$retort" pack nowhere x.rpk
expect_exit 2 "$retort" pack --verify photos.rpk --force
expect_exit 2 "$retort" pack photos nowhere/x.rpk
finish
