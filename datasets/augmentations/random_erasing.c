/* A random rectangle is blotted out, with the mean colour: Zhong et al. 2017, arXiv:1708.04896; torchvision's
 * RandomErasing with value 0. */
#include <math.h>

#include "datasets/augmentation.h"

enum { TRIES = 10 };

struct random_erasing {
    double probability;
    rt_float_list scale, ratio;
};

static const rt_param params[] = {
    RT_FLOAT(struct random_erasing, probability, 0.5, 0.0, 1.0, "share of the images that lose a part"),
    RT_FLOAT_LIST(struct random_erasing, scale, 1e-4, 1.0,
                  "least and largest share of the image's area; [0.02, 0.33] where not given"),
    RT_FLOAT_LIST(struct random_erasing, ratio, 0.01, 100.0,
                  "least and largest height to width; [0.3, 3.3] where not given"),
    RT_PARAM_END,
};

static const char *check(const void *settings)
{
    const struct random_erasing *wish = settings;
    return rt_check_ranges(&wish->scale, &wish->ratio);
}

static void finish(const void *settings, rt_draws *draws, size_t height, size_t width, size_t channels, float *values)
{
    const struct random_erasing *wish = settings;
    const double least = wish->scale.count ? wish->scale.values[0] : 0.02;
    const double most = wish->scale.count ? wish->scale.values[1] : 0.33;
    const double low = wish->ratio.count ? wish->ratio.values[0] : 0.3;
    const double high = wish->ratio.count ? wish->ratio.values[1] : 3.3;
    if (!rt_draw_happens(draws, wish->probability))
        return;
    for (int i = 0; i < TRIES; ++i) {
        const double area = (double)height * (double)width * rt_draw_between(draws, least, most);
        const double ratio = exp(rt_draw_between(draws, log(low), log(high)));
        const double h = nearbyint(sqrt(area * ratio)), w = nearbyint(sqrt(area / ratio));
        if (h < 1.0 || w < 1.0 || h >= (double)height || w >= (double)width)
            continue;
        const size_t top = rt_draw_below(draws, (uint32_t)(height - (size_t)h + 1));
        const size_t left = rt_draw_below(draws, (uint32_t)(width - (size_t)w + 1));
        for (size_t y = top; y < top + (size_t)h; ++y)
            for (size_t x = left * channels; x < (left + (size_t)w) * channels; ++x)
                values[y * width * channels + x] = 0.0f;
        return;
    }
}

const rt_augmentation rt_augmentation_random_erasing = {
    .name = "random_erasing",
    .summary = "a random rectangle becomes the mean colour",
    .params = params,
    .settings_size = sizeof(struct random_erasing),
    .check = check,
    .finish = finish,
};
