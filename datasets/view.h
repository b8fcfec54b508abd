/* A sample on its way from the reader to a batch, where more is to be done than rt_render() does: it is fetched and
 * decoded, a part of it is resized to the network's size, and augmentations change it. */
#ifndef RETORT_DATASETS_VIEW_H
#define RETORT_DATASETS_VIEW_H

#include "datasets/augment.h"

/* The memory of one thread for that. Zero-initialise; it grows to what the largest image needs and stays. */
typedef struct rt_workspace {
    rt_picture picture;
    uint8_t *images; /* two of the network's size */
    size_t image_capacity;
    void *scratch;
    size_t scratch_capacity;
} rt_workspace;

void rt_workspace_free(rt_workspace *workspace);

/* Has images handed out as size x size pixels, the centre of the image whose short side was resized to `short_side`; 0
 * for size * 8 / 7, which is ImageNet's 256 for 224. size 0 leaves them as they are, which needs images of one size. */
rt_status rt_images_fit(rt_images *images, size_t size, size_t short_side, rt_error *err);

/* Whether rt_render() can work on images->pixels. */
bool rt_view_is_plain(const rt_images *images, const rt_augment *augment);

/* What decides an augmentation, beside the variant. */
typedef struct rt_view {
    uint64_t seed;
    uint32_t epoch, variant;
} rt_view;

/* The bytes of sample `index` as every epoch has them without augmentation: [height, width, channels], the
 * workspace's. */
rt_status rt_view_bytes(const rt_images *images, size_t index, rt_workspace *workspace, const uint8_t **bytes,
                        rt_error *err);

/* Writes [height, width, channels] normalised values. */
rt_status rt_view_render(const rt_rendering *rendering, const rt_images *images, size_t index, const rt_view *view,
                         rt_workspace *workspace, float *out, rt_error *err);

#endif
