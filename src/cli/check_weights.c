#include "cli/check_weights.h"

#include <stdio.h>
#include <stdlib.h>

#include "recipe/number.h"
#include "train/expectation.h"
#include "train/outcome.h"

enum { SAMPLE = 1024 };

static void print_gap(const char *role, const char *weights, const char *gaps)
{
    if (gaps)
        printf("%s's weights '%s', which strict: false lets pass: %s\n", role, weights, gaps);
}

/* "teacher", or "teacher 1" of several. */
static const char *name_teacher(const rt_recipe *recipe, size_t number, char name[32])
{
    if (rt_recipe_teachers(recipe) > 1)
        snprintf(name, 32, "teacher %zu", number);
    else
        snprintf(name, 32, "teacher");
    return name;
}

void rt_check_print_gaps(const rt_rehearsal *r, const rt_recipe *recipe)
{
    char name[32];
    for (size_t i = 0; i < rt_recipe_teachers(recipe); ++i)
        print_gap(name_teacher(recipe, i, name), rt_recipe_teacher(recipe, i)->weights, r->gaps[i]);
    print_gap("student", recipe->student.weights, r->student_gaps);
}

/* Every so many of the test images: in files they often stand class by class. */
static rt_status spread(rt_run_data *data, size_t count, rt_error *err)
{
    uint32_t *samples = malloc(count * sizeof *samples);
    if (!samples)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for %zu sample numbers", count);
    for (size_t i = 0; i < count; ++i)
        samples[i] = data->test_samples[i * data->test_count / count];
    data->test_samples = samples;
    data->test_count = count;
    return RT_OK;
}

static rt_status check_teacher(const rt_rehearsal *r, rt_engine *engine, const rt_recipe *recipe, size_t number,
                               bool all, rt_error *err)
{
    const rt_network_recipe *teacher = rt_recipe_teacher(recipe, number);
    const size_t test_images = r->data.test_count, images = all || test_images < SAMPLE ? test_images : SAMPLE;
    rt_run_data data = r->data; /* but for the images to measure on */
    rt_outcome measured = {0};
    char name[32];
    RT_TRY(spread(&data, images, err));
    rt_status status = rt_outcome_measure(engine, &data, r->networks[number], &measured, err);
    free(data.test_samples);
    if (status == RT_OK)
        status = rt_expectation_check(teacher, &recipe->data, &r->data, measured.top1, images, err);
    if (status != RT_OK)
        return status;
    printf("%s: %.2f %% top-1 on ", name_teacher(recipe, number, name), measured.top1);
    if (images < test_images)
        printf("%zu of the %zu test images, where chance makes %.1f; --measure takes all", images, test_images,
               rt_expectation_chance(&teacher->expect, images, test_images));
    else
        printf("the %zu test images", test_images);
    printf("; the recipe expects %s, give or take %s\n", rt_number_show(teacher->expect.top1).text,
           rt_number_show(teacher->expect.tolerance).text);
    return RT_OK;
}

rt_status rt_check_print_expectations(const rt_rehearsal *r, rt_engine *engine, const rt_recipe *recipe, bool all,
                                      rt_error *err)
{
    for (size_t i = 0; i < rt_recipe_teachers(recipe); ++i)
        if (rt_recipe_teacher(recipe, i)->expected)
            RT_TRY(check_teacher(r, engine, recipe, i, all, err));
    return RT_OK;
}
