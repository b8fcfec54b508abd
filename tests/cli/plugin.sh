#!/bin/bash
# A loss of one's own, from the template to a resumed training; and plugins that cannot be loaded.
retort=$(realpath "$1")
inspect=$(realpath "$2")
headers=$(realpath "$(dirname "$0")/../../include")
hostile=$(realpath "$(dirname "$0")/hostile.c")
. "$(dirname "$0")/expect.sh"
command -v cc >/dev/null || skip "there is no C compiler"
cd "$scratch" || exit 99
mkdir project && cd project || exit 99
export OMP_WAIT_POLICY=passive

# What headers declare for plugins, the program exports.
functions=$(grep -hoE '^RT_API [^(]*\(' "$headers"/retort/*.h | sed 's/.*[ *]\(rt_[a-z_0-9]*\)(/\1/')
expect_that "headers declare functions for plugins" grep -q rt_parallel_rows <<<"$functions"
expect_that "headers declare nothing else" test -z "$(grep -hE '^[a-z][a-z_0-9 ]*[ *]rt_[a-z_0-9]*\(.*[,;]$' \
    "$headers"/retort/*.h | grep -v '^static inline')"
for function in $functions; do
    expect_that "$function is exported" grep -q " [Ti] $function$" <(nm -D --defined-only "$retort")
done
# gcc forgets that functions for several instruction sets ("i") are hidden.
expect_that "nothing else is" test -z "$(nm -D --defined-only "$retort" | grep ' [TDBR] rt_' | sed 's/.* //' |
    grep -vxF "$functions")"

# The template works as it stands.
expect_exit 0 "$retort" new loss my_divergence
expect_stdout_empty
expect_stderr_contains "retort gradcheck ./my_divergence.so"
expect_that "no trace of another name" test "$(grep -c my_divergence my_divergence.c)" -gt 5
cp my_divergence.c kept
expect_exit 2 "$retort" new loss my_divergence
expect_stderr_contains "cannot write 'my_divergence.c': File exists"
expect_that "nothing is overwritten" cmp -s kept my_divergence.c
for wrong in kl Mine 1st ../up ""; do
    expect_exit 2 "$retort" new loss "$wrong"
    expect_that "nothing is written" test "$(ls)" = $'kept\nmy_divergence.c'
done
expect_exit 2 "$retort" new
expect_exit 2 "$retort" new cheese
expect_exit 2 "$retort" new loss one two

expect_exit 0 "$retort" help plugin
compile=$(sed -n 's/^ *\(cc .*-o my_divergence.so my_divergence.c\)$/\1/p' "$printed/stdout" | head -1)
expect_exit 0 bash -c "$compile -Wall -Wextra -Werror"
expect_exit 0 "$retort" gradcheck ./my_divergence.so
expect_stdout_contains "my_divergence: 13 passed, 0 failed"

# Whoever looks losses up finds it.
expect_exit 0 "$retort" list losses --plugin my_divergence.so
expect_stdout_matches '^my_divergence +squared distance'
expect_exit 0 "$retort" help --plugin=my_divergence.so loss/my_divergence
expect_stdout_contains "loss/my_divergence: squared distance"
expect_exit 0 "$retort" gradcheck my_divergence --plugin my_divergence.so --set temperature=4 --skip speed
expect_exit 0 "$retort" bench --losses --json --plugin my_divergence.so
expect_stdout_contains '"my_divergence"'
# Sizes that it refuses are told and left out.
mkdir picky
(cd picky && "$retort" new loss picky 2>/dev/null &&
    sed -i 's|(void)state, (void)err;|(void)state;|; s|^    plan->scratch_bytes = |    if (classes < 100)\n        return rt_fail(err, RT_ERROR_SHAPE, "picky wants 100 classes");\n&|' picky.c)
expect_exit 0 bash -c "cd picky && ${compile//my_divergence/picky} -Wall -Wextra -Werror"
expect_exit 0 "$retort" bench --losses picky --plugin picky/picky.so
expect_stderr_contains "16 x 10: picky wants 100 classes"
expect_that "others are measured" test "$(grep -c "^picky " "$printed/stdout")" = 5
printf '\x93NUMPY\x01\x00\x40\x00%-63s\n\x00\x00\x80\x3f\x00\x00\x00\x00' \
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}" >logits.npy
expect_exit 0 "$retort" loss my_divergence --student logits.npy --teacher logits.npy --plugin my_divergence.so
expect_stdout_matches '^\{"loss": 0\}$'
expect_exit 2 "$retort" loss my_divergence --student logits.npy --teacher logits.npy
expect_stderr_contains "there is no loss 'my_divergence'"

# A recipe names it by a path from its own folder, and asks for consent.
cat >recipe.yaml <<'END'
retort: 1
plugins: [./my_divergence.so]
data: {reader: synthetic, shape: [3, 8, 8], classes: 4, samples: 200, test_samples: 40}
teacher: {model: convnet, hidden: 8, train: {epochs: 1, batch: 50}}
student: {model: convnet, hidden: 4}
loss: [cross_entropy, my_divergence: {weight: 2, temperature: 3}]
train: {epochs: 30, batch: 20}
threads: 1
END
cd ..
for command in train check; do
    expect_exit 2 "$retort" $command project/recipe.yaml
    expect_stdout_empty
    expect_stderr_contains "project/recipe.yaml:2:11: plugin './my_divergence.so' is code that would run with your rights"
    expect_that "one message" test "$(wc -l <"$printed/stderr")" -eq 1
    expect_that "nothing is written" test ! -e runs
done
expect_exit 0 "$retort" check project/recipe.yaml --allow-plugins
expect_exit 0 "$retort" check project/recipe.yaml --plugin project/my_divergence.so
expect_exit 0 "$retort" bench project/recipe.yaml --synthetic --allow-plugins --json
expect_exit 0 "$retort" train --allow-plugins project/recipe.yaml --out whole
expect_that "its value is logged" grep -q "my_divergence" whole/results.csv
expect_that "the run's recipe has its place and checksum" \
    grep -qE '^ +- \{file: .*/project/my_divergence.so, checksum: "?[0-9a-f]{16}"?\}$' whole/recipe.yaml
expect_exit 0 "$retort" train project/recipe.yaml --plugin project/my_divergence.so --out also
expect_that "consent of either kind gives the same" cmp -s whole/last.safetensors also/last.safetensors
expect_exit 0 "$retort" eval whole # takes weights and data from the run, and no losses

# Resumed, it takes consent again, and the same file.
"$retort" train --allow-plugins project/recipe.yaml --out cut >"$scratch/cut.log" 2>&1 &
while kill -0 $! 2>/dev/null && { [ ! -f cut/results.csv ] || [ "$(wc -l <cut/results.csv)" -lt 3 ]; }; do
    sleep 0.01
done
kill -INT $!
wait $!
expect_that "it was stopped" test ! -e cut/result.json
expect_exit 2 "$retort" train --resume cut
expect_stderr_contains "is code that would run with your rights; --allow-plugins lets recipes load such"
cp project/my_divergence.so right.so
printf 'x' >>project/my_divergence.so
expect_exit 2 "$retort" train --resume cut --allow-plugins
expect_stderr_contains "is another one than before: its checksum is "
cp right.so project/my_divergence.so
expect_exit 0 "$retort" train --resume cut --allow-plugins
expect_that "a resumed run ends with the same bits" cmp -s cut/last.safetensors whole/last.safetensors

# What a recipe can say wrongly about plugins.
refused() { # MESSAGE PLUGINS
    sed "s|^plugins: .*|plugins: $2|" project/recipe.yaml >project/wrong.yaml
    expect_exit 2 "$retort" check project/wrong.yaml --allow-plugins
    expect_stdout_empty
    expect_stderr_contains "$1"
}
refused "wrong.yaml:2:10: 'plugins' is './my_divergence.so'; it must be a list of files" ./my_divergence.so
refused "wrong.yaml:2:11: plugin 'project/./absent.so': No such file or directory" "[./absent.so]"
refused "a plugin is a list; it must be a file" "[[my_divergence.so]]"
refused "missing key 'file' in plugins" "[{checksum: ab}]"
refused "is another one than before" "[{file: my_divergence.so, checksum: ab}]"
refused "unknown key 'sum' in plugins" "[{file: my_divergence.so, sum: ab}]"

# Files that are no plugins, and losses that are none.
hopeless() { # MESSAGE FILE
    expect_exit 2 "$retort" train project/recipe.yaml --plugin "$2" --out new
    expect_stdout_empty
    expect_stderr_contains "retort train: plugin '$2'$1"
    expect_that "nothing is written" test ! -e new
}
printf 'not an object' >text.so
head -c 900 right.so >short.so
: >empty.so
mkdir folder.so
hopeless " cannot be loaded: " text.so
hopeless " cannot be loaded: " short.so
hopeless " cannot be loaded: " empty.so
hopeless ": No such file or directory" absent.so
for bytes in 1 63 64 200 1000 4000 8000 12000; do
    head -c $bytes right.so >short.so
    expect_exit 2 "$retort" list losses --plugin short.so
done
expect_exit 2 "$retort" list losses --plugin folder.so
expect_exit 2 "$retort" list losses --plugin
expect_stderr_contains "option '--plugin' needs a file"
expect_exit 2 "$retort" list losses --plugin right.so --plugin project/my_divergence.so
expect_stderr_contains "plugin 'project/my_divergence.so': there is a loss 'my_divergence' already"

grep -oE '^ *//= .*' "$hostile" | sed 's|^ *//= ||' >messages
fault=0
while IFS= read -r message; do
    fault=$((fault + 1))
    command_line="cc -DFAULT=$fault hostile.c"
    expect_that "it compiles" cc -shared -fPIC -I"$headers" -DFAULT=$fault -o "hostile.so" "$hostile"
    hopeless "$message" hostile.so
done <messages
expect_that "all faults were tried" test "$fault" -eq "$(grep -oE "FAULT == [0-9]+" "$hostile" | sort -u | wc -l)"
expect_that "they are many" test "$fault" -gt 20
cc -shared -fPIC -I"$headers" -DFAULT=0 -o good.so "$hostile"
expect_exit 0 "$retort" list losses --plugin good.so
expect_stdout_matches '^hostile '

finish
