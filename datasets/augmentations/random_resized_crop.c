/* A part of random area and shape, resized to the network's size: Szegedy et al. 2014, arXiv:1409.4842; torchvision's
 * RandomResizedCrop. */
#include <math.h>

#include "datasets/augmentation.h"

enum { TRIES = 10 };

struct random_resized_crop {
    rt_float_list scale, ratio;
};

static const rt_param params[] = {
    RT_FLOAT_LIST(struct random_resized_crop, scale, 1e-4, 1.0,
                  "least and largest share of the image's area; [0.08, 1] where not given"),
    RT_FLOAT_LIST(struct random_resized_crop, ratio, 0.01, 100.0,
                  "least and largest width to height; [3/4, 4/3] where not given"),
    RT_PARAM_END,
};

static const char *check(const void *settings)
{
    const struct random_resized_crop *crop = settings;
    return rt_check_ranges(&crop->scale, &crop->ratio);
}

/* Where ten tries do not fit: the largest centre whose shape is allowed. */
static void fall_back(size_t height, size_t width, double low, double high, rt_box *box)
{
    const double ratio = (double)width / (double)height;
    box->height = height;
    box->width = width;
    if (ratio < low)
        box->height = (size_t)nearbyint((double)width / low);
    else if (ratio > high)
        box->width = (size_t)nearbyint((double)height * high);
    box->height = box->height < 1 ? 1 : box->height > height ? height : box->height;
    box->width = box->width < 1 ? 1 : box->width > width ? width : box->width;
    box->top = (height - box->height) / 2;
    box->left = (width - box->width) / 2;
}

static void choose(const void *settings, rt_draws *draws, size_t height, size_t width, rt_box *box)
{
    const struct random_resized_crop *crop = settings;
    const double least = crop->scale.count ? crop->scale.values[0] : 0.08;
    const double most = crop->scale.count ? crop->scale.values[1] : 1.0;
    const double low = crop->ratio.count ? crop->ratio.values[0] : 3.0 / 4.0;
    const double high = crop->ratio.count ? crop->ratio.values[1] : 4.0 / 3.0;
    for (int i = 0; i < TRIES; ++i) {
        const double area = (double)height * (double)width * rt_draw_between(draws, least, most);
        const double ratio = exp(rt_draw_between(draws, log(low), log(high)));
        const double w = nearbyint(sqrt(area * ratio)), h = nearbyint(sqrt(area / ratio));
        if (w < 1.0 || h < 1.0 || w > (double)width || h > (double)height)
            continue;
        box->height = (size_t)h;
        box->width = (size_t)w;
        box->top = rt_draw_below(draws, (uint32_t)(height - box->height + 1));
        box->left = rt_draw_below(draws, (uint32_t)(width - box->width + 1));
        return;
    }
    fall_back(height, width, low, high, box);
}

const rt_augmentation rt_augmentation_random_resized_crop = {
    .name = "random_resized_crop",
    .summary = "a part of random area and shape, resized; instead of the centre",
    .params = params,
    .settings_size = sizeof(struct random_resized_crop),
    .check = check,
    .choose = choose,
};
