/* A box of each image of a batch is another's, of a size and at a place that are drawn for the batch: Yun et al. 2019,
 * arXiv:1905.04899; torchvision's CutMix, and timm's Mixup in its mode `batch`, but for the order of partners.
 *
 *     lambda ~ Beta(alpha, alpha); the box's sides are sqrt(1 - lambda) of the image's, its centre any pixel
 *     the label's share is that of the area, of what lies within the image */
#include "datasets/augmentations/cutmix.h"

#include <math.h>

struct cutmix {
    double alpha, probability;
};

static const rt_param params[] = {
    RT_FLOAT(struct cutmix, alpha, 1.0, 0.01, 1000.0,
             "the area that an image keeps is drawn from Beta(alpha, alpha): 1 for all as likely"),
    RT_FLOAT(struct cutmix, probability, 1.0, 0.0, 1.0, "share of the batches that are mixed"),
    RT_PARAM_END,
};

/* From `half` before the centre to `half` behind it, within the image. */
static void cut(size_t center, size_t half, size_t size, size_t *start, size_t *length)
{
    *start = center > half ? center - half : 0;
    *length = (center + half < size ? center + half : size) - *start;
}

rt_blend rt_cutmix_blend(double kept, size_t x, size_t y, size_t height, size_t width)
{
    const double half = 0.5 * sqrt(1.0 - kept);
    rt_blend blend = {.pasted = true};
    rt_box *box = &blend.box;
    cut(x, (size_t)(half * (double)width), width, &box->left, &box->width);
    cut(y, (size_t)(half * (double)height), height, &box->top, &box->height);
    blend.share = (double)(box->height * box->width) / (double)(height * width);
    return blend;
}

static void mix(const void *settings, rt_draws *draws, size_t height, size_t width, rt_blend *blend)
{
    const struct cutmix *wish = settings;
    if (!rt_draw_happens(draws, wish->probability))
        return;
    const size_t x = rt_draw_below(draws, (uint32_t)width), y = rt_draw_below(draws, (uint32_t)height);
    *blend = rt_cutmix_blend(rt_draw_beta(draws, wish->alpha, wish->alpha), x, y, height, width);
}

const rt_augmentation rt_augmentation_cutmix = {
    .name = "cutmix",
    .summary = "a box of each image is another's of the batch, and so is that share of the label",
    .params = params,
    .settings_size = sizeof(struct cutmix),
    .mix = mix,
};
