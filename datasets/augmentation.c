#include "datasets/augmentation.h"

#define AUGMENTATION(name) extern const rt_augmentation rt_augmentation_##name;
#include "datasets/augmentations/augmentations.inc"
#undef AUGMENTATION

const rt_augmentation *const rt_augmentations[] = {
#define AUGMENTATION(name) &rt_augmentation_##name,
#include "datasets/augmentations/augmentations.inc"
#undef AUGMENTATION
};

const size_t rt_augmentation_count = sizeof rt_augmentations / sizeof *rt_augmentations;

rt_draws rt_draws_for(const rt_augmentation *augmentation, rt_key key)
{
    enum { BLOCKS_EACH = 1024 };
    uint32_t place = 0;
    while (rt_augmentations[place] != augmentation)
        ++place;
    return (rt_draws){.key = key, .next = place * BLOCKS_EACH};
}

double rt_draw_between(rt_draws *draws, double low, double high)
{
    return low + (high - low) * rt_random_uniform(&draws->key, draws->next++);
}

uint32_t rt_draw_below(rt_draws *draws, uint32_t bound)
{
    return rt_random_below(&draws->key, draws->next++, bound);
}

bool rt_draw_happens(rt_draws *draws, double probability)
{
    return rt_random_uniform(&draws->key, draws->next++) < probability;
}

double rt_draw_beta(rt_draws *draws, double a, double b)
{
    return rt_random_beta(&draws->key, &draws->next, a, b);
}

const rt_augmentation *rt_mixing_choice(const rt_augmentation_choice *choices, size_t count)
{
    for (size_t i = 0; i < count; ++i)
        if (choices[i].augmentation->mix)
            return choices[i].augmentation;
    return NULL;
}

static bool is_range(const rt_float_list *list)
{
    return list->count == 0 || (list->count == 2 && list->values[0] <= list->values[1]);
}

const char *rt_check_ranges(const rt_float_list *scale, const rt_float_list *ratio)
{
    return is_range(scale) && is_range(ratio)
               ? NULL
               : "'scale' and 'ratio' are lists of two numbers, the least and the largest";
}

void rt_canvas_turn(rt_canvas *canvas)
{
    uint8_t *pixels = canvas->pixels;
    canvas->pixels = canvas->spare;
    canvas->spare = pixels;
}
