/* Brightness, contrast, saturation and hue, each by a random factor, in random order; torchvision's ColorJitter. */
#include "datasets/color.h"

enum { KINDS = 4 };

struct color_jitter {
    double brightness, contrast, saturation, hue;
};

static const rt_param params[] = {
    RT_FLOAT(struct color_jitter, brightness, 0.0, 0.0, 1.0, "its factor is within 1 - b and 1 + b"),
    RT_FLOAT(struct color_jitter, contrast, 0.0, 0.0, 1.0, "likewise"),
    RT_FLOAT(struct color_jitter, saturation, 0.0, 0.0, 1.0, "likewise"),
    RT_FLOAT(struct color_jitter, hue, 0.0, 0.0, 0.5, "turned by -h to h of the colour circle"),
    RT_PARAM_END,
};

static void paint(const void *settings, rt_draws *draws, rt_canvas *canvas)
{
    const struct color_jitter *wish = settings;
    void (*const changes[KINDS])(rt_canvas *, double) = {rt_color_brightness, rt_color_contrast, rt_color_saturation,
                                                         rt_color_hue};
    const double ranges[KINDS] = {wish->brightness, wish->contrast, wish->saturation, wish->hue};
    double factors[KINDS];
    size_t order[KINDS] = {0, 1, 2, 3};
    for (size_t i = 0; i < KINDS; ++i)
        factors[i] = rt_draw_between(draws, -ranges[i], ranges[i]) + (i < 3 ? 1.0 : 0.0);
    for (size_t left = KINDS; left > 1; --left) {
        const size_t drawn = rt_draw_below(draws, (uint32_t)left), last = order[left - 1];
        order[left - 1] = order[drawn];
        order[drawn] = last;
    }
    for (size_t i = 0; i < KINDS; ++i)
        if (ranges[order[i]] > 0.0)
            changes[order[i]](canvas, factors[order[i]]);
}

const rt_augmentation rt_augmentation_color_jitter = {
    .name = "color_jitter",
    .summary = "random brightness, contrast, saturation and hue, in random order",
    .params = params,
    .settings_size = sizeof(struct color_jitter),
    .paint = paint,
};
