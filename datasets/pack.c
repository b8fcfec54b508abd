/* Images that `retort pack` has decoded: see pack_file.h for the file, which is the recipe's `root`. */
#include <stdlib.h>
#include <xxhash.h>

#include "datasets/pack_file.h"

struct pack {
    bool verify;
};

static const rt_param params[] = {
    RT_BOOL(struct pack, verify, true, "compare each image with its checksum when it is read"),
    RT_PARAM_END,
};

/* A split of an open file. */
typedef struct part {
    rt_pack pack;
    size_t first; /* the split's, in the index */
    bool verify;
} part;

static rt_status fetch(const rt_images *images, size_t index, rt_picture *picture, rt_error *err)
{
    const part *p = images->owner;
    const rt_pack_entry *e = &p->pack.entries[p->first + index];
    const uint8_t *pixels;
    RT_TRY(rt_pack_image(&p->pack, p->first + index, p->verify, &pixels, err));
    picture->height = e->height;
    picture->width = e->width;
    picture->channels = images->channels;
    picture->pixels = pixels;
    return RT_OK;
}

static void close_split(rt_images *images)
{
    part *p = images->owner;
    if (p)
        rt_pack_close(&p->pack);
    free(p);
    free((void *)(uintptr_t)images->labels);
    *images = (rt_images){0};
}

static rt_status open_split(const void *settings, const char *root, uint64_t seed, rt_split split, rt_images *images,
                            rt_error *err)
{
    (void)seed;
    *images = (rt_images){0};
    part *p = calloc(1, sizeof *p);
    if (!p)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a dataset");
    rt_status status = rt_pack_open(root, &p->pack, err);
    if (status != RT_OK) {
        free(p);
        return status;
    }
    const rt_pack_header *h = &p->pack.header;
    p->first = split == RT_SPLIT_TRAIN ? 0 : (size_t)h->counts[RT_SPLIT_TRAIN];
    p->verify = ((const struct pack *)settings)->verify;
    const size_t count = (size_t)h->counts[split];
    int64_t *labels = malloc((count + 1) * sizeof *labels);
    *images = (rt_images){.count = count,
                          .channels = h->channels,
                          .classes = (size_t)h->classes,
                          .labels = labels,
                          .class_names = p->pack.class_names,
                          .owner = p,
                          .fetch = fetch,
                          .identity = XXH3_64bits_withSeed(&h->index_checksum, sizeof h->index_checksum, split)};
    if (!labels) {
        close_split(images);
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for %zu labels", count);
    }
    for (size_t i = 0; i < count; ++i)
        labels[i] = p->pack.entries[p->first + i].label;
    return RT_OK;
}

const rt_reader rt_reader_pack = {
    .name = "pack",
    .summary = "images of any size that 'retort pack' has decoded, in one file",
    .files = "root is the file itself, as in root: photos.rpk",
    .needs_root = true,
    .params = params,
    .settings_size = sizeof(struct pack),
    .open = open_split,
    .close = close_split,
};
