/* Images of a batch that are mixed: torchvision's values, boxes and labels, and how they are drawn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../golden/mixing_golden.h"
#include "datasets/augmentations/cutmix.h"
#include "datasets/mixing.h"
#include "retort/param.h"

enum { IMAGE = GOLDEN_HEIGHT * GOLDEN_WIDTH * GOLDEN_CHANNELS, VALUES = GOLDEN_IMAGES * IMAGE };

/* The batch of make_mixing_golden.py. */
struct memory {
    float images[VALUES], spare[IMAGE], shares[GOLDEN_IMAGES];
    int64_t labels[GOLDEN_IMAGES], mixed_labels[GOLDEN_IMAGES];
    rt_batch batch;
};

static void fill(struct memory *memory)
{
    memory->batch = (rt_batch){.count = GOLDEN_IMAGES,
                               .images = memory->images,
                               .labels = memory->labels,
                               .mixed_labels = memory->mixed_labels,
                               .mixed_shares = memory->shares};
    for (size_t i = 0; i < VALUES; ++i)
        memory->images[i] = (float)((i * 37 + i / 9 * 11) % 256) / 64.0f - 2.0f;
    for (size_t n = 0; n < GOLDEN_IMAGES; ++n)
        memory->labels[n] = memory->mixed_labels[n] = (int64_t)((5 * n + 2) % GOLDEN_CLASSES);
    memset(memory->shares, 0, sizeof memory->shares);
}

/* To the last bit of float, which the golden's nine digits tell; labels as shares of all classes. */
static void expect_batch(const struct memory *memory, const double *images, const double *labels)
{
    for (size_t i = 0; i < VALUES; ++i)
        if (memory->images[i] != (float)images[i])
            fail_msg("value %zu is %.9g, torchvision's %.9g", i, (double)memory->images[i], images[i]);
    for (size_t n = 0; n < GOLDEN_IMAGES; ++n) {
        double shares[GOLDEN_CLASSES] = {0};
        shares[memory->labels[n]] += 1.0 - (double)memory->shares[n];
        shares[memory->mixed_labels[n]] += (double)memory->shares[n];
        assert_true(memory->shares[n] >= 0.0f && memory->shares[n] <= 0.5f); /* the first label's is the larger */
        for (size_t k = 0; k < GOLDEN_CLASSES; ++k)
            assert_true(fabs(shares[k] - labels[n * GOLDEN_CLASSES + k]) < 1e-7);
    }
}

static void mix(struct memory *memory, const rt_blend *blend)
{
    fill(memory);
    rt_mix(blend, GOLDEN_HEIGHT, GOLDEN_WIDTH, GOLDEN_CHANNELS, memory->spare, &memory->batch);
}

static void batches_are_torchvisions(void **state)
{
    (void)state;
    struct memory memory;
    mix(&memory, &(const rt_blend){.share = 1.0 - 0.3});
    expect_batch(&memory, mixup_images_30, mixup_labels_30);
    mix(&memory, &(const rt_blend){.share = 1.0 - 0.8125});
    expect_batch(&memory, mixup_images_81, mixup_labels_81);
    const rt_blend box = rt_cutmix_blend(0.4, GOLDEN_WIDTH / 3, GOLDEN_HEIGHT / 3, GOLDEN_HEIGHT, GOLDEN_WIDTH);
    mix(&memory, &box);
    expect_batch(&memory, cutmix_images, cutmix_labels);
}

static void boxes_are_torchvisions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof box_goldens / sizeof *box_goldens; ++i) {
        const struct box_golden *golden = &box_goldens[i];
        const rt_blend blend = rt_cutmix_blend(golden->kept, golden->x, golden->y, golden->height, golden->width);
        assert_true(blend.pasted);
        assert_int_equal(blend.box.left, golden->left);
        assert_int_equal(blend.box.top, golden->top);
        assert_int_equal(blend.box.left + blend.box.width, golden->right);
        assert_int_equal(blend.box.top + blend.box.height, golden->bottom);
        assert_true(fabs(1.0 - blend.share - golden->own_share) < 1e-15);
    }
}

static void one_image_and_none_stay(void **state)
{
    (void)state;
    struct memory memory, before;
    fill(&before);
    fill(&memory);
    rt_mix(&(const rt_blend){0}, GOLDEN_HEIGHT, GOLDEN_WIDTH, GOLDEN_CHANNELS, NULL, &memory.batch);
    assert_memory_equal(memory.images, before.images, sizeof memory.images);
    assert_memory_equal(memory.labels, before.labels, sizeof memory.labels);
    memory.batch.count = 1;
    rt_mix(&(const rt_blend){.share = 0.25}, GOLDEN_HEIGHT, GOLDEN_WIDTH, GOLDEN_CHANNELS, memory.spare, &memory.batch);
    assert_memory_equal(memory.images, before.images, sizeof memory.images); /* quarters of 64ths are exact */
    assert_int_equal(memory.labels[0], memory.mixed_labels[0]);
}

/* Both augmentations with their defaults, but for one setting of each. */
struct choices {
    rt_augmentation_choice items[2];
    size_t count;
};

static void add(struct choices *choices, const char *name, const char *key, double value)
{
    size_t i = 0;
    while (i < rt_augmentation_count && strcmp(rt_augmentations[i]->name, name) != 0)
        ++i;
    assert_true(i < rt_augmentation_count);
    char *settings = calloc(1, rt_augmentations[i]->settings_size);
    rt_param_defaults(rt_augmentations[i]->params, settings);
    *(double *)(void *)(settings + rt_param_find(rt_augmentations[i]->params, key)->offset) = value;
    choices->items[choices->count++] = (rt_augmentation_choice){rt_augmentations[i], settings};
}

static void release(struct choices *choices)
{
    for (size_t i = 0; i < choices->count; ++i)
        free((void *)(uintptr_t)choices->items[i].settings);
}

enum { BATCHES = 20000 };

static void each_happens_as_often_as_it_says(void **state)
{
    (void)state;
    struct choices choices = {.count = 0};
    add(&choices, "mixup", "probability", 0.8);
    add(&choices, "cutmix", "probability", 0.4);
    const rt_augment augment = {.choices = choices.items, .choice_count = 2};
    size_t faded = 0, pasted = 0;
    double shares = 0.0, squares = 0.0;
    for (size_t number = 0; number < BATCHES; ++number) {
        const rt_blend blend = rt_mixing_draw(&augment, 3, (uint32_t)(number % 5), number, 32, 32);
        faded += !blend.pasted && blend.share > 0.0;
        pasted += blend.pasted;
        shares += blend.pasted ? 0.0 : blend.share;
        squares += blend.pasted ? 0.0 : blend.share * blend.share;
    }
    /* Half of the batches each, by their own probabilities; alpha 1 is uniform. Within four standard deviations. */
    assert_in_range(faded, BATCHES * 0.4 - 280, BATCHES * 0.4 + 280);
    assert_in_range(pasted, BATCHES * 0.2 - 230, BATCHES * 0.2 + 230);
    assert_true(fabs(shares / (double)faded - 0.5) < 4.0 * sqrt(1.0 / 12.0 / (double)faded));
    assert_true(fabs(squares / (double)faded - 1.0 / 3.0) < 4.0 * sqrt(4.0 / 45.0 / (double)faded));
    release(&choices);
}

/* With lambda uniform, the sides of the box r = sqrt(1 - lambda) and its centre any, it lies within the image in
 * E (1 - r)^2 = 1/6 of all cases, and then its centre is the image's on average. */
static void boxes_are_anywhere(void **state)
{
    (void)state;
    enum { SIDE = 4096 };
    struct choices choices = {.count = 0};
    add(&choices, "cutmix", "alpha", 1.0);
    const rt_augment augment = {.choices = choices.items, .choice_count = 1};
    double center = 0.0, other = 0.0;
    size_t counted = 0;
    for (size_t number = 0; number < BATCHES; ++number) {
        const rt_blend blend = rt_mixing_draw(&augment, 4, 0, number, SIDE, 2 * SIDE);
        const rt_box *box = &blend.box;
        assert_true(box->top + box->height <= SIDE && box->left + box->width <= 2 * SIDE);
        assert_true(blend.share == (double)(box->height * box->width) / (2.0 * SIDE * SIDE));
        if (box->top == 0 || box->left == 0 || box->top + box->height == SIDE || box->left + box->width == 2 * SIDE)
            continue;
        center += (double)(box->top + box->height / 2) / SIDE;
        other += (double)(box->left + box->width / 2) / (2.0 * SIDE);
        ++counted;
    }
    assert_in_range(counted, BATCHES / 6 - 213, BATCHES / 6 + 213); /* four standard deviations */
    assert_true(fabs(center / (double)counted - 0.5) < 4.0 * sqrt(1.0 / 12.0 / (double)counted));
    assert_true(fabs(other / (double)counted - 0.5) < 4.0 * sqrt(1.0 / 12.0 / (double)counted));
    release(&choices);
}

/* Neither the rest of a batch nor any other batch has a say. */
static void blends_are_a_function_of_the_batchs_number(void **state)
{
    (void)state;
    struct choices choices = {.count = 0};
    add(&choices, "mixup", "alpha", 0.2);
    const rt_augment augment = {.choices = choices.items, .choice_count = 1}, none = {0};
    const rt_blend first = rt_mixing_draw(&augment, 1, 2, 3, 8, 8), same = rt_mixing_draw(&augment, 1, 2, 3, 8, 8);
    assert_true(first.share > 0.0 && first.share == same.share);
    assert_true(rt_mixing_draw(&augment, 2, 2, 3, 8, 8).share != first.share);
    assert_true(rt_mixing_draw(&augment, 1, 1, 3, 8, 8).share != first.share);
    assert_true(rt_mixing_draw(&augment, 1, 2, 4, 8, 8).share != first.share);
    assert_true(rt_mixing_draw(&none, 1, 2, 3, 8, 8).share == 0.0);
    release(&choices);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_torchvisions), cmocka_unit_test(boxes_are_torchvisions),
        cmocka_unit_test(one_image_and_none_stay),  cmocka_unit_test(each_happens_as_often_as_it_says),
        cmocka_unit_test(boxes_are_anywhere),       cmocka_unit_test(blends_are_a_function_of_the_batchs_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
