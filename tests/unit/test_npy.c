/* .npy: what is written comes back, all element types and both orders are read, what is wrong is refused in words. */
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
#include "formats/npy.h"
#include "scratch_file.h"

static int make_folder(void **state)
{
    (void)state;
    return scratch_make("file.npy");
}

static void write_file(int version, const char *header, const void *data, size_t size)
{
    size_t length = strlen(header);
    unsigned char start[12] = "\x93NUMPY";
    start[6] = (unsigned char)version;
    start[8] = (unsigned char)length;
    start[9] = (unsigned char)(length >> 8);
    rt_piece pieces[] = {{start, version == 1 ? 10 : 12}, {header, length}, {data, size}};
    assert_int_equal(rt_file_write(path, pieces, 3, NULL), RT_OK);
}

static void assert_refused(const char *message)
{
    rt_error err = {0};
    rt_array array;
    char expected[1200];
    snprintf(expected, sizeof expected, "cannot read '%s': %s", path, message);
    assert_int_equal(rt_npy_read(path, &array, &err), RT_ERROR_FORMAT);
    assert_string_equal(err.message, expected);
    assert_null(array.data);
}

static void assert_integers(const rt_array *array, const int64_t *expected, size_t count)
{
    assert_int_equal(array->dtype, RT_DTYPE_I64);
    assert_int_equal(rt_shape_elements(&array->shape), count);
    assert_memory_equal(array->data, expected, count * sizeof *expected);
    assert_int_equal((uintptr_t)array->data % 64, 0);
}

static void what_is_written_comes_back(void **state)
{
    (void)state;
    static const double doubles[] = {1.5, -2, 1e300, 0, 4, 5};
    static const float floats[] = {1.5f, -2, 3, 0, 4, 5};
    static const int64_t integers[] = {INT64_MIN, -1, 0, 1, 2, INT64_MAX};
    static const struct {
        rt_dtype dtype;
        const void *data;
    } kinds[] = {{RT_DTYPE_F64, doubles}, {RT_DTYPE_F32, floats}, {RT_DTYPE_I64, integers}};
    static const rt_shape shapes[] = {{2, {2, 3}}, {1, {6}}, {4, {1, 3, 2, 1}}, {0}, {2, {0, 7}}};
    for (size_t k = 0; k < 3; ++k) {
        for (size_t s = 0; s < 5; ++s) {
            rt_array array;
            assert_int_equal(rt_npy_write(path, kinds[k].dtype, &shapes[s], kinds[k].data, NULL), RT_OK);
            assert_int_equal(rt_npy_read(path, &array, NULL), RT_OK);
            assert_int_equal(array.dtype, kinds[k].dtype);
            assert_memory_equal(&array.shape, &shapes[s], sizeof array.shape);
            assert_int_equal((uintptr_t)array.data % 64, 0);
            if (rt_shape_elements(&shapes[s]) > 0)
                assert_memory_equal(array.data, kinds[k].data,
                                    rt_shape_elements(&shapes[s]) * rt_dtype_size(kinds[k].dtype));
            rt_array_free(&array);
        }
    }
    rt_error err = {0};
    assert_int_equal(rt_npy_write(path, RT_DTYPE_U8, &shapes[1], floats, &err), RT_ERROR_USAGE);
}

static void bytes_are_numpys(void **state)
{
    (void)state;
    /* numpy.save of float32 [[1], [2]]. */
    static const char expected[] = "\x93NUMPY\x01\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }"
                                   "                                                          \n\0\0\x80\x3f\0\0\0\x40";
    rt_bytes bytes;
    assert_int_equal(rt_npy_write(path, RT_DTYPE_F32, &(rt_shape){2, {2, 1}}, (const float[]){1, 2}, NULL), RT_OK);
    assert_int_equal(rt_file_read(path, 1000, &bytes, NULL), RT_OK);
    assert_int_equal(bytes.size, sizeof expected - 1);
    assert_memory_equal(bytes.data, expected, sizeof expected - 1);
    rt_bytes_free(&bytes);
}

static void integers_are_widened(void **state)
{
    (void)state;
    static const struct {
        const char *descr, *data;
        size_t size;
        int64_t expected[2];
    } cases[] = {
        {"<i4", "\xff\xff\xff\xff\x01\0\0\x80", 4, {-1, INT32_MIN + 1}},
        {"<i2", "\xfe\xff\0\x80", 2, {-2, -32768}},
        {"|i1", "\x80\x7f", 1, {-128, 127}},
        {"|u1", "\x80\xff", 1, {128, 255}},
        {"<u2", "\0\x80\xff\xff", 2, {32768, 65535}},
        {"|b1", "\0\x01", 1, {0, 1}},
        {"<u4", "\xff\xff\xff\xff\0\0\0\x80", 4, {UINT32_MAX, 2147483648}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        rt_array array;
        char header[100];
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (2,), }\n", cases[i].descr);
        write_file(1, header, cases[i].data, 2 * cases[i].size);
        assert_int_equal(rt_npy_read(path, &array, NULL), RT_OK);
        assert_integers(&array, cases[i].expected, 2);
        rt_array_free(&array);
    }
}

static void headers_of_all_versions_and_orders(void **state)
{
    (void)state;
    rt_array array;
    /* [[1, 2, 3], [4, 5, 6]] stored by columns. */
    write_file(2, "{\"shape\":(2,3),\"fortran_order\":True,\"descr\":\"|u1\"}", "\1\4\2\5\3\6", 6);
    assert_int_equal(rt_npy_read(path, &array, NULL), RT_OK);
    assert_integers(&array, (const int64_t[]){1, 2, 3, 4, 5, 6}, 6);
    rt_array_free(&array);
    /* Element [i, j, k] of shape [2, 3, 2] is 100 i + 10 j + k, stored by columns: i runs fastest. */
    write_file(3, "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 2), }\n",
               "\x00\x64\x0a\x6e\x14\x78\x01\x65\x0b\x6f\x15\x79", 12);
    assert_int_equal(rt_npy_read(path, &array, NULL), RT_OK);
    assert_integers(&array, (const int64_t[]){0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121}, 12);
    rt_array_free(&array);
    write_file(1, "{'descr': '<f8', 'fortran_order': True, 'shape': (), }  \n", &(const double){0.25}, 8);
    assert_int_equal(rt_npy_read(path, &array, NULL), RT_OK);
    assert_int_equal(array.shape.count, 0);
    assert_true(*(double *)array.data == 0.25);
    rt_array_free(&array);
}

#define REST ", 'fortran_order': False, 'shape': (2,), }"
#define BEFORE "{'descr': '|u1', 'fortran_order': False, 'shape': "
#define BROKEN(byte) "the header is not a dictionary as numpy writes it, from its byte " #byte

static void broken_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header, *message;
    } cases[] = {
        {"{'descr': '>f4'" REST, "dtype '>f4' is big-endian; it must be little-endian"},
        {"{'descr': '<f2'" REST, "dtype '<f2'; it must be float32, float64, int64 or a narrower integer"},
        {"{'descr': '|O'" REST, "dtype '|O'; it must be float32, float64, int64 or a narrower integer"},
        {"{'descr': '<u8'" REST, "dtype '<u8'; it must be float32, float64, int64 or a narrower integer"},
        {"{'descr': [('a', '<f4')]" REST, "structured arrays are not read"},
        {"{'descr': f4" REST, BROKEN(10)},
        {"{'descr': '|u1" REST, "dtype '|u1, '; it must be float32, float64, int64 or a narrower integer"},
        {"{'descr': '|u1', 'shape': (2,)}", BROKEN(31)},
        {"{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (2,)}", BROKEN(17)},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (2,), 'more': 1}", BROKEN(56)},
        {"{'descr': '|u1', 'fortran_order': 0, 'shape': (2,), }", BROKEN(34)},
        {"{'descr': '|u1' 'fortran_order': False, 'shape': (2,), }", BROKEN(16)},
        {BEFORE "(2,), }junk", BROKEN(57)},
        {BEFORE "(2), }", BROKEN(53)},
        {BEFORE "2, }", BROKEN(50)},
        {BEFORE "(-2,), }", BROKEN(51)},
        {BEFORE "(2 1), }", BROKEN(53)},
        {BEFORE "(2,,), }", BROKEN(53)},
        {BEFORE "(99999999999999999999,), }", BROKEN(70)},
        {BEFORE "(2,", BROKEN(53)},
        {BEFORE "(1,1,1,1,2), }", "more than 4 dimensions"},
        {BEFORE "(3,), }", "shape and dtype take 3 bytes; the file holds 2"},
        {BEFORE "(1,), }", "shape and dtype take 1 bytes; the file holds 2"},
        {BEFORE "(4294967296, 4294967296), }", "the shape is too large"},
        {BEFORE "(2305843009213693952, 2), }", "the shape is too large"},
        {"", BROKEN(0)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        write_file(1, cases[i].header, "\1\2", 2);
        assert_refused(cases[i].message);
    }
    rt_error err = {0};
    rt_array array;
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } files[] = {
        {"", 0, "not a .npy file"},
        {"\x93NUMPY\x01\0\0", 9, "not a .npy file"},
        {"PK\3\4 not an array", 18, "not a .npy file"},
        {"\x93NUMPY\x04\0\0\0\0\0", 12, ".npy version 4.0; it must be 1.0, 2.0 or 3.0"},
        {"\x93NUMPY\x02\0\1\0", 10, "header of 1 bytes in a file of 10"},
        {"\x93NUMPY\x01\0\x05\0{", 11, "header of 5 bytes in a file of 11"},
        {"\x93NUMPY\x01\0\xff\xff{", 11, "header of 65535 bytes in a file of 11"},
        {"\x93NUMPY\x02\0\xff\xff\xff\xff{", 13, "header of 4294967295 bytes in a file of 13"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; ++i) {
        assert_int_equal(rt_file_write(path, (rt_piece[]){{files[i].bytes, files[i].size}}, 1, NULL), RT_OK);
        assert_refused(files[i].message);
    }
    assert_int_equal(rt_npy_read("/nonexistent.npy", &array, &err), RT_ERROR_FILE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_comes_back), cmocka_unit_test(bytes_are_numpys),
        cmocka_unit_test(integers_are_widened),       cmocka_unit_test(headers_of_all_versions_and_orders),
        cmocka_unit_test(broken_headers_are_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, scratch_remove);
}
