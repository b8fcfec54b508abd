#!/bin/bash
# Teacher memos: the same bits without one, with an empty, a full and a partly filled one; retort memo.
retort=$(realpath "$1")
inspect=$(realpath "$2")
. "$(dirname "$0")/expect.sh"
cd "$scratch" || exit 99
export OMP_WAIT_POLICY=passive

cat >teacher.yaml <<'END_RECIPE'
retort: 1
data: {reader: synthetic, shape: [3, 12, 12], classes: 6, samples: 400, test_samples: 60}
student: {model: resnet8}
loss: [cross_entropy]
train: {epochs: 4, batch: 50}
threads: 2
END_RECIPE
cat >run.yaml <<'END_RECIPE'
retort: 1
data: {reader: synthetic, shape: [3, 12, 12], classes: 6, samples: 400, test_samples: 60,
       mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2], augment: {crop: {pad: 1}, flip: true}}
teacher: {model: resnet8, weights: teacher/last.safetensors, memo: off}
student: {model: convnet, hidden: 8}
loss: [cross_entropy: {weight: 0.1}, kl: {weight: 0.9}]
train: {epochs: 6, batch: 37, optimizer: {sgd: {lr: 0.02}}}
threads: 2
END_RECIPE
value() { # FILE PATH: of a JSON file
    "$inspect" json "$1" | sed -n "s/^$2 //p"
}
counts() { # FOLDER: logits from the memo, computed, damaged, kept
    for name in from_memo computed damaged kept; do
        value "$1/result.json" training.teacher_logits.$name
    done | tr '\n' ' '
}
trained() { # FOLDER ARGUMENTS...
    local folder=$1
    shift
    expect_exit 0 "$retort" train run.yaml "$@" --out "$folder"
}
same() { # FOLDER FOLDER: the same training, to the last bit
    for file in last.safetensors best.safetensors; do
        expect_that "$1 and $2 have the same $file" cmp -s "$1/$file" "$2/$file"
    done
    expect_that "$1 and $2 have the same results" cmp -s <(sed 's/,[^,]*,[^,]*$//' "$1/results.csv") \
        <(sed 's/,[^,]*,[^,]*$//' "$2/results.csv")
}
expect_counts() { # FOLDER COUNTS
    local found
    found=$(counts "$1")
    expect_that "$1 has logits from the memo, computed, damaged, kept: $found, not $2" test "$found" = "$2 "
}

expect_exit 0 "$retort" train teacher.yaml --out teacher
trained without
expect_stderr_contains "student  no memo: the recipe says off"
expect_counts without "0 2400 0 0"
expect_that "nothing in the cache" test ! -e "$XDG_CACHE_HOME"

# Empty, full, in part, for another recipe of the same teacher, in a later process.
trained cold teacher.memo=./one.memo
same cold without
expect_stderr_contains "student  memo './one.memo', up to "
misses=$(value cold/result.json training.teacher_logits.computed)
expect_counts cold "$((2400 - misses)) $misses 0 $misses"
expect_that "some variants came again" test "$misses" -gt 400 -a "$misses" -lt 2300
trained warm teacher.memo=./one.memo
same warm without
expect_counts warm "2400 0 0 0"
trained part teacher.memo=./part.memo train.epochs=2
expect_that "not all" test "$(counts part | cut -d ' ' -f 2)" -lt "$misses"
trained partly teacher.memo=./part.memo
same partly without
expect_that "hits and misses in one run" test "$(value partly/result.json training.teacher_logits.computed)" -gt 100 -a \
    "$(value partly/result.json training.teacher_logits.from_memo)" -gt 800
other=(student='{model: resnet8, width: 0.25}' train.batch=64 data.limit=150 loss='[kl: {temperature: 2}]')
trained other_without "${other[@]}"
trained other teacher.memo=./one.memo "${other[@]}"
same other other_without
expect_that "the memo served another student, batch and loss" test \
    "$(value other/result.json training.teacher_logits.from_memo)" = 900

# A flip less makes no other memo: its images are among those of one with flips.
trained unflipped teacher.memo=./one.memo data.augment.flip=false train.epochs=2
expect_that "shared without flips" test "$(value unflipped/result.json training.teacher_logits.from_memo)" -gt 200

# auto: a file of its own name below the cache, found again.
trained auto teacher.memo=auto
same auto without
file=$(echo "$XDG_CACHE_HOME"/retort/resnet8-*.memo)
expect_that "a file" test -f "$file"
trained again teacher.memo=auto
expect_counts again "2400 0 0 0"
same again without
trained unnormalised teacher.memo=auto data.std='[0.3, 0.3, 0.3]' train.epochs=1
expect_that "another normalisation, another file" test "$(ls "$XDG_CACHE_HOME/retort" | wc -l)" = 2
expect_exit 0 env -u XDG_CACHE_HOME -u HOME "$retort" train run.yaml teacher.memo=auto --out homeless
expect_stderr_contains "no memo: neither XDG_CACHE_HOME nor HOME names a folder for it"
same homeless without
echo "not a folder" >occupied
expect_exit 0 env XDG_CACHE_HOME="$scratch/occupied" "$retort" train run.yaml teacher.memo=auto --out hindered
expect_stderr_contains "no memo: cannot make folder"
same hindered without

# A teacher that the recipe trains, and a run that is killed: resumed, it has the bits of one that was not.
staged=(teacher='{model: resnet8, width: 0.5, train: {epochs: 2, batch: 50}, memo: ./staged.memo}' train.epochs=40)
trained staged_whole "${staged[@]}" teacher.memo=off
"$retort" train run.yaml "${staged[@]}" --out staged >"$printed/stdout" 2>"$printed/stderr" </dev/null &
process=$!
while kill -0 $process 2>"$scratch/gone" && [ "$(cat staged/results.csv 2>"$scratch/gone" | wc -l)" -lt 4 ]; do
    sleep 0.01
done
kill -KILL $process 2>"$scratch/gone"
wait $process 2>"$scratch/gone"
expect_that "it was not finished" test ! -e staged/result.json
expect_exit 0 "$retort" train --resume staged
same staged staged_whole
expect_that "the memo was of use" test "$(value staged/result.json training.teacher_logits.from_memo)" -gt 1000
expect_exit 0 "$retort" memo verify staged.memo staged
expect_stdout_matches '^computed again +256 equal, 0 different$'
# Images that are mixed have no number: there is no memo, and one that is asked for by name is refused.
expect_exit 2 "$retort" train run.yaml teacher.memo=./mixed.memo data.augment.mixup={} --out refused
expect_stderr_contains "memo './mixed.memo' is of no use here: the augmentation has no finite number of variants"
expect_exit 0 "$retort" train run.yaml teacher.memo=auto data.augment.cutmix={} train.epochs=1 --out mixed
expect_stderr_contains "no memo: the augmentation has no finite number of variants"
expect_exit 2 "$retort" train run.yaml "${staged[@]}" data.mean='[0.4, 0.5, 0.5]' --out refused
expect_stderr_contains "memo './staged.memo' is of other logits: normalisation differs: '0.5/0.2"
expect_that "nothing was trained" test ! -e refused

# Two at once on one file.
"$retort" train run.yaml teacher.memo=./both.memo --out both1 2>"$scratch/one.log" &
expect_exit 0 "$retort" train run.yaml teacher.memo=./both.memo --out both2
wait $!
same both1 without
same both2 without
expect_exit 0 "$retort" memo verify both.memo run.yaml --sample 100000 --json
expect_that "as many as were wanted: all right" test "$(value "$printed/stdout" present)" = "$misses" -a \
    "$(value "$printed/stdout" computed_again.equal)" = "$misses" -a "$(value "$printed/stdout" damaged)" = 0

# Damage is found, told, and mended.
cp one.memo damaged.memo
for byte in 5000 9000 20000 100000; do
    printf 'DAMAGED!' | dd of=damaged.memo bs=1 seek=$byte conv=notrunc status=none
done
expect_exit 1 "$retort" memo verify damaged.memo
expect_stderr_contains "retort memo: 'damaged.memo' has "
expect_stderr_contains " damaged entries, which are computed again when they are wanted"
expect_exit 0 "$retort" memo info damaged.memo
trained mended teacher.memo=./damaged.memo
same mended without
expect_that "damage in result.json" test "$(value mended/result.json training.teacher_logits.damaged)" -ge 1
# An entry with a good checksum that no teacher computed: another teacher's file with this one's header.
"$retort" train teacher.yaml seed=9 --out teacher9 2>"$scratch/log"
trained forger teacher.memo=./forged.memo teacher.weights=teacher9/last.safetensors train.epochs=1
dd if=one.memo of=forged.memo bs=4096 count=1 conv=notrunc status=none
expect_exit 1 "$retort" memo verify forged.memo run.yaml
expect_stderr_contains "and WRONG ones: do not use it"
expect_stdout_matches '^computed again +0 equal, 256 different$'

# fp16: rounded the same whether kept or not; half as large; not the bits of fp32.
half=(teacher.memo_precision=fp16)
trained half_cold teacher.memo=./half.memo "${half[@]}"
trained half_warm teacher.memo=./half.memo "${half[@]}"
expect_counts half_warm "2400 0 0 0"
same half_warm half_cold
expect_that "fp16 changes bits" bash -c '! cmp -s half_cold/last.safetensors without/last.safetensors'
expect_exit 0 env -u XDG_CACHE_HOME -u HOME "$retort" train run.yaml teacher.memo=auto "${half[@]}" --out half_homeless
same half_homeless half_cold
expect_exit 0 "$retort" memo verify half.memo run.yaml
expect_stdout_matches '^logits +400 images x 18 variants x 6 classes, fp16$'

# Other logits are refused by name, before anything is written; so is what is no memo.
refused() { # MESSAGE ARGUMENTS...
    local message=$1
    shift
    for command in train check; do
        expect_exit 2 "$retort" $command run.yaml teacher.memo=./one.memo "$@"
        expect_stderr_contains "$message"
    done
    expect_that "no folder" test ! -e runs
}
cksum one.memo >before
refused "memo './one.memo' is of other logits: teacher weights differs: '" teacher.weights=teacher9/last.safetensors
expect_stderr_contains "; so do: computed bits; move the file away, or name another"
refused "teacher model differs: 'resnet8 width=1 " teacher='{model: resnet8, weights: staged/teacher/last.safetensors,
    memo: ./one.memo}'
refused "training images differs: '400 of 12 x 12 x 3, " data.samples=401
refused "training images differs: '400 of 12 x 12 x 3, " seed=1
refused "normalisation differs: '0.5/0.200000003 0.5/0.200000003 0.5/0.200000003' there, '0.25/" data.mean='[0.25, 0.5, 0.5]'
refused "augmentation differs: 'crop pad 1, flip' there, 'crop pad 2, flip' here" data.augment.crop.pad=2
refused "threads differs: '2' there, '1' here" threads=1
refused "precision differs: fp32 there, fp16 here" teacher.memo_precision=fp16
expect_that "the file is as it was" cmp -s before <(cksum one.memo)
cp one.memo good.memo
truncate -s -1 one.memo
refused "bytes; its header asks for"
echo garbage >one.memo
refused "'./one.memo' is not a memo of teacher logits: it has only 8 bytes"
head -c 10000 /dev/zero >one.memo
refused "'./one.memo' is not a memo of teacher logits: it does not begin as one"
cp good.memo one.memo
expect_exit 2 "$retort" train run.yaml teacher.memo=nowhere/one.memo --out refused
expect_stderr_contains "memo 'nowhere/one.memo': cannot make it: No such file or directory"
refused "command line:2:9: unknown key 'memo' in student" student.memo=off

# A file that may only be read is read. (Root may write everything.)
if [ "$(id -u)" != 0 ]; then
    cp part.memo fixed.memo
    chmod a-w fixed.memo
    trained fixed teacher.memo=./fixed.memo
    expect_stderr_contains "; the memo takes no more: the file may only be read"
    same fixed without
fi

# check tells which memo it would be.
expect_exit 0 "$retort" check run.yaml teacher.memo=./one.memo
expect_stdout_matches "^memo: './one.memo', [0-9.]+ % filled; [0-9.]+ MB on the disk, up to 0\.[0-9] MB when full\$"
expect_exit 0 "$retort" check run.yaml teacher.memo=./new.memo
expect_stdout_matches "^memo: './new.memo', not there yet; up to 0\.[0-9] MB when full\$"
expect_that "nothing is made" test ! -e new.memo
expect_exit 0 "$retort" check run.yaml
expect_stdout_contains "memo: none: the recipe says off"
expect_exit 0 "$retort" check run.yaml data.samples=260000 data.augment.crop.pad=11 teacher.memo=auto
expect_stdout_contains "memo: none: it could grow to 8.8 GB; beyond 8.6 GB the recipe must name a file"

# The command line.
misused() { # MESSAGE ARGUMENTS...
    local message=$1
    shift
    expect_exit 2 "$retort" memo "$@"
    expect_stdout_empty
    expect_stderr_contains "$message"
}
expect_exit 0 "$retort" memo info good.memo
expect_stdout_matches '^logits +400 images x 18 variants x 6 classes, fp32$'
expect_stdout_matches '^filled +[0-9]+ of 7200 entries \([0-9.]+ %\), 0 damaged$'
expect_stdout_matches '^teacher weights +[0-9a-f]{32}$'
expect_stdout_lacks "computed again"
expect_exit 0 "$retort" memo verify good.memo run.yaml --sample 10
expect_stdout_matches '^computed again +10 equal, 0 different$'
misused "what is to be done? info or verify"
misused "there is no 'memo inof'; it is info or verify" inof good.memo
misused "which file?" info
misused "unexpected argument 'run.yaml'" info good.memo run.yaml
misused "--sample '0' must be a whole number" verify good.memo run.yaml --sample 0
misused "option '--jsno' is unknown" info good.memo --jsno
misused "cannot open it: No such file" info absent.memo
misused "is not a memo of teacher logits" info run.yaml
misused "absent.yaml" verify good.memo absent.yaml
misused "recipe 'teacher.yaml' has no teacher" verify good.memo teacher.yaml
misused "is of other logits: teacher weights differs" verify good.memo run.yaml teacher.weights=teacher9/last.safetensors
misused "command line:1:14: 'epochs' in train is 0" verify good.memo run.yaml train.epochs=0

finish
