#include "train/expectation.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/quote.h"
#include "recipe/number.h"

/* "mean [0.5071, 0.4867, 0.4408], std [...]" */
static void show(const rt_normalization *normalization, char *text, size_t size)
{
    const float *const lists[] = {normalization->mean, normalization->std};
    static const char *const names[] = {"mean [", "], std ["};
    size_t used = 0;
    for (size_t list = 0; list < 2; ++list) {
        used += (size_t)snprintf(text + used, size - used, "%s", names[list]);
        for (size_t c = 0; c < normalization->channels && used + 24 < size; ++c)
            used += (size_t)snprintf(text + used, size - used, "%s%.4g", c ? ", " : "", (double)lists[list][c]);
    }
    snprintf(text + used, size - used, "]");
}

double rt_expectation_chance(const rt_expect_recipe *expect, size_t images, size_t test_images)
{
    const double share = expect->top1 / 100.0, left = (double)test_images - (double)images;
    if (images == 0 || left <= 0.0)
        return 0.0;
    return 300.0 * sqrt(share * (1.0 - share) / (double)images * left / ((double)test_images - 1.0));
}

rt_status rt_expectation_check(const rt_network_recipe *teacher, const rt_data_recipe *recipe, const rt_run_data *data,
                               double top1, size_t images, rt_error *err)
{
    const rt_expect_recipe *expect = &teacher->expect;
    const double chance_off = rt_expectation_chance(expect, images, data->test_count);
    if (fabs(top1 - expect->top1) <= expect->tolerance + chance_off)
        return RT_OK;
    rt_quote quote;
    char normalization[320], causes[600], sample[96] = "the test set";
    if (chance_off > 0.0)
        snprintf(sample, sizeof sample, "%zu of the %zu test images, where chance makes %.1f", images, data->test_count,
                 chance_off);
    const double chance = 100.0 / (double)rt_run_data_input(data).classes;
    show(&data->normalization, normalization, sizeof normalization);
    snprintf(causes, sizeof causes, "the normalisation (%s, %s)", normalization,
             recipe->mean.count > 0 ? "as the recipe has it" : "measured on the training images: the recipe has none");
    /* A network that sees distorted images is worse; one whose answers are shuffled is as good as a blind one. */
    const bool blind = top1 < 3.0 * chance && top1 < expect->top1;
    const char *others = "the order of the classes, the layout of the images (channels, rows), an option that the "
                         "weights do not show (shortcut)";
    return rt_fail(err, RT_ERROR_USAGE,
                   "teacher '%s' has %.2f %% top-1 on %s; the recipe expects %s, give or take %s. Likely "
                   "causes: %s; %s",
                   rt_quote_text(&quote, teacher->weights, strlen(teacher->weights)), top1, sample,
                   rt_number_show(expect->top1).text, rt_number_show(expect->tolerance).text, blind ? others : causes,
                   blind ? causes : others);
}
