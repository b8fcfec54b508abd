/* The images of a batch fade into each other, by a share that is drawn for the batch: Zhang et al. 2017,
 * arXiv:1710.09412; torchvision's MixUp, and timm's Mixup in its mode `batch`, but for the order of partners.
 *
 *     lambda ~ Beta(alpha, alpha)
 *     image n = lambda image n + (1 - lambda) image n-1, and its label likewise */
#include "datasets/augmentation.h"

struct mixup {
    double alpha, probability;
};

static const rt_param params[] = {
    RT_FLOAT(struct mixup, alpha, 1.0, 0.01, 1000.0,
             "the share of an image is drawn from Beta(alpha, alpha): 1 for all as likely, less for near 0 or 1"),
    RT_FLOAT(struct mixup, probability, 1.0, 0.0, 1.0, "share of the batches that are mixed"),
    RT_PARAM_END,
};

static void mix(const void *settings, rt_draws *draws, size_t height, size_t width, rt_blend *blend)
{
    const struct mixup *wish = settings;
    (void)height, (void)width;
    if (rt_draw_happens(draws, wish->probability))
        blend->share = 1.0 - rt_draw_beta(draws, wish->alpha, wish->alpha);
}

const rt_augmentation rt_augmentation_mixup = {
    .name = "mixup",
    .summary = "images of a batch fade into each other, and so do their labels",
    .params = params,
    .settings_size = sizeof(struct mixup),
    .mix = mix,
};
