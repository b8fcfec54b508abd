#include "datasets/mixing.h"

#include <string.h>

rt_blend rt_mixing_draw(const rt_augment *augment, uint64_t seed, uint32_t epoch, size_t number, size_t height,
                        size_t width)
{
    const rt_augmentation_choice *mixing[RT_MOST_AUGMENTATIONS];
    rt_blend blend = {0};
    size_t count = 0, drawn = 0;
    for (size_t i = 0; i < augment->choice_count; ++i)
        if (augment->choices[i].augmentation->mix)
            mixing[count++] = &augment->choices[i];
    if (count == 0)
        return blend;
    const rt_key key = {.seed = seed, .stream = RT_STREAM_MIX, .epoch = epoch, .index = number};
    if (count > 1) {
        /* The first augmentation's draws lie at the beginning of the key's, and it mixes nothing. */
        rt_draws draws = rt_draws_for(rt_augmentations[0], key);
        drawn = rt_draw_below(&draws, (uint32_t)count);
    }
    rt_draws draws = rt_draws_for(mixing[drawn]->augmentation, key);
    mixing[drawn]->augmentation->mix(mixing[drawn]->settings, &draws, height, width, &blend);
    return blend;
}

static void fade(double share, size_t values, const float *other, float *image)
{
    const float theirs = (float)share, own = (float)(1.0 - share);
    for (size_t i = 0; i < values; ++i)
        image[i] = theirs * other[i] + own * image[i];
}

static void paste(const rt_box *box, size_t width, size_t channels, const float *other, float *image)
{
    for (size_t y = box->top; y < box->top + box->height; ++y) {
        const size_t start = (y * width + box->left) * channels;
        memcpy(image + start, other + start, box->width * channels * sizeof *image);
    }
}

/* The label with the larger share comes first. */
static void label(double share, int64_t other, rt_batch *batch, size_t n)
{
    const bool swapped = share > 0.5;
    batch->mixed_labels[n] = swapped ? batch->labels[n] : other;
    batch->labels[n] = swapped ? other : batch->labels[n];
    batch->mixed_shares[n] = (float)(swapped ? 1.0 - share : share);
}

void rt_mix(const rt_blend *blend, size_t height, size_t width, size_t channels, float *spare, rt_batch *batch)
{
    const size_t values = height * width * channels;
    if (blend->share <= 0.0 || batch->count == 0)
        return;
    /* From the end, so that each finds the one before it as it was; the last is kept for the first. */
    const int64_t last_label = batch->labels[batch->count - 1];
    memcpy(spare, batch->images + (batch->count - 1) * values, values * sizeof *spare);
    for (size_t n = batch->count; n-- > 0;) {
        float *image = batch->images + n * values;
        const float *other = n > 0 ? image - values : spare;
        if (blend->pasted)
            paste(&blend->box, width, channels, other, image);
        else
            fade(blend->share, values, other, image);
        label(blend->share, n > 0 ? batch->labels[n - 1] : last_label, batch, n);
    }
}
