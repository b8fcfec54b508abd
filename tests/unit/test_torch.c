/* Files of torch.save(): what comes out of tests/golden/torch, and in which words the others are refused. The folder is
 * the program's argument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "formats/pickle.h"
#include "formats/tensors.h"

static const char *golden;
static char path[512];

static const char *in_golden(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", golden, name);
    return path;
}

static void assert_floats(const rt_tensors *file, const char *name, rt_dtype dtype, rt_shape shape,
                          const float *expected)
{
    const rt_tensor *tensor = rt_tensors_find(file, name);
    float values[24];
    assert_non_null(tensor);
    assert_int_equal(tensor->dtype, dtype);
    assert_int_equal(tensor->shape.count, shape.count);
    for (size_t i = 0; i < shape.count; ++i)
        assert_int_equal(tensor->shape.dims[i], shape.dims[i]);
    assert_int_equal(rt_tensor_floats(tensor, values, NULL), RT_OK);
    for (size_t i = 0; i < rt_shape_elements(&shape); ++i)
        assert_float_equal(values[i], expected[i], 0.0f);
}

static void assert_state(const rt_tensors *file)
{
    static const float counted[24] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
                                      12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23};
    static const float transposed[] = {0, 3, 1, 4, 2, 5}, odd[] = {1, 3, 5, 7};
    const rt_shape three = {1, {3}};
    assert_int_equal(file->count, 13);
    assert_floats(file, "module.fc.weight", RT_DTYPE_F32, (rt_shape){2, {2, 3}}, counted);
    assert_floats(file, "module.fc.bias", RT_DTYPE_F32, (rt_shape){1, {2}}, counted);
    assert_floats(file, "transposed", RT_DTYPE_F32, (rt_shape){2, {3, 2}}, transposed);
    assert_floats(file, "channels_last", RT_DTYPE_F32, (rt_shape){4, {2, 3, 2, 2}}, counted);
    assert_floats(file, "part", RT_DTYPE_F32, three, counted + 2);
    assert_floats(file, "every_other", RT_DTYPE_F32, (rt_shape){1, {4}}, odd);
    assert_floats(file, "double", RT_DTYPE_F64, three, counted);
    assert_floats(file, "half", RT_DTYPE_F16, three, counted);
    assert_floats(file, "bfloat16", RT_DTYPE_BF16, three, counted);
    assert_floats(file, "empty", RT_DTYPE_F32, (rt_shape){2, {0, 3}}, counted);
    const rt_tensor *steps = rt_tensors_find(file, "steps"), *bytes = rt_tensors_find(file, "bytes");
    assert_true(steps->dtype == RT_DTYPE_I64 && steps->shape.count == 0 && ((const char *)steps->data)[0] == 7);
    assert_true(bytes->dtype == RT_DTYPE_U8 && memcmp(bytes->data, "\0\1\2", 3) == 0);
    assert_true(rt_tensors_find(file, "flags")->dtype == RT_DTYPE_BOOL);
    assert_string_equal(rt_tensors_metadata(file, "version"), "2");
}

static void open_file(const char *name, rt_tensors *file)
{
    rt_error err = {0};
    if (rt_tensors_open(in_golden(name), file, &err) != RT_OK)
        fail_msg("%s", err.message);
}

static void state_dicts_are_read_in_all_forms(void **state)
{
    (void)state;
    static const char *const names[] = {"zip.pth", "stream.th", "zip_cuda.pt", "stream_protocol4.th"};
    static const char *const formats[] = {"PyTorch (zip)", "PyTorch (stream)", "PyTorch (zip)", "PyTorch (stream)"};
    for (size_t i = 0; i < 4; ++i) {
        rt_tensors file;
        open_file(names[i], &file);
        assert_state(&file);
        assert_string_equal(file.format, formats[i]);
        if (i < 2)
            assert_string_equal(file.within, "state_dict");
        else
            assert_null(file.within);
        rt_tensors_close(&file);
    }
}

static void what_is_no_tensor_is_told_in_words(void **state)
{
    (void)state;
    static const char *const names[] = {"zip.pth", "stream.th"};
    for (size_t i = 0; i < 2; ++i) {
        rt_tensors file;
        open_file(names[i], &file);
        assert_string_equal(rt_tensors_metadata(&file, "epoch"), "3");
        assert_string_equal(rt_tensors_metadata(&file, "best_acc1"), "66.5");
        assert_string_equal(rt_tensors_metadata(&file, "arch"), "resnet8");
        assert_string_equal(rt_tensors_metadata(&file, "args"), "none");
        assert_string_equal(rt_tensors_metadata(&file, "classes"), "a list of 2");
        assert_string_equal(rt_tensors_metadata(&file, "size"), "a list of 2");
        assert_string_equal(rt_tensors_metadata(&file, "negative"), "-5");
        assert_string_equal(rt_tensors_metadata(&file, "large"), "other data");
        assert_string_equal(rt_tensors_metadata(&file, "debug"), "false");
        assert_string_equal(rt_tensors_metadata(&file, "optimizer"), "a dictionary of 2");
        assert_null(rt_tensors_metadata(&file, "state_dict"));
        rt_tensors_close(&file);
    }
}

static void the_network_is_found_under_other_names(void **state)
{
    (void)state;
    static const char *const names[] = {"model.pth", "only_one.pth"}, *const within[] = {"model", "student_at_last"};
    for (size_t i = 0; i < 2; ++i) {
        rt_tensors file;
        open_file(names[i], &file);
        assert_int_equal(file.count, 1);
        assert_string_equal(file.items[0].name, "fc.weight");
        assert_string_equal(file.within, within[i]);
        rt_tensors_close(&file);
    }
}

/* argparse's, as timm's training leaves it beside the network. */
static void a_namespace_is_passed_over(void **state)
{
    (void)state;
    rt_tensors file;
    open_file("timm.pth.tar", &file);
    assert_state(&file);
    assert_string_equal(file.within, "state_dict");
    assert_string_equal(rt_tensors_metadata(&file, "args"), "other data");
    assert_string_equal(rt_tensors_metadata(&file, "metric"), "66.5");
    rt_tensors_close(&file);
    open_file("namespace.th", &file);
    assert_int_equal(file.count, 1);
    assert_string_equal(file.within, "model");
    rt_tensors_close(&file);
}

static void assert_refused(const char *name, const char *words)
{
    rt_tensors file;
    rt_error err = {0};
    if (rt_tensors_open(in_golden(name), &file, &err) != RT_ERROR_FORMAT)
        fail_msg("%s", name);
    char begin[600];
    snprintf(begin, sizeof begin, "cannot read '");
    assert_memory_equal(err.message, begin, strlen(begin));
    if (!strstr(err.message, words))
        fail_msg("%s: %s", name, err.message);
}

static void what_is_not_weights_is_refused(void **state)
{
    (void)state;
    static const char no_code[] = " is not a tensor, dictionary, string or number; refused";
    static const char *const called[][2] = {{"hostile.pth", "'posix.system'"},
                                            {"hostile.th", "'posix.system'"},
                                            {"namespace_with_code.pth", "'posix.system'"},
                                            {"namespace_with_class.pth", "'pathlib.PurePosixPath'"},
                                            {"whole_network.pth", "'torch.nn.modules.linear.Linear'"}};
    for (size_t i = 0; i < 5; ++i) {
        char words[200];
        snprintf(words, sizeof words, "': %s%s", called[i][1], no_code);
        assert_refused(called[i][0], words);
    }
    assert_int_not_equal(access("/tmp/retort-was-here", F_OK), 0);
    assert_refused("two.pth", "which of its dictionaries of tensors is the network? They are 'student', 'teacher'");
    assert_refused("tensor.pth", "it holds no dictionary; a network's state_dict() is one");
    assert_refused("no_tensors.pth", "no tensors are in it, nor in a dictionary of it; its keys are 'epoch', 'lr'");
    assert_refused("expanded.pth", "its tensors repeat elements, and have more of them than the file");
    assert_refused("bare.pkl", "a pickle, but not one of torch.save()");
    assert_refused("big_endian.pth", "its numbers are big-endian, which is not read");
    assert_refused("short_storage.pth", "storage '0' has 24 bytes; 7 elements need more");
    assert_refused("compressed.pth",
                   "zip entry 'model/data.pkl' is compressed or encrypted; torch.save() stores it as it is");
    assert_refused("other.zip", "a zip archive, but not one of torch.save(): no FOLDER/data.pkl is in it");
}

/* A copy of a golden file with some bytes replaced, in a folder of its own. */
static void assert_spoiled(const char *name, size_t size, size_t place, const char *bytes, const char *words)
{
    rt_bytes good;
    rt_error err = {0};
    rt_tensors file;
    char folder[] = "/tmp/retort-test-XXXXXX", spoiled[64];
    assert_int_equal(rt_file_read(in_golden(name), 100000, &good, NULL), RT_OK);
    assert_non_null(mkdtemp(folder));
    snprintf(spoiled, sizeof spoiled, "%s/file", folder);
    memcpy(good.data + place, bytes, strlen(bytes));
    FILE *out = fopen(spoiled, "wb");
    assert_int_equal(fwrite(good.data, 1, size < good.size ? size : good.size, out),
                     size < good.size ? size : good.size);
    fclose(out);
    assert_int_equal(rt_tensors_open(spoiled, &file, &err), RT_ERROR_FORMAT);
    if (!strstr(err.message, words))
        fail_msg("%s", err.message);
    rt_bytes_free(&good);
    unlink(spoiled);
    rmdir(folder);
}

static size_t place_of(const char *name, const char *bytes, size_t length)
{
    rt_bytes good;
    assert_int_equal(rt_file_read(in_golden(name), 100000, &good, NULL), RT_OK);
    const unsigned char *found = memmem(good.data, good.size, bytes, length);
    assert_non_null(found);
    size_t place = (size_t)(found - (const unsigned char *)good.data);
    rt_bytes_free(&good);
    return place;
}

static void damage_is_told(void **state)
{
    (void)state;
    const size_t all = SIZE_MAX, epoch = place_of("model.pth", "epoch", 5);
    assert_spoiled("model.pth", all, epoch, "Epoch", "zip entry 'model/data.pkl' is damaged: its checksum is another");
    assert_spoiled("model.pth", 700, 0, "", "the zip archive has no end; it may have been cut");
    assert_spoiled("stream.th", 2000, 0, "", "the file ends ");
    /* How many elements the first storage has stands behind its place, a number for the memo between them. */
    const size_t cuda = place_of("stream.th", "cuda:0", 6);
    assert_spoiled("stream.th", all, cuda + 6 + 2, "K\7", "has 6 elements of F32; 7 of F32 are expected");
    assert_spoiled("stream.th", all, cuda + 6 + 2, "K\5", "a tensor reaches beyond its storage of 5 elements");
}

/* Pickles by hand. */
static int find_none(const char *module, const char *name)
{
    (void)module;
    (void)name;
    return -1;
}

static rt_status read_pickle(const char *text, size_t size, rt_pickle **pickle, rt_pickle_value **value, rt_error *err)
{
    size_t used;
    *pickle = rt_pickle_new(&(rt_pickle_host){.find = find_none});
    rt_status status = rt_pickle_read(*pickle, (const unsigned char *)text, size, &used, value, err);
    if (status == RT_OK)
        assert_int_equal(used, size);
    return status;
}

static void pickles_are_read(void **state)
{
    (void)state;
    /* {"a": (-2, 2.5), "a": [None, True], "b": the list again} */
    static const char text[] = "\x80\x02}(X\1\0\0\0aJ\xfe\xff\xff\xffG\x40\x04\0\0\0\0\0\0\x86U\1a](N\x88"
                               "eq\0\x8c\1bh\0u.";
    rt_pickle *pickle;
    rt_pickle_value *value;
    rt_error err = {0};
    if (read_pickle(text, sizeof text - 1, &pickle, &value, &err) != RT_OK)
        fail_msg("%s", err.message);
    assert_true(value->kind == RT_PICKLE_DICT && value->count == 6);
    const rt_pickle_value *tuple = value->items[1], *list = rt_pickle_find(value, "a");
    assert_true(tuple->kind == RT_PICKLE_TUPLE && tuple->count == 2 && tuple->items[0]->integer == -2);
    assert_true(tuple->items[1]->kind == RT_PICKLE_FLOAT && tuple->items[1]->number > 2.4);
    assert_true(list->kind == RT_PICKLE_LIST && list->count == 2 && list->items[0]->kind == RT_PICKLE_NONE);
    assert_ptr_equal(rt_pickle_find(value, "b"), list);
    assert_null(rt_pickle_find(value, "c"));
    rt_pickle_free(pickle);
}

static void bad_pickles_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        const char *words;
    } bad[] = {
        {"", 0, "byte 0 of the pickle: the file ends within it"},
        {"K", 1, "byte 0 of the pickle: the file ends within it"},
        {"X\xff\xff\xff\xff", 5, "byte 0 of the pickle: the file ends within it"},
        {".", 1, "byte 0 of the pickle: nothing is left to work on"},
        {"(.", 2, "byte 1 of the pickle: nothing is left to work on"},
        {"t", 1, "byte 0 of the pickle: there is no mark"},
        {"(a", 2, "byte 1 of the pickle: nothing is left to work on"},
        {"}Na", 3, "byte 2 of the pickle: this cannot be done to what is there"},
        {"}(Nu", 4, "byte 3 of the pickle: a key has no value"},
        {"h\0", 2, "byte 0 of the pickle: nothing was kept under this number"},
        {"Nr\xff\xff\xff\xff", 6, "byte 1 of the pickle: this cannot be kept"},
        {"(q\0", 3, "byte 1 of the pickle: this cannot be kept"},
        {"NNR", 3, "byte 2 of the pickle: a call of what cannot be called"},
        {"N}b", 3, "byte 2 of the pickle: this cannot be done to what is there"},
        {"cos\nsystem\n", 11, "'os.system' is not a tensor, dictionary, string or number; refused"},
        {"\x8c\2os\x8c\6system\x93", 13, "'os.system' is not a tensor, dictionary, string or number; refused"},
        {"cos\nsys\ttem\n", 12, "'os.sys?tem' is not a tensor"},
        {"cos", 3, "byte 0 of the pickle: a name without end"},
        {"NN\x93", 3, "byte 2 of the pickle: a name that is no text"},
        {"(cos\nsystem\no", 13, "'os.system' is not a tensor"},
        {"I1\n.", 4, "byte 0 of the pickle: operation 0x49 is not read"},
        {"N\x81", 2, "byte 1 of the pickle: nothing is left to work on"},
        {"N)\x81", 3, "byte 2 of the pickle: a call of what cannot be called"},
        {"NN\x85\x81", 4, "byte 3 of the pickle: an object made of something"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        rt_pickle *pickle;
        rt_pickle_value *value;
        rt_error err = {0};
        assert_int_equal(read_pickle(bad[i].text, bad[i].size, &pickle, &value, &err), RT_ERROR_FORMAT);
        if (!strstr(err.message, bad[i].words))
            fail_msg("%zu: %s", i, err.message);
        rt_pickle_free(pickle);
    }
}

static void assert_too_much(const char *text, size_t size)
{
    rt_pickle *pickle;
    rt_pickle_value *value;
    rt_error err = {0};
    assert_int_equal(read_pickle(text, size, &pickle, &value, &err), RT_ERROR_FORMAT);
    assert_non_null(strstr(err.message, "no memory, or more than a file of weights needs"));
    rt_pickle_free(pickle);
}

/* Millions of lists within each other, and of marks: more values than memory is allowed, more entries than the stack.
 */
static void depth_and_memory_are_bounded(void **state)
{
    (void)state;
    const size_t lists = 7000000, marks = 9000000;
    char *text = malloc(2 * lists);
    memset(text, ']', lists);
    memset(text + lists, 'a', lists - 1);
    text[2 * lists - 1] = '.';
    assert_too_much(text, 2 * lists);
    memset(text, '(', marks);
    assert_too_much(text, marks);
    free(text);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_dicts_are_read_in_all_forms),
        cmocka_unit_test(what_is_no_tensor_is_told_in_words),
        cmocka_unit_test(the_network_is_found_under_other_names),
        cmocka_unit_test(a_namespace_is_passed_over),
        cmocka_unit_test(what_is_not_weights_is_refused),
        cmocka_unit_test(damage_is_told),
        cmocka_unit_test(pickles_are_read),
        cmocka_unit_test(bad_pickles_are_refused),
        cmocka_unit_test(depth_and_memory_are_bounded),
    };
    if (argc != 2)
        return 99;
    golden = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
