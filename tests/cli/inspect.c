/* A look into files for the scripts in this folder:
 *
 *     inspect json FILE        every value, a line each: "training.best_top1 60"; text as it is, lists by index
 *     inspect json-lines FILE  the same of each line, with its number before it: "2.epoch 1"
 *     inspect weights FILE     how many numbers it holds; fails where one of them is NaN or infinite
 *
 * Fails where the file is not what it should be. */
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "formats/tensors.h"

enum { PATH_CAPACITY = 512 };

static void print_values(const char *path, const json_t *value)
{
    char longer[PATH_CAPACITY];
    const char *dot = *path ? "." : "", *key;
    size_t index;
    json_t *item;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        json_object_foreach((json_t *)(uintptr_t)value, key, item)
        {
            snprintf(longer, sizeof longer, "%s%s%s", path, dot, key);
            print_values(longer, item);
        }
        break;
    case JSON_ARRAY:
        json_array_foreach(value, index, item)
        {
            snprintf(longer, sizeof longer, "%s%s%zu", path, dot, index);
            print_values(longer, item);
        }
        break;
    case JSON_STRING:
        printf("%s %s\n", path, json_string_value(value));
        break;
    case JSON_INTEGER:
        printf("%s %lld\n", path, (long long)json_integer_value(value));
        break;
    case JSON_REAL:
        printf("%s %.12g\n", path, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        printf("%s %s\n", path, json_is_null(value) ? "null" : json_is_true(value) ? "true" : "false");
        break;
    }
}

static bool print_text(const char *path, const char *text, size_t size)
{
    json_error_t problem;
    json_t *value = json_loadb(text, size, JSON_REJECT_DUPLICATES, &problem);
    if (value)
        print_values(path, value);
    else
        fprintf(stderr, "inspect: line %s: %s\n", path, problem.text);
    json_decref(value);
    return value != NULL;
}

static bool print_json(const char *file, bool lines)
{
    rt_bytes bytes = {0};
    rt_error err = {0};
    if (rt_file_read(file, (size_t)1 << 26, &bytes, &err) != RT_OK) {
        fprintf(stderr, "inspect: %s\n", err.message);
        return false;
    }
    const char *text = (const char *)bytes.data;
    bool good = lines || print_text("", text, bytes.size);
    for (int number = 1; lines && good && *text; ++number) {
        const char *end = strchr(text, '\n');
        char name[16];
        snprintf(name, sizeof name, "%d", number);
        good = end && print_text(name, text, (size_t)(end - text));
        text = end ? end + 1 : text;
    }
    rt_bytes_free(&bytes);
    return good;
}

static bool look_at(const rt_tensor *tensor, size_t *numbers)
{
    size_t count = rt_shape_elements(&tensor->shape);
    float *values = malloc((count + 1) * sizeof *values);
    bool good = values && rt_tensor_floats(tensor, values, NULL) == RT_OK;
    for (size_t i = 0; good && i < count; ++i)
        good = isfinite(values[i]);
    if (!good)
        fprintf(stderr, "inspect: '%s' holds what is not a finite number\n", tensor->name);
    *numbers += count;
    free(values);
    return good;
}

static bool check_weights(const char *file)
{
    rt_tensors tensors;
    rt_error err = {0};
    if (rt_tensors_open(file, &tensors, &err) != RT_OK) {
        fprintf(stderr, "inspect: %s\n", err.message);
        return false;
    }
    bool good = true;
    size_t numbers = 0;
    for (size_t i = 0; i < tensors.count; ++i)
        good = look_at(&tensors.items[i], &numbers) && good;
    printf("%zu\n", numbers);
    rt_tensors_close(&tensors);
    return good;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "json") == 0)
        return print_json(argv[2], false) ? 0 : 1;
    if (argc == 3 && strcmp(argv[1], "json-lines") == 0)
        return print_json(argv[2], true) ? 0 : 1;
    if (argc == 3 && strcmp(argv[1], "weights") == 0)
        return check_weights(argv[2]) ? 0 : 1;
    fprintf(stderr, "inspect: see the first lines of inspect.c\n");
    return 1;
}
