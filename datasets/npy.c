/* Pairs of NumPy arrays: images of one size and their labels, as numpy.save() writes them.
 *
 *     ROOT/train_images.npy    uint8 [count, height, width, channels], or [count, height, width] for gray
 *     ROOT/train_labels.npy    integers [count]
 *     ROOT/test_images.npy, ROOT/test_labels.npy
 *
 * The pixels stay in the file, which is mapped into memory: nothing is read before it is asked for. So the array must
 * be what images are here, bytes in row-major order with channels last; anything else is refused with what to do in
 * numpy. */
#include <stdlib.h>

#include "base/mapping.h"
#include "base/npy_header.h"
#include "datasets/reading.h"

enum { MOST_CHANNELS = 16, MOST_SIDE = 16384, MOST_CLASSES = 65536 };

struct npy {
    const char *train_images, *train_labels, *test_images, *test_labels;
    int64_t classes;
};

static const rt_param params[] = {
    RT_STRING(struct npy, train_images, "train_images.npy", "file of the training images, below root"),
    RT_STRING(struct npy, train_labels, "train_labels.npy", "file of their labels"),
    RT_STRING(struct npy, test_images, "test_images.npy", "file of the test images"),
    RT_STRING(struct npy, test_labels, "test_labels.npy", "file of their labels"),
    RT_INT(struct npy, classes, 0, 0, MOST_CLASSES, "classes; 0 for those of the training labels"),
    RT_PARAM_END,
};

typedef struct array {
    rt_data_path path;
    rt_mapping file;
    rt_npy_header header;
    const unsigned char *data;
} array;

static void array_close(array *a)
{
    rt_mapping_close(&a->file);
}

static rt_status array_open(const char *root, const char *name, array *a, rt_error *err)
{
    size_t data = 0;
    *a = (array){0};
    RT_TRY(rt_data_path_join(&a->path, root, name, err));
    RT_TRY(rt_mapping_open(a->path.text, &a->file, err));
    rt_status status = rt_npy_header_read(a->path.text, a->file.data, a->file.size, &a->header, &data, err);
    if (status == RT_OK)
        status = rt_npy_header_check(a->path.text, &a->header, a->file.size - data, err);
    if (status != RT_OK) {
        array_close(a);
        return status;
    }
    a->data = a->file.data + data;
    return RT_OK;
}

static rt_status check_images(const array *a, rt_error *err)
{
    const rt_shape *shape = &a->header.shape;
    const char *path = a->path.text;
    if (a->header.type != RT_NPY_U1)
        return rt_fail(
            err, RT_ERROR_FORMAT,
            "cannot read '%s': images of %s; they must be uint8, 0 to 255: images.astype(numpy.uint8), after "
            "scaling where they are 0 to 1",
            path, rt_npy_type_name(a->header.type));
    if (shape->count != 3 && shape->count != 4)
        return rt_fail(err, RT_ERROR_FORMAT,
                       "cannot read '%s': an array of %zu dimensions; images are [count, height, width] or [count, "
                       "height, width, channels]",
                       path, shape->count);
    if (a->header.fortran_order)
        return rt_fail(
            err, RT_ERROR_FORMAT,
            "cannot read '%s': the array is in Fortran order; numpy.ascontiguousarray(images) has rows in order", path);
    const size_t height = shape->dims[1], width = shape->dims[2], channels = shape->count == 4 ? shape->dims[3] : 1;
    if (shape->dims[0] == 0)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': it holds no image", path);
    if (height == 0 || width == 0 || height > MOST_SIDE || width > MOST_SIDE)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': images of %zu x %zu pixels; a side has 1 to %d", path,
                       height, width, MOST_SIDE);
    if (channels == 0 || channels > MOST_CHANNELS)
        return rt_fail(err, RT_ERROR_FORMAT,
                       "cannot read '%s': images of %zu x %zu x %zu; channels, 1 to %d, come last%s", path, height,
                       width, channels, MOST_CHANNELS, height <= 4 ? ": images.transpose(0, 2, 3, 1)" : "");
    return RT_OK;
}

static bool is_integer(rt_npy_type type)
{
    return type != RT_NPY_F4 && type != RT_NPY_F8 && type != RT_NPY_BOOL;
}

static rt_status check_labels(const array *a, rt_error *err)
{
    const rt_shape *shape = &a->header.shape;
    if (!is_integer(a->header.type))
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': labels of %s; they must be integers", a->path.text,
                       rt_npy_type_name(a->header.type));
    if (shape->count != 1)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': an array of %zu dimensions; labels are [count]",
                       a->path.text, shape->count);
    return RT_OK;
}

static int64_t label_at(const array *a, size_t index)
{
    return rt_npy_integer(a->data + index * rt_npy_type_size(a->header.type), a->header.type);
}

/* As many as the labels ask for. */
static rt_status count_classes(const array *a, size_t *classes, rt_error *err)
{
    *classes = 1;
    for (size_t i = 0; i < a->header.shape.dims[0]; ++i) {
        const int64_t label = label_at(a, i);
        if (label >= MOST_CLASSES)
            return rt_fail(err, RT_ERROR_FORMAT,
                           "cannot read '%s': label %lld of image %zu; there are at most %d classes", a->path.text,
                           (long long)label, i, MOST_CLASSES);
        if (label >= (int64_t)*classes)
            *classes = (size_t)label + 1;
    }
    return RT_OK;
}

/* The training labels say for both splits how many classes there are, unless the recipe does or they are not there. */
static rt_status find_classes(const struct npy *wish, const char *root, const array *own, size_t *classes,
                              rt_error *err)
{
    array train;
    rt_data_path path;
    *classes = (size_t)wish->classes;
    if (*classes > 0)
        return RT_OK;
    RT_TRY(rt_data_path_join(&path, root, wish->train_labels, err));
    if (!rt_data_path_exists(&path))
        return count_classes(own, classes, err);
    RT_TRY(array_open(root, wish->train_labels, &train, err));
    rt_status status = check_labels(&train, err);
    if (status == RT_OK)
        status = count_classes(&train, classes, err);
    array_close(&train);
    return status;
}

static rt_status take_labels(const array *a, size_t count, size_t classes, int64_t **labels, rt_error *err)
{
    if (a->header.shape.dims[0] != count)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': %zu labels for %zu images", a->path.text,
                       a->header.shape.dims[0], count);
    int64_t *taken = malloc(count * sizeof *taken);
    if (!taken)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for %zu labels", count);
    for (size_t i = 0; i < count; ++i) {
        taken[i] = label_at(a, i);
        if (taken[i] < 0 || (size_t)taken[i] >= classes) {
            rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': label %lld of image %zu; it must be from 0 to %zu",
                    a->path.text, (long long)taken[i], i, classes - 1);
            free(taken);
            return RT_ERROR_FORMAT;
        }
    }
    *labels = taken;
    return RT_OK;
}

static rt_status fill(const array *images_file, const array *labels_file, size_t classes, rt_images *images,
                      rt_error *err)
{
    const rt_shape *shape = &images_file->header.shape;
    int64_t *labels = NULL;
    rt_mapping *kept = malloc(sizeof *kept);
    if (!kept)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a dataset");
    rt_status status = take_labels(labels_file, shape->dims[0], classes, &labels, err);
    if (status != RT_OK) {
        free(kept);
        return status;
    }
    *kept = images_file->file;
    *images = (rt_images){.count = shape->dims[0],
                          .height = shape->dims[1],
                          .width = shape->dims[2],
                          .channels = shape->count == 4 ? shape->dims[3] : 1,
                          .classes = classes,
                          .pixels = images_file->data,
                          .labels = labels,
                          .owner = kept};
    return RT_OK;
}

static rt_status open_split(const void *settings, const char *root, uint64_t seed, rt_split split, rt_images *images,
                            rt_error *err)
{
    (void)seed;
    const struct npy *wish = settings;
    const bool training = split == RT_SPLIT_TRAIN;
    array pixels, labels = {0};
    size_t classes = 0;
    *images = (rt_images){0};
    RT_TRY(array_open(root, training ? wish->train_images : wish->test_images, &pixels, err));
    rt_status status = check_images(&pixels, err);
    if (status == RT_OK)
        status = array_open(root, training ? wish->train_labels : wish->test_labels, &labels, err);
    if (status == RT_OK)
        status = check_labels(&labels, err);
    if (status == RT_OK)
        status = find_classes(wish, root, &labels, &classes, err);
    if (status == RT_OK)
        status = fill(&pixels, &labels, classes, images, err);
    array_close(&labels);
    if (status != RT_OK)
        array_close(&pixels);
    return status;
}

static void close_split(rt_images *images)
{
    rt_mapping *file = images->owner;
    if (file)
        rt_mapping_close(file);
    free(file);
    free((void *)(uintptr_t)images->labels);
    *images = (rt_images){0};
}

const rt_reader rt_reader_npy = {
    .name = "npy",
    .summary = "images of one size as NumPy arrays: uint8 pixels and integer labels",
    .files = "train_images.npy, train_labels.npy, test_images.npy, test_labels.npy, or what the settings name",
    .needs_root = true,
    .params = params,
    .settings_size = sizeof(struct npy),
    .open = open_split,
    .close = close_split,
};
