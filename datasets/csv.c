/* Photographs by a list of path,label, one file for each split:
 *
 *     path,label
 *     photos/0013035.jpg,ants
 *     "photos/a, b.jpg",bees
 *
 * The first row is a header where it says path (or file, filename, image) and label (or class). Labels are all numbers
 * of classes or all names; names are numbered in the order of their bytes, as folders are by image_folder. The training
 * file, where it is there, says for both splits which classes there are. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/quote.h"
#include "datasets/csv_rows.h"
#include "datasets/file_list.h"

enum { MOST_CLASSES = 65536, MOST_BYTES = 1 << 30 };

enum { LABELS_AUTO, LABELS_INDEX, LABELS_NAME };
static const char *const label_kinds[] = {"auto", "index", "name", NULL};

enum { HEADER_AUTO, HEADER_PRESENT, HEADER_ABSENT };
static const char *const headers[] = {"auto", "present", "absent", NULL};

struct csv {
    const char *train, *test;
    int labels, header;
    int64_t classes;
    int decoder;
};

static const rt_param params[] = {
    RT_REQUIRED_STRING(struct csv, train, "CSV file of the training images, relative to the working directory"),
    RT_REQUIRED_STRING(struct csv, test, "CSV file of the test images, relative to the working directory"),
    RT_ENUM(struct csv, labels, LABELS_AUTO, label_kinds,
            "what labels are: numbers from 0, names, or what the first of them is"),
    RT_ENUM(struct csv, header, HEADER_AUTO, headers,
            "whether the first row is a header; auto knows path, file, filename or image beside label or class"),
    RT_INT(struct csv, classes, 0, 0, MOST_CLASSES, "classes; 0 for those of the training file"),
    RT_ENUM(struct csv, decoder, RT_DECODER_AUTO, rt_decoder_names,
            "what decodes JPEG files: libjpeg-turbo where the build has it, or stb_image"),
    RT_PARAM_END,
};

typedef struct row {
    rt_csv_field path, label;
} row;

/* A file and its rows, which point into it. */
typedef struct table {
    const char *name;
    rt_bytes bytes;
    row *rows;
    size_t count, capacity;
} table;

static void table_free(table *t)
{
    free(t->rows);
    rt_bytes_free(&t->bytes);
    *t = (table){0};
}

static bool is_one_of(const char *text, const char *const *words)
{
    while (*words && strcasecmp(text, *words) != 0)
        ++words;
    return *words != NULL;
}

static bool is_header(const struct csv *wish, const rt_csv_field *fields)
{
    static const char *const paths[] = {"path", "file", "filename", "image", NULL};
    static const char *const labels[] = {"label", "class", NULL};
    if (wish->header != HEADER_AUTO)
        return wish->header == HEADER_PRESENT;
    return is_one_of(fields[0].text, paths) && is_one_of(fields[1].text, labels);
}

static rt_status add_row(table *t, const rt_csv_field *fields, rt_error *err)
{
    if (t->count == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 1024;
        row *rows = realloc(t->rows, capacity * sizeof *rows);
        if (!rows)
            return rt_fail(err, RT_ERROR_MEMORY, "no memory for %zu rows of '%s'", capacity, t->name);
        t->rows = rows;
        t->capacity = capacity;
    }
    t->rows[t->count++] = (row){fields[0], fields[1]};
    return RT_OK;
}

static rt_status read_rows(const struct csv *wish, table *t, rt_error *err)
{
    rt_csv csv;
    rt_csv_field fields[2];
    size_t count;
    rt_csv_begin(&csv, t->name, (char *)t->bytes.data, t->bytes.size);
    for (bool first = true;; first = false) {
        RT_TRY(rt_csv_next(&csv, fields, 2, &count, err));
        if (count == 0)
            break;
        if (count == 1)
            return rt_csv_fail(t->name, fields[0].place, err, "a row of one field; a row is path,label");
        if (first && is_header(wish, fields))
            continue;
        for (size_t i = 0; i < 2; ++i)
            if (!*fields[i].text)
                return rt_csv_fail(t->name, fields[i].place, err, "the %s is empty", i ? "label" : "path");
        RT_TRY(add_row(t, fields, err));
    }
    return t->count ? RT_OK : rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': it has no row of path,label", t->name);
}

static rt_status table_read(const struct csv *wish, const char *name, table *t, rt_error *err)
{
    *t = (table){.name = name};
    RT_TRY(rt_file_read(name, MOST_BYTES, &t->bytes, err));
    rt_status status = read_rows(wish, t, err);
    if (status != RT_OK)
        table_free(t);
    return status;
}

static bool is_number(const char *text)
{
    return text[strspn(text, "0123456789")] == '\0';
}

/* Digits alone; numbers beyond any class are all the same. */
static int64_t number_of(const char *text)
{
    int64_t number = 0;
    for (; *text && number < MOST_CLASSES; ++text)
        number = 10 * number + (*text - '0');
    return number;
}

/* What labels mean: sorted names, or numbers below `count`. */
typedef struct classes {
    const char **names; /* point into the training table; NULL for numbers */
    size_t count;
} classes;

static rt_status check_kind(const struct csv *wish, const table *t, bool numbers, rt_error *err)
{
    rt_quote quote;
    for (size_t i = 0; i < t->count; ++i) {
        const rt_csv_field *label = &t->rows[i].label;
        if (wish->labels == LABELS_NAME || is_number(label->text) == numbers)
            continue;
        return rt_csv_fail(t->name, label->place, err,
                           numbers ? "label '%s' is not a whole number as the others; 'labels: name' takes all as names"
                                   : "label '%s' is a number among names; 'labels: name' takes all as names",
                           rt_quote_text(&quote, label->text, strlen(label->text)));
    }
    return RT_OK;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static rt_status collect_names(const table *t, classes *c, rt_error *err)
{
    c->names = malloc(t->count * sizeof *c->names);
    if (!c->names)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the class names of '%s'", t->name);
    for (size_t i = 0; i < t->count; ++i)
        c->names[i] = t->rows[i].label.text;
    qsort(c->names, t->count, sizeof *c->names, by_bytes);
    c->count = 0;
    for (size_t i = 0; i < t->count; ++i)
        if (i == 0 || strcmp(c->names[i], c->names[c->count - 1]) != 0)
            c->names[c->count++] = c->names[i];
    return RT_OK;
}

static rt_status find_classes(const struct csv *wish, const table *t, classes *c, rt_error *err)
{
    const bool numbers =
        wish->labels == LABELS_INDEX || (wish->labels == LABELS_AUTO && is_number(t->rows[0].label.text));
    RT_TRY(check_kind(wish, t, numbers, err));
    if (!numbers) {
        RT_TRY(collect_names(t, c, err));
        if (c->count > MOST_CLASSES || (wish->classes > 0 && c->count != (size_t)wish->classes))
            return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': %zu class names; 'classes' says %lld", t->name,
                           c->count, wish->classes > 0 ? (long long)wish->classes : (long long)MOST_CLASSES);
        return RT_OK;
    }
    c->count = (size_t)wish->classes;
    for (size_t i = 0; wish->classes == 0 && i < t->count; ++i) {
        const rt_csv_field *label = &t->rows[i].label;
        const int64_t number = number_of(label->text);
        if (number >= MOST_CLASSES)
            return rt_csv_fail(t->name, label->place, err, "label %.20s; there are at most %d classes, counted from 0",
                               label->text, MOST_CLASSES);
        c->count = (size_t)number >= c->count ? (size_t)number + 1 : c->count;
    }
    return RT_OK;
}

static rt_status label_of(const table *t, const rt_csv_field *field, const classes *c, int64_t *label, rt_error *err)
{
    rt_quote quote;
    const char *words = rt_quote_text(&quote, field->text, strlen(field->text));
    if (c->names) {
        const char **found = bsearch(&field->text, c->names, c->count, sizeof *c->names, by_bytes);
        if (!found)
            return rt_csv_fail(t->name, field->place, err, "label '%s'; the training images have no such class", words);
        *label = found - c->names;
        return RT_OK;
    }
    *label = is_number(field->text) ? number_of(field->text) : -1;
    if (*label < 0 || (size_t)*label >= c->count)
        return rt_csv_fail(t->name, field->place, err, "label '%s'; it must be a class from 0 to %zu", words,
                           c->count - 1);
    return RT_OK;
}

/* A path is relative to `root`, or else to the folder that the CSV file is in. */
static rt_status locate(const table *t, const char *root, const rt_csv_field *field, rt_data_path *path, rt_error *err)
{
    const char *slash = strrchr(t->name, '/');
    rt_data_path folder = {"."};
    struct stat about;
    rt_error inner = {0};
    rt_status status = RT_OK;
    if (!root && slash)
        status = rt_data_path_join(&folder, t->name, "", &inner);
    if (status == RT_OK && !root && slash)
        folder.text[slash == t->name ? 1 : slash - t->name] = '\0';
    if (status == RT_OK)
        status = field->text[0] == '/' ? rt_data_path_join(path, field->text, "", &inner)
                                       : rt_data_path_join(path, root ? root : folder.text, field->text, &inner);
    if (status != RT_OK)
        return rt_csv_fail(t->name, field->place, err, "%s", inner.message);
    if (stat(path->text, &about) != 0)
        return rt_csv_fail(t->name, field->place, err, "cannot open '%.300s': %s", path->text, strerror(errno));
    if (!S_ISREG(about.st_mode))
        return rt_csv_fail(t->name, field->place, err, "cannot read '%.300s': not a regular file", path->text);
    return RT_OK;
}

static rt_status fill(const table *t, const char *root, const classes *c, rt_file_list *list, rt_error *err)
{
    for (size_t i = 0; c->names && i < c->count; ++i)
        RT_TRY(rt_file_list_name_class(list, c->names[i], err));
    for (size_t i = 0; i < t->count; ++i) {
        rt_data_path path;
        int64_t label = -1;
        RT_TRY(label_of(t, &t->rows[i].label, c, &label, err));
        RT_TRY(locate(t, root, &t->rows[i].path, &path, err));
        RT_TRY(rt_file_list_add(list, path.text, label, err));
    }
    return RT_OK;
}

static rt_status open_split(const void *settings, const char *root, uint64_t seed, rt_split split, rt_images *images,
                            rt_error *err)
{
    (void)seed;
    const struct csv *wish = settings;
    const char *name = split == RT_SPLIT_TRAIN ? wish->train : wish->test;
    table own, train = {0};
    classes c = {0};
    rt_file_list *list = NULL;
    *images = (rt_images){0};
    if (!name)
        return rt_fail(err, RT_ERROR_USAGE, "data: reader csv needs '%s', a CSV file",
                       split == RT_SPLIT_TRAIN ? "train" : "test");
    RT_TRY(table_read(wish, name, &own, err));
    rt_status status = RT_OK;
    if (split == RT_SPLIT_TEST && wish->train && rt_path_exists(wish->train))
        status = table_read(wish, wish->train, &train, err);
    if (status == RT_OK)
        status = find_classes(wish, train.count ? &train : &own, &c, err);
    if (status == RT_OK)
        status = rt_file_list_new((rt_decoder)wish->decoder, &list, err);
    if (status == RT_OK)
        status = fill(&own, root, &c, list, err);
    if (status == RT_OK)
        status = rt_file_list_open(list, c.count, images, err);
    else
        rt_file_list_free(list);
    free(c.names);
    table_free(&own);
    table_free(&train);
    return status;
}

const rt_reader rt_reader_csv = {
    .name = "csv",
    .summary = "photographs of any size, JPEG and PNG, by a list of path,label",
    .files = "the files that train and test name; paths in them are relative to root, or else to the CSV file's folder",
    .needs_root = false,
    .params = params,
    .settings_size = sizeof(struct csv),
    .open = open_split,
    .close = rt_file_list_close,
};
