/* safetensors: what is written comes back, and what is wrong is refused in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "formats/safetensors.h"
#include "scratch_file.h"

static int make_folder(void **state)
{
    (void)state;
    return scratch_make("file");
}

static void write_bytes(const void *data, size_t size)
{
    assert_int_equal(rt_file_write(path, (rt_piece[]){{data, size}}, 1, NULL), RT_OK);
}

/* A file of this header and so many data bytes. */
static void write_file(const char *header, size_t header_size, size_t data_size)
{
    unsigned char length[8], data[64] = {0};
    assert_true(data_size <= sizeof data);
    for (int i = 0; i < 8; ++i)
        length[i] = (unsigned char)(header_size >> (8 * i));
    rt_piece pieces[] = {{length, 8}, {header, header_size}, {data, data_size}};
    assert_int_equal(rt_file_write(path, pieces, 3, NULL), RT_OK);
}

static void assert_refused(const char *message)
{
    rt_error err = {0};
    rt_tensors tensors;
    char expected[1200];
    snprintf(expected, sizeof expected, "cannot read '%s': %s", path, message);
    assert_int_equal(rt_tensors_open(path, &tensors, &err), RT_ERROR_FORMAT);
    if (message[strlen(message) - 1] == ' ') /* what follows are the JSON library's words */
        err.message[strlen(expected)] = '\0';
    assert_string_equal(err.message, expected);
    assert_int_equal(err.status, RT_ERROR_FORMAT);
    assert_null(tensors.items);
    rt_tensors_close(&tensors);
}

static const float weights[] = {1, -2, 0.5f, 3, 4, 5};
static const int64_t batches = 1234567890123;
static const uint8_t odd[] = {1, 2, 3};
static const uint16_t halves[] = {0x3C00, 0xC000, 0x0001, 0x83FF, 0x7BFF, 0x7C00, 0xFC00, 0x7E00, 0x0400, 0x8000};
static const uint16_t brains[] = {0x3F80, 0xC000, 0x7F80, 0x0080};
static const double doubles[] = {0.1, -1e30};

static const rt_tensor sample[] = {
    {"layer.weight", RT_DTYPE_F32, {2, {2, 3}}, weights}, {"odd", RT_DTYPE_U8, {1, {3}}, odd},
    {"num_batches_tracked", RT_DTYPE_I64, {0}, &batches}, {"empty", RT_DTYPE_F32, {2, {0, 5}}, NULL},
    {"halves", RT_DTYPE_F16, {1, {10}}, halves},          {"brains", RT_DTYPE_BF16, {4, {1, 2, 1, 2}}, brains},
    {"doubles", RT_DTYPE_F64, {1, {2}}, doubles},
};
enum { SAMPLE = sizeof sample / sizeof *sample };

static const rt_text_pair notes[] = {{"recipe", "a: \"b\"\n\tc: é\\"}, {"empty", ""}};

static void what_is_written_comes_back(void **state)
{
    (void)state;
    rt_error err = {0};
    rt_tensors tensors;
    assert_int_equal(rt_safetensors_write(path, sample, SAMPLE, notes, 2, &err), RT_OK);
    assert_int_equal(rt_tensors_open(path, &tensors, &err), RT_OK);
    assert_int_equal(tensors.count, SAMPLE);
    for (size_t i = 0; i < SAMPLE; ++i) {
        const rt_tensor *found = rt_tensors_find(&tensors, sample[i].name);
        size_t bytes;
        assert_non_null(found);
        assert_int_equal(found->dtype, sample[i].dtype);
        assert_memory_equal(&found->shape, &sample[i].shape, sizeof found->shape);
        assert_true(rt_shape_bytes(&found->shape, rt_dtype_size(found->dtype), &bytes));
        if (bytes > 0)
            assert_memory_equal(found->data, sample[i].data, bytes);
    }
    const char *const order[] = {"num_batches_tracked", "doubles", "empty", "layer.weight", "brains", "halves", "odd"};
    for (size_t i = 0; i < SAMPLE; ++i)
        assert_string_equal(tensors.items[i].name, order[i]);
    assert_int_equal(tensors.metadata_count, 3);
    assert_string_equal(tensors.metadata[0].key, "recipe");
    assert_string_equal(rt_tensors_metadata(&tensors, "recipe"), notes[0].value);
    assert_string_equal(rt_tensors_metadata(&tensors, "format"), "pt");
    assert_null(rt_tensors_metadata(&tensors, "absent"));
    assert_null(rt_tensors_find(&tensors, "absent"));
    rt_tensors_close(&tensors);
    rt_tensors_close(&tensors);
}

static void bytes_are_the_reference_writers(void **state)
{
    (void)state;
    /* As safetensors.torch.save({"b": ones(1), "a": tensor(7)}, {"format": "pt"}) of Python's safetensors 0.8.0 gives
     * them. */
    static const char expected[] = "\x90\0\0\0\0\0\0\0"
                                   "{\"__metadata__\":{\"format\":\"pt\"},"
                                   "\"a\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
                                   "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}      "
                                   "\x07\0\0\0\0\0\0\0\0\0\x80\x3f";
    const float one = 1;
    const int64_t seven = 7;
    const rt_tensor tensors[] = {{"b", RT_DTYPE_F32, {1, {1}}, &one}, {"a", RT_DTYPE_I64, {0}, &seven}};
    rt_bytes bytes;
    assert_int_equal(rt_safetensors_write(path, tensors, 2, NULL, 0, NULL), RT_OK);
    assert_int_equal(rt_file_read(path, 1000, &bytes, NULL), RT_OK);
    assert_int_equal(bytes.size, sizeof expected - 1);
    assert_memory_equal(bytes.data, expected, sizeof expected - 1);
    rt_bytes_free(&bytes);
}

static void writer_refuses_what_the_reader_would(void **state)
{
    (void)state;
    rt_error err = {0};
    const rt_tensor twice[] = {{"a", RT_DTYPE_F32, {0}, weights}, {"a", RT_DTYPE_U8, {0}, odd}};
    assert_int_equal(rt_safetensors_write(path, twice, 2, NULL, 0, &err), RT_ERROR_USAGE);
    assert_non_null(strstr(err.message, "tensor name 'a' is already taken"));
    const rt_tensor reserved = {"__metadata__", RT_DTYPE_F32, {0}, weights};
    assert_int_equal(rt_safetensors_write(path, &reserved, 1, NULL, 0, &err), RT_ERROR_USAGE);
    const rt_tensor garbled = {"\xff", RT_DTYPE_F32, {0}, weights};
    assert_int_equal(rt_safetensors_write(path, &garbled, 1, NULL, 0, &err), RT_ERROR_USAGE);
    const rt_tensor huge = {"a", RT_DTYPE_F32, {2, {SIZE_MAX, 2}}, weights};
    assert_int_equal(rt_safetensors_write(path, &huge, 1, NULL, 0, &err), RT_ERROR_SHAPE);
    assert_int_equal(rt_safetensors_write(path, NULL, 0, (rt_text_pair[]){{"k", "\xff"}}, 1, &err), RT_ERROR_USAGE);
}

static void floats_are_converted(void **state)
{
    (void)state;
    rt_error err = {0};
    float values[10];
    assert_int_equal(rt_tensor_floats(&sample[4], values, &err), RT_OK);
    const float expected[] = {1, -2, 0x1p-24f, -0x3FFp-24f, 65504, INFINITY, -INFINITY, NAN, 0x1p-14f, -0.0f};
    for (int i = 0; i < 10; ++i)
        assert_true(i == 7 ? isnan(values[i]) : values[i] == expected[i] && signbit(values[i]) == signbit(expected[i]));
    assert_int_equal(rt_tensor_floats(&sample[5], values, &err), RT_OK);
    assert_true(values[0] == 1 && values[1] == -2 && isinf(values[2]) && values[3] == 0x1p-126f);
    assert_int_equal(rt_tensor_floats(&sample[6], values, &err), RT_OK);
    assert_true(values[0] == 0.1f && values[1] == -1e30f);
    assert_int_equal(rt_tensor_floats(&sample[2], values, &err), RT_ERROR_FORMAT);
    assert_string_equal(err.message, "tensor 'num_batches_tracked': dtype I64; it must be floating-point");
    const rt_tensor large = {"large", RT_DTYPE_F64, {1, {1}}, (const double[]){1e39}};
    assert_int_equal(rt_tensor_floats(&large, values, &err), RT_ERROR_NUMERIC);
    assert_string_equal(err.message, "tensor 'large': element 0 is 1e+39; too large for a 32-bit float");
}

#define TENSOR(dtype, shape, offsets) "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void oddities_that_are_allowed(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data_size;
    } cases[] = {
        {"{}", 0},
        {"{} \n  ", 0},
        {"{\"b\":" TENSOR("U8", "[3]", "[4,7]") ",\"a\":" TENSOR("F32", "[]", "[0,4]") "}", 7},
        {"{\"a\":" TENSOR("U8", "[3]", "[0,3]") ",\"b\":" TENSOR("F32", "[1]", "[3,7]") "}", 7},
        {"{\"z\":" TENSOR("U8", "[0]", "[0,0]") ",\"a\":" TENSOR("U8", "[2]", "[0,2]") "}", 2},
        {"{\"a\":" TENSOR("F32", "[0,9223372036854775807]", "[0,0]") "}", 0},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"more\":[{}]}}", 1},
        {"{\"__metadata__\":{}}", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        rt_error err = {0};
        rt_tensors tensors;
        write_file(cases[i].header, strlen(cases[i].header), cases[i].data_size);
        if (rt_tensors_open(path, &tensors, &err) != RT_OK)
            fail_msg("%s: %s", cases[i].header, err.message);
        rt_tensors_close(&tensors);
    }
}

static void broken_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data_size;
        const char *message;
    } cases[] = {
        {"{\"a\":" TENSOR("U8", "[2]", "[0,2]") "}", 3, "tensors take 2 bytes of data; the file holds 3"},
        {"{\"a\":" TENSOR("U8", "[2]", "[0,2]") "}", 1, "tensors take 2 bytes of data; the file holds 1"},
        {"{}", 1, "tensors take 0 bytes of data; the file holds 1"},
        {"{\"a\":" TENSOR("U8", "[2]", "[1,3]") "}", 3, "tensor 'a' begins at data byte 1; the one before ends at 0"},
        {"{\"a\":" TENSOR("U8", "[2]", "[0,2]") ",\"b\":" TENSOR("U8", "[2]", "[1,3]") "}", 3,
         "tensor 'b' begins at data byte 1; the one before ends at 2"},
        {"{\"a\":" TENSOR("U8", "[2]", "[0,2]") ",\"b\":" TENSOR("U8", "[2]", "[0,2]") "}", 2,
         "tensor 'b' begins at data byte 0; the one before ends at 2"},
        {"{\"a\":" TENSOR("U8", "[1]", "[0,1]") ",\"a\":" TENSOR("U8", "[1]", "[0,1]") "}", 1, "header at byte 56: "},
        {"{\"a\":" TENSOR("U8", "[1]", "[-1,0]") "}", 1,
         "tensor 'a': data_offsets must be two whole numbers, begin and end"},
        {"{\"a\":" TENSOR("U8", "[1]", "[1,0]") "}", 1,
         "tensor 'a': data_offsets must be two whole numbers, begin and end"},
        {"{\"a\":" TENSOR("U8", "[1]", "[0,1.0]") "}", 1,
         "tensor 'a': data_offsets must be two whole numbers, begin and end"},
        {"{\"a\":" TENSOR("U8", "[1]", "[0,1,2]") "}", 1,
         "tensor 'a': data_offsets must be two whole numbers, begin and end"},
        {"{\"a\":" TENSOR("U8", "[1]", "{}") "}", 1,
         "tensor 'a': data_offsets must be two whole numbers, begin and end"},
        {"{\"a\":" TENSOR("U8", "[1]", "[0,18446744073709551615]") "}", 1, "header at byte 69: "},
        {"{\"a\":" TENSOR("F32", "[1]", "[0,2]") "}", 2,
         "tensor 'a': shape and dtype take 4 bytes; data_offsets hold 2"},
        {"{\"a\":" TENSOR("F32", "[4611686018427387904,4]", "[0,0]") "}", 0, "tensor 'a': the shape is too large"},
        {"{\"a\":" TENSOR("F32", "[9223372036854775807,4,0]", "[0,0]") "}", 0, "tensor 'a': the shape is too large"},
        {"{\"a\":" TENSOR("U8", "[1,1,1,1,1]", "[0,1]") "}", 1, "tensor 'a': 5 dimensions; at most 4 are allowed"},
        {"{\"a\":" TENSOR("U8", "[-1]", "[0,1]") "}", 1, "tensor 'a': shape must be a list of whole numbers"},
        {"{\"a\":" TENSOR("U8", "1", "[0,1]") "}", 1, "tensor 'a': shape must be a list of whole numbers"},
        {"{\"a\":" TENSOR("Q9", "[1]", "[0,1]") "}", 1, "tensor 'a': dtype 'Q9' is not read"},
        {"{\"a\":{\"shape\":[],\"data_offsets\":[0,1]}}", 1, "tensor 'a' has no dtype"},
        {"{\"a\":3}", 0, "tensor 'a' has no dtype"},
        {"{\"a\\n\":3}", 0, "tensor name 'a?' contains a control character"},
        {"{\"__metadata__\":{\"k\":1}}", 0, "__metadata__ 'k' must be a string"},
        {"{\"__metadata__\":[]}", 0, "__metadata__ must be an object of strings"},
        {" {}", 0, "the header must begin with '{'"},
        {"[]", 0, "the header must begin with '{'"},
        {"{}x", 0, "header at byte 3: "},
        {"{\"\xff\":1}", 0, "header at byte 2: "},
        {"{", 1, "header at byte 1: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        write_file(cases[i].header, strlen(cases[i].header), cases[i].data_size);
        assert_refused(cases[i].message);
    }
    write_file("{}\0", 3, 0);
    assert_refused("header at byte 3: ");
    char deep[5000];
    memset(deep, '[', sizeof deep);
    memcpy(deep, "{\"a\":", 5);
    write_file(deep, sizeof deep, 0);
    assert_refused("header at byte 2053: ");
}

static void other_files_are_refused(void **state)
{
    (void)state;
    rt_error err = {0};
    rt_tensors tensors;
    write_bytes("", 0);
    assert_refused("0 bytes in no known weights format; it must be safetensors or PyTorch's");
    write_bytes("hello world, hello", 18);
    assert_refused("18 bytes in no known weights format; it must be safetensors or PyTorch's");
    write_bytes("\x01\xe1\xf5\x05\0\0\0\0{}", 10);
    assert_refused("header of 100000001 bytes; at most 100000000 are allowed");
    write_bytes("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
    assert_refused("header of 18446744073709551615 bytes; at most 100000000 are allowed");
    write_bytes("\x03\0\0\0\0\0\0\0{}", 10);
    assert_refused("header of 3 bytes in a file of 10");
    write_bytes("PK\x03\x04 and so on", 13);
    assert_refused("the zip archive has no end; it may have been cut");
    write_bytes("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.", 15);
    assert_refused("byte 0 of the pickle: the file ends within it");
    assert_int_equal(rt_tensors_open(folder, &tensors, &err), RT_ERROR_FILE);
    assert_int_equal(rt_tensors_open("/nonexistent/file", &tensors, &err), RT_ERROR_FILE);
    assert_string_equal(err.message, "cannot open '/nonexistent/file': No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_comes_back),
        cmocka_unit_test(bytes_are_the_reference_writers),
        cmocka_unit_test(writer_refuses_what_the_reader_would),
        cmocka_unit_test(floats_are_converted),
        cmocka_unit_test(oddities_that_are_allowed),
        cmocka_unit_test(broken_headers_are_refused),
        cmocka_unit_test(other_files_are_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, scratch_remove);
}
