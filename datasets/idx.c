/* The IDX files of MNIST and Fashion-MNIST: a big-endian header (magic, then one 32-bit size for each dimension) and
 * bytes. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "datasets/reading.h"

enum {
    MAGIC_LABELS = 0x00000801,      /* unsigned bytes, 1 dimension */
    MAGIC_GRAY_IMAGES = 0x00000803, /* count, height, width */
    MAGIC_IMAGES = 0x00000804,      /* count, height, width, channels */
    DEFLATE_LIMIT = 1032            /* no deflate stream grows by more than this */
};

struct idx {
    int64_t classes;
};

static const rt_param params[] = {
    RT_INT(struct idx, classes, 10, 1, 256, "number of classes; every label must be below it"),
    RT_PARAM_END,
};

/* zlib reads a gzip file and a plain one through the same calls. */
typedef struct stream {
    rt_data_path path;
    gzFile file;
    size_t room; /* no more bytes than this can come out of the file */
} stream;

static void stream_close(stream *s)
{
    if (s->file)
        gzclose_r(s->file);
    s->file = NULL;
}

static rt_status stream_open(stream *s, const char *root, const char *name, rt_error *err)
{
    char compressed[64];
    snprintf(compressed, sizeof compressed, "%s.gz", name);
    RT_TRY(rt_data_path_join(&s->path, root, name, err));
    if (!rt_data_path_exists(&s->path)) {
        RT_TRY(rt_data_path_join(&s->path, root, compressed, err));
        if (!rt_data_path_exists(&s->path))
            return rt_fail(err, RT_ERROR_FILE, "cannot find '%s' or '%s' in '%s'", name, compressed, root);
    }
    int file;
    size_t size;
    RT_TRY(rt_data_open(&s->path, &file, &size, err));
    s->file = gzdopen(file, "rb");
    if (!s->file) {
        close(file);
        return rt_fail(err, RT_ERROR_MEMORY, "cannot read '%s': no memory", s->path.text);
    }
    gzbuffer(s->file, 1 << 18);
    s->room = size;
    if (!gzdirect(s->file) && __builtin_mul_overflow(size, DEFLATE_LIMIT, &s->room))
        s->room = SIZE_MAX;
    return RT_OK;
}

/* *got is less than `size` only where the data ends. Damage inside a gzip file is an error of its own. */
static rt_status stream_read(stream *s, void *bytes, size_t size, size_t *got, rt_error *err)
{
    const size_t most = 1u << 30; /* gzread counts in int */
    *got = 0;
    while (*got < size) {
        size_t wanted = size - *got < most ? size - *got : most;
        int part = gzread(s->file, (char *)bytes + *got, (unsigned)wanted);
        int code = Z_OK;
        const char *reason = gzerror(s->file, &code);
        if (part < 0 || (code != Z_OK && code != Z_STREAM_END))
            return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': %s", s->path.text,
                           code == Z_BUF_ERROR ? "the gzip data is cut off" : reason);
        if (part == 0)
            break;
        *got += (size_t)part;
    }
    return RT_OK;
}

static rt_status read_sizes(stream *s, uint32_t *sizes, size_t count, rt_error *err)
{
    unsigned char bytes[16];
    size_t got;
    RT_TRY(stream_read(s, bytes, 4 * count, &got, err));
    if (got != 4 * count)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': it ends inside its header", s->path.text);
    for (size_t i = 0; i < count; ++i)
        sizes[i] = (uint32_t)bytes[4 * i] << 24 | (uint32_t)bytes[4 * i + 1] << 16 | (uint32_t)bytes[4 * i + 2] << 8 |
                   bytes[4 * i + 3];
    return RT_OK;
}

/* Everything behind the header, to the very end of the file (where gzip's checksum is verified). */
static rt_status read_body(stream *s, void *bytes, size_t size, rt_error *err)
{
    size_t got;
    RT_TRY(stream_read(s, bytes, size, &got, err));
    if (got != size)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': it ends after %zu bytes; its header promises %zu",
                       s->path.text, got, size);
    char extra;
    RT_TRY(stream_read(s, &extra, 1, &got, err));
    if (got != 0)
        return rt_fail(err, RT_ERROR_FORMAT,
                       "cannot read '%s': it goes on after the %zu bytes that its header promises", s->path.text, size);
    return RT_OK;
}

/* Fills in the sizes of `images` and says how many there are. */
static rt_status read_image_header(stream *s, rt_images *images, size_t *count, rt_error *err)
{
    uint32_t magic, sizes[4] = {0, 0, 0, 1};
    RT_TRY(read_sizes(s, &magic, 1, err));
    if (magic != MAGIC_GRAY_IMAGES && magic != MAGIC_IMAGES)
        return rt_fail(err, RT_ERROR_FORMAT,
                       "cannot read '%s': magic number 0x%08x; an image file has 0x%08x or 0x%08x", s->path.text, magic,
                       MAGIC_GRAY_IMAGES, MAGIC_IMAGES);
    RT_TRY(read_sizes(s, sizes, magic == MAGIC_IMAGES ? 4 : 3, err));
    size_t total = 1;
    bool fits = true;
    for (size_t i = 0; i < 4; ++i)
        fits = !__builtin_mul_overflow(total, (size_t)sizes[i], &total) && fits;
    if (fits && total == 0)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': %u images of %ux%ux%u; every size must be at least 1",
                       s->path.text, sizes[0], sizes[1], sizes[2], sizes[3]);
    /* Before any memory is asked for: a header of 16 bytes must not make us allocate what no file holds. */
    if (!fits || total > s->room)
        return rt_fail(err, RT_ERROR_FORMAT,
                       "cannot read '%s': its header promises %u images of %ux%ux%u, more than the file can hold",
                       s->path.text, sizes[0], sizes[1], sizes[2], sizes[3]);
    *count = sizes[0];
    images->height = sizes[1];
    images->width = sizes[2];
    images->channels = sizes[3];
    return RT_OK;
}

static rt_status read_labels(stream *s, size_t count, size_t classes, int64_t *labels, rt_error *err)
{
    uint32_t header[2];
    RT_TRY(read_sizes(s, header, 1, err));
    if (header[0] != MAGIC_LABELS)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': magic number 0x%08x; a label file has 0x%08x",
                       s->path.text, header[0], MAGIC_LABELS);
    RT_TRY(read_sizes(s, header + 1, 1, err));
    if (header[1] != count)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': %u labels for %zu images; there must be one for each",
                       s->path.text, header[1], count);
    /* The bytes go to the end of the array that they are widened into, from its front on. */
    unsigned char *bytes = (unsigned char *)labels + count * (sizeof *labels - 1);
    RT_TRY(read_body(s, bytes, count, err));
    for (size_t i = 0; i < count; ++i) {
        unsigned char label = bytes[i];
        if (label >= classes)
            return rt_fail(err, RT_ERROR_FORMAT,
                           "cannot read '%s': label %u at %zu; with %zu classes labels are 0 to %zu", s->path.text,
                           label, i, classes, classes - 1);
        labels[i] = label;
    }
    return RT_OK;
}

static rt_status open_split(const void *settings, const char *root, uint64_t seed, rt_split split, rt_images *images,
                            rt_error *err)
{
    (void)seed;
    const struct idx *idx = settings;
    const char *image_file = split == RT_SPLIT_TRAIN ? "train-images-idx3-ubyte" : "t10k-images-idx3-ubyte";
    const char *label_file = split == RT_SPLIT_TRAIN ? "train-labels-idx1-ubyte" : "t10k-labels-idx1-ubyte";
    *images = (rt_images){.classes = (size_t)idx->classes};
    stream pixels_in = {.file = NULL}, labels_in = {.file = NULL};
    uint8_t *pixels;
    int64_t *labels;
    size_t count = 0;
    rt_status status = stream_open(&pixels_in, root, image_file, err);
    if (status == RT_OK)
        status = stream_open(&labels_in, root, label_file, err);
    if (status == RT_OK)
        status = read_image_header(&pixels_in, images, &count, err);
    if (status == RT_OK)
        status = rt_images_allocate(images, count, pixels_in.path.text, &pixels, &labels, err);
    if (status == RT_OK)
        status = read_labels(&labels_in, count, images->classes, labels, err);
    if (status == RT_OK)
        status = read_body(&pixels_in, pixels, count * images->height * images->width * images->channels, err);
    stream_close(&pixels_in);
    stream_close(&labels_in);
    if (status != RT_OK)
        rt_images_free(images);
    return status;
}

const rt_reader rt_reader_idx = {
    .name = "idx",
    .summary = "MNIST, Fashion-MNIST and their like: IDX files, gzip or plain",
    .files = "train-images-idx3-ubyte[.gz], train-labels-idx1-ubyte[.gz], t10k-images-idx3-ubyte[.gz], "
             "t10k-labels-idx1-ubyte[.gz]",
    .needs_root = true,
    .params = params,
    .settings_size = sizeof(struct idx),
    .open = open_split,
    .close = rt_images_free,
};
