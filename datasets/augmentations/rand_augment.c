/* Some operations, drawn from fourteen, one after the other, all of one strength: Cubuk et al. 2019, arXiv:1909.13719;
 * torchvision's RandAugment with 31 steps of strength. */
#include <math.h>

#include "datasets/augmentations/policy.h"

struct rand_augment {
    int64_t operations, magnitude;
};

static const rt_param params[] = {
    RT_INT(struct rand_augment, operations, 2, 1, 14, "how many operations an image goes through"),
    RT_INT(struct rand_augment, magnitude, 9, 0, RT_POLICY_STEPS - 1, "how strong each is"),
    RT_PARAM_END,
};

static void paint(const void *settings, rt_draws *draws, rt_canvas *canvas)
{
    const struct rand_augment *wish = settings;
    for (int64_t i = 0; i < wish->operations; ++i) {
        const rt_policy_operation operation = (rt_policy_operation)rt_draw_below(draws, RT_POLICY_OPERATIONS);
        const bool negative = rt_draw_happens(draws, 0.5);
        rt_policy_apply(canvas, operation, (size_t)wish->magnitude, negative);
    }
}

const rt_augmentation rt_augmentation_rand_augment = {
    .name = "rand_augment",
    .summary = "several random operations on shape and colour, of one strength",
    .params = params,
    .settings_size = sizeof(struct rand_augment),
    .paint = paint,
};
