/* A training step: its losses are the terms' own, and after the first it allocates nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "allocations.h"
#include "base/threads.h"
#include "recipe_text.h"
#include "train/rehearsal.h"

/* A rehearsal of a recipe with a teacher, on made-up data. It stays where it is: its loader points into it. */
struct trial {
    rt_recipe *recipe;
    rt_engine *engine;
    rt_rehearsal rehearsal;
};

static const char usual_losses[] =
    "[cross_entropy: {weight: 0.25}, kl: {weight: 2, temperature: 3}, cross_entropy: {weight: 0}]";

static void begin_augmented(struct trial *trial, const char *networks, const char *losses, const char *train,
                            const char *augment)
{
    char text[1024];
    snprintf(text, sizeof text,
             "retort: 1\n"
             "data: {reader: synthetic, shape: [3, 8, 8], classes: 5, samples: 45, test_samples: 5,\n"
             "       augment: {%s}}\n"
             "%s\n"
             "loss: %s\n"
             "train: %s\n",
             augment, networks, losses, train);
    *trial = (struct trial){.recipe = recipe_of(text)};
    rt_error err = {0};
    if (rt_engine_new(&trial->engine, &err) != RT_OK ||
        rt_rehearsal_open(&trial->rehearsal, trial->engine, trial->recipe, true, &err) != RT_OK)
        fail_msg("%s", err.message);
}

static void begin_with(struct trial *trial, const char *networks, const char *losses, const char *train)
{
    begin_augmented(trial, networks, losses, train, "crop: {pad: 2}, flip: true");
}

static void begin(struct trial *trial, const char *networks, const char *train)
{
    begin_with(trial, networks, usual_losses, train);
}

static void end(struct trial *trial)
{
    rt_rehearsal_close(&trial->rehearsal);
    rt_rehearsal_close(&trial->rehearsal);
    rt_engine_free(trial->engine);
    rt_recipe_free(trial->recipe);
}

static const char small_pair[] = "teacher: {model: mlp, hidden: 8, weights: not opened}\n"
                                 "student: {model: convnet, hidden: 4}";

static const char same_pair[] = "teacher: {model: convnet, hidden: 6, weights: not opened}\n"
                                "student: {model: convnet, hidden: 6}";

/* log softmax(logits / temperature)[k], written down as it is. */
static double log_softmax(const float *logits, size_t classes, size_t k, double temperature)
{
    double sum = 0.0;
    for (size_t i = 0; i < classes; ++i)
        sum += exp((double)logits[i] / temperature);
    return (double)logits[k] / temperature - log(sum);
}

static void assert_close(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-12 * (1.0 + fabs(expected))))
        fail_msg("%.17g instead of %.17g", value, expected);
}

static void losses_are_those_of_the_batch(void **state)
{
    (void)state;
    enum { CLASSES = 5 };
    struct trial trial;
    begin(&trial, small_pair, "{epochs: 1, batch: 16}");
    rt_step *step = &trial.rehearsal.step;
    /* 45 images: two whole batches, 13 that are left, and on to the next epoch. */
    for (uint32_t epoch = 0; epoch < 2; ++epoch) {
        rt_loader_seek(trial.rehearsal.loader, epoch, 0);
        for (size_t number = 0; number < 3; ++number) {
            const rt_batch *batch = rt_loader_next(trial.rehearsal.loader);
            rt_error err = {0};
            assert_int_equal(batch->count, number < 2 ? 16 : 13);
            if (rt_step_run(step, batch, &err) != RT_OK)
                fail_msg("%s", err.message);
            double cross_entropy = 0.0, divergence = 0.0;
            for (size_t n = 0; n < batch->count; ++n) {
                const float *student = step->logits + n * CLASSES, *teacher = step->teacher_logits + n * CLASSES;
                cross_entropy -= log_softmax(student, CLASSES, (size_t)batch->labels[n], 1.0);
                for (size_t k = 0; k < CLASSES; ++k) {
                    double p = log_softmax(teacher, CLASSES, k, 3.0), q = log_softmax(student, CLASSES, k, 3.0);
                    divergence += 9.0 * exp(p) * (p - q);
                }
            }
            cross_entropy /= (double)batch->count;
            divergence /= (double)batch->count;
            assert_true(cross_entropy > 0.1 && divergence > 1e-3);
            assert_close(step->losses[0], cross_entropy);
            assert_close(step->losses[1], divergence);
            assert_close(step->losses[2], cross_entropy);
            assert_close(step->loss, 0.25 * cross_entropy + 2.0 * divergence);
        }
    }
    assert_int_equal(step->update.step, 6);
    end(&trial);
}

/* Images that are mixed have two labels, by their shares; the teacher sees what the student sees. */
static void mixed_images_have_two_labels(void **state)
{
    (void)state;
    enum { CLASSES = 5 };
    struct trial trial;
    begin_augmented(&trial, small_pair, "[cross_entropy: {label_smoothing: 0.2}, kl: {temperature: 3}]",
                    "{epochs: 1, batch: 16}", "flip: true, mixup: {alpha: 0.6}, cutmix: {}");
    rt_step *step = &trial.rehearsal.step;
    double second = 0.0;
    for (size_t number = 0; number < 3; ++number) {
        const rt_batch *batch = rt_loader_next(trial.rehearsal.loader);
        float teacher[16 * CLASSES];
        rt_error err = {0};
        if (rt_step_run(step, batch, &err) != RT_OK)
            fail_msg("%s", err.message);
        double expected = 0.0;
        for (size_t n = 0; n < batch->count; ++n)
            for (size_t k = 0; k < CLASSES; ++k) {
                double share = (double)batch->mixed_shares[n], target = 0.2 / CLASSES;
                target += 0.8 * (1.0 - share) * ((size_t)batch->labels[n] == k);
                target += 0.8 * share * ((size_t)batch->mixed_labels[n] == k);
                expected -= target * log_softmax(step->logits + n * CLASSES, CLASSES, k, 1.0);
                second += share / CLASSES;
            }
        assert_close(step->losses[0], expected / (double)batch->count);
        rt_inference *inference = trial.rehearsal.teacher_inference;
        assert_int_equal(rt_inference_run(inference, batch->images, batch->count, teacher, NULL), RT_OK);
        assert_memory_equal(teacher, step->teacher_logits, batch->count * CLASSES * sizeof *teacher);
    }
    assert_true(second > 1.0);
    end(&trial);
}

static void mixed_images_are_no_samples(void **state)
{
    (void)state;
    rt_engine *engine;
    rt_rehearsal rehearsal;
    rt_error err = {0};
    rt_recipe *recipe = recipe_of("retort: 1\n"
                                  "data: {reader: synthetic, classes: 5, samples: 45, augment: {mixup: {}}}\n"
                                  "teacher: {model: convnet, weights: not opened}\n"
                                  "student: {model: convnet, hidden: 4}\n"
                                  "loss: [wasserstein_contrastive: {negatives_from: memory}]\n"
                                  "train: {epochs: 1, batch: 16}\n");
    assert_int_equal(rt_engine_new(&engine, NULL), RT_OK);
    assert_int_equal(rt_rehearsal_open(&rehearsal, engine, recipe, true, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message, "test.yaml:5:8: loss 'wasserstein_contrastive': negatives from memory need "
                                     "'indices', which mixed images do not have");
    rt_engine_free(engine);
    rt_recipe_free(recipe);
}

static void teachers_see_the_images_and_never_change(void **state)
{
    (void)state;
    struct trial trial;
    begin(&trial, small_pair, "{epochs: 1, batch: 16}");
    rt_rehearsal *r = &trial.rehearsal;
    size_t bytes = r->teacher->graph->trained_floats * sizeof(float);
    float *before = malloc(bytes), logits[16 * 5];
    memcpy(before, r->teacher->parameters->values, bytes);
    const rt_batch *batch = rt_loader_next(r->loader);
    assert_int_equal(rt_step_run(&r->step, batch, NULL), RT_OK);
    assert_int_equal(rt_inference_run(r->teacher_inference, batch->images, batch->count, logits, NULL), RT_OK);
    assert_memory_equal(logits, r->step.teacher_logits, sizeof logits);
    assert_memory_equal(before, r->teacher->parameters->values, bytes);
    free(before);
    end(&trial);
}

/* Losses that are not finite name their term and the step; the parameters stay. */
/* Logits that come from outside, as lockstep.h hands them to many students, teach what a teacher of one's own does. */
static void logits_from_outside_teach_the_same(void **state)
{
    (void)state;
    struct trial own, outside;
    begin(&own, small_pair, "{epochs: 1, batch: 16}");
    begin(&outside, small_pair, "{epochs: 1, batch: 16}");
    rt_step *steps[] = {&own.rehearsal.step, &outside.rehearsal.step};
    for (int number = 0; number < 3; ++number) {
        const rt_batch *batch = rt_loader_next(own.rehearsal.loader);
        const rt_batch *same = rt_loader_next(outside.rehearsal.loader);
        assert_int_equal(rt_step_run(steps[0], batch, NULL), RT_OK);
        assert_int_equal(rt_step_learn(steps[1], same, steps[0]->teacher_logits, NULL), RT_OK);
        assert_true(steps[0]->losses[1] > 0.0);
        assert_memory_equal(steps[0]->losses, steps[1]->losses, 2 * sizeof(double));
    }
    assert_memory_equal(steps[0]->parameters->values, steps[1]->parameters->values,
                        steps[0]->parameters->graph->trained_floats * sizeof(float));
    end(&own);
    end(&outside);
}

static void overflow_is_named(void **state)
{
    (void)state;
    struct trial trial;
    begin(&trial, small_pair, "{epochs: 1, batch: 16}");
    rt_rehearsal *r = &trial.rehearsal;
    rt_error err = {0};
    assert_int_equal(rt_rehearsal_run(r, 3, 0, NULL, &err), RT_OK);
    float *bias = rt_parameter_values(r->student->parameters, (int)r->student->graph->parameter_count - 1);
    bias[3] = INFINITY;
    ++r->student->parameters->version;
    assert_int_equal(rt_rehearsal_run(r, 1, 0, NULL, &err), RT_ERROR_NUMERIC);
    assert_string_equal(err.message, "loss 'cross_entropy': 'student.logits' of sample 0, class 3 is inf; it must be "
                                     "finite (step 3)");
    assert_int_equal(r->step.update.step, 3);
    end(&trial);
}

static void count_allocations(const char *networks, const char *losses, const char *train)
{
    struct trial trial;
    begin_with(&trial, networks, losses, train);
    rt_rehearsal_times times[8];
    rt_error err = {0};
    if (rt_rehearsal_run(&trial.rehearsal, 1, 0, NULL, &err) != RT_OK)
        fail_msg("%s", err.message);
    int before = allocations_made;
    assert_true(before > 0);
    if (rt_rehearsal_run(&trial.rehearsal, 0, 8, times, &err) != RT_OK)
        fail_msg("%s", err.message);
    int after = allocations_made;
    if (after != before)
        fail_msg("%d allocations in 8 steps of %s, %s", after - before, networks, train);
    end(&trial);
}

static void steps_allocate_nothing(void **state)
{
    (void)state;
    count_allocations(small_pair, usual_losses, "{epochs: 1, batch: 16}");
    count_allocations(
        "teacher: {model: resnet8, width: 0.5, weights: not opened}\n"
        "student: {model: resnet8, width: 0.25}",
        usual_losses,
        "{epochs: 1, batch: 32, ema: 0.9, clip_norm: 1, clip_value: 1, optimizer: adamw, schedule: cosine}");
    count_allocations("teacher: {model: convnet, weights: not opened}\n"
                      "student: {model: mlp, dropout: 0.5}",
                      usual_losses, "{epochs: 1, batch: 64, optimizer: {sgd: {nesterov: true}}}");
    count_allocations(same_pair, "[cross_entropy, fitnet, fitnet: {student: layer1, teacher: layer1}]",
                      "{epochs: 1, batch: 16, monitor: [gradient_norm], monitor_steps: 1}");
}

/* The features of whole batches and of the epoch's rest, from taps of both networks; two terms read one layer. */
static void features_are_those_of_the_batch(void **state)
{
    (void)state;
    struct trial trial;
    begin_with(&trial, same_pair,
               "[cross_entropy, fitnet: {weight: 3, student: layer1, teacher: layer1},\n"
               " fitnet: {weight: 2}, fitnet: {weight: 1, student: layer2, teacher: relu2}]",
               "{epochs: 1, batch: 16}");
    rt_rehearsal *r = &trial.rehearsal;
    for (size_t number = 0; number < 3; ++number) {
        const rt_batch *batch = rt_loader_next(r->loader);
        const rt_step *step = &r->step;
        rt_plan *plan = batch->count == 16 ? step->plan : step->last_plan;
        rt_error err = {0};
        rt_extent extent;
        static float student[16 * 8 * 8 * 6];
        const float *teacher = rt_teacher_features(r->taught_by, "layer1", &extent);
        size_t cells = batch->count * rt_extent_floats(extent);
        /* Backward takes the memory of the features for something else. */
        assert_int_equal(rt_plan_forward(plan, batch->images, 0, 0, &err), RT_OK);
        memcpy(student, rt_plan_tap(plan, rt_graph_find_tap(step->extension.graph, "layer1")), cells * sizeof(float));
        if (rt_step_run(&r->step, batch, &err) != RT_OK)
            fail_msg("%s", err.message);
        double sum = 0.0;
        assert_int_equal(extent.channels, 6);
        for (size_t i = 0; i < cells; ++i)
            sum += pow((double)student[i] - (double)teacher[i], 2);
        assert_close(step->losses[1], sum / (double)cells);
        assert_true(step->losses[2] > 0.01);
        assert_close(step->losses[2], step->losses[3]);
        assert_close(step->loss, step->losses[0] + 3 * step->losses[1] + 2 * step->losses[2] + step->losses[3]);
    }
    end(&trial);
}

/* Epochs of three steps. A term outside its own epochs is not computed; in them it has its weight of the epoch. */
static void terms_have_their_epochs(void **state)
{
    (void)state;
    struct trial trial;
    begin_with(&trial, small_pair, "[cross_entropy: {warmup: 4}, kl: {weight: 2, start: 2, stop: 2}]",
               "{epochs: 3, batch: 16}");
    rt_step *step = &trial.rehearsal.step;
    for (uint32_t epoch = 0; epoch < 3; ++epoch) {
        rt_loader_seek(trial.rehearsal.loader, epoch, 0);
        for (const rt_batch *batch; (batch = rt_loader_next(trial.rehearsal.loader));) {
            rt_error err = {0};
            if (rt_step_run(step, batch, &err) != RT_OK)
                fail_msg("%s", err.message);
            double weight = 0.25 * (epoch + 1);
            assert_int_equal(step->losses[1] > 0.0, epoch == 1);
            assert_close(step->loss, weight * step->losses[0] + 2.0 * step->losses[1]);
        }
    }
    end(&trial);
}

/* Each term learns from the teacher that it names, from what they agree on, or from all of them. */
static void terms_pick_their_teacher(void **state)
{
    (void)state;
    struct trial trial;
    begin_with(
        &trial,
        "teacher: [{model: convnet, hidden: 6, weights: not opened}, {model: mlp, weights: nor this, weight: 3}]\n"
        "student: {model: convnet, hidden: 6}",
        "[kl: {temperature: 3}, kl: {temperature: 3, teacher: 0}, kl: {temperature: 3, teacher: 1},\n"
        " generalized_cauchy_schwarz, fitnet, fitnet: {teacher: 1.relu1, student: penultimate}]",
        "{epochs: 1, batch: 16}");
    enum { CLASSES = 5 };
    rt_step *step = &trial.rehearsal.step;
    assert_string_equal(trial.recipe->loss[4].teacher, "layer2");
    assert_string_equal(trial.recipe->loss[5].teacher, "1.relu1");
    for (size_t number = 0; number < 3; ++number) { /* the last of 13 images */
        const rt_batch *batch = rt_loader_next(trial.rehearsal.loader);
        rt_error err = {0};
        if (rt_step_run(step, batch, &err) != RT_OK)
            fail_msg("%s", err.message);
        const float *all = rt_teacher_all(trial.rehearsal.taught_by);
        const float *sources[] = {step->teacher_logits, all, all + batch->count * CLASSES};
        assert_true(memcmp(sources[1], sources[2], sizeof(float) * CLASSES) != 0);
        for (size_t i = 0; i < 3; ++i) {
            double divergence = 0.0;
            for (size_t n = 0; n < batch->count; ++n)
                for (size_t k = 0; k < CLASSES; ++k) {
                    double p = log_softmax(sources[i] + n * CLASSES, CLASSES, k, 3.0);
                    divergence += 9.0 * exp(p) * (p - log_softmax(step->logits + n * CLASSES, CLASSES, k, 3.0));
                }
            assert_close(step->losses[i], divergence / (double)batch->count);
        }
        assert_true(step->losses[1] != step->losses[2] && step->losses[3] > 0.0);
    }
    const rt_extent extent = step->extension.terms[5].teacher_extent;
    assert_int_equal(extent.channels, 32);
    assert_int_equal(step->extension.terms[5].member, 1);
    end(&trial);
}

static const char monitored_losses[] =
    "[kl: {weight: 2, temperature: 1}, cross_entropy, kl: {weight: 4, temperature: 1}, fitnet: {weight: 3}]";

/* The student's parameters after five steps, in `values`; the monitor's figures are looked at on the way. */
static void run_monitored(const char *train, float *values, size_t measured)
{
    struct trial trial;
    begin_with(&trial, same_pair, monitored_losses, train);
    rt_rehearsal *r = &trial.rehearsal;
    const rt_monitor *monitor = &r->step.monitor;
    size_t seen = 0;
    for (int64_t number = 0; number < 5; ++number) {
        rt_error err = {0};
        if (rt_rehearsal_run(r, 1, 0, NULL, &err) != RT_OK)
            fail_msg("%s", err.message);
        if (!monitor->measured)
            continue;
        const rt_term_gradient *terms = monitor->terms;
        ++seen;
        assert_int_equal(monitor->step, number);
        assert_int_equal(number % 2, 0);
        /* Twice the weight, twice the gradient, and the same direction. */
        assert_true(terms[0].norm > 1e-4 && fabs(terms[2].norm / terms[0].norm - 2.0) < 1e-4);
        assert_true(fabs(terms[2].cosine - terms[0].cosine) < 1e-4 && fabs(terms[0].cosine) < 1.0);
        assert_true(isnan(terms[1].cosine) && isnan(terms[3].cosine));
        assert_true(isnan(terms[0].feature_norm) && terms[3].norm == 0.0 && terms[3].feature_norm > 1e-4);
        /* The norm of a mean of squares' gradient is 2 sqrt(loss / cells). */
        double cells = 16.0 * (double)rt_extent_floats(r->step.extension.terms[3].extent);
        assert_true(fabs(terms[3].feature_norm / (3.0 * 2.0 * sqrt(r->step.losses[3] / cells)) - 1.0) < 1e-5);
    }
    assert_int_equal(seen, measured);
    memcpy(values, r->step.parameters->values, r->student->graph->trained_floats * sizeof *values);
    end(&trial);
}

static void monitors_look_and_change_nothing(void **state)
{
    (void)state;
    static float with[1 << 14], without[1 << 14];
    run_monitored("{epochs: 9, batch: 16, monitor: [gradient_norm, gradient_cosine], monitor_steps: 2}", with, 3);
    run_monitored("{epochs: 9, batch: 16, monitor_steps: 2}", without, 0);
    assert_memory_equal(with, without, sizeof with);
    assert_true(with[0] != 0.0f);
}

static void medians_are_those_of_each_phase(void **state)
{
    (void)state;
    rt_rehearsal_times times[] = {{.data = 3, .total = 10}, {.data = 1, .total = 40}, {.data = 2, .total = 20}};
    rt_rehearsal_times median = rt_rehearsal_median(times, 3);
    assert_true(median.data == 2 && median.total == 20 && median.loss == 0);
    median = rt_rehearsal_median(times, 2);
    assert_true(median.data == 2 && median.total == 25);
}

static int start_threads(void **state)
{
    (void)state;
    rt_threads_start(2);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_are_those_of_the_batch),
        cmocka_unit_test(mixed_images_have_two_labels),
        cmocka_unit_test(mixed_images_are_no_samples),
        cmocka_unit_test(teachers_see_the_images_and_never_change),
        cmocka_unit_test(logits_from_outside_teach_the_same),
        cmocka_unit_test(overflow_is_named),
        cmocka_unit_test(steps_allocate_nothing),
        cmocka_unit_test(features_are_those_of_the_batch),
        cmocka_unit_test(terms_have_their_epochs),
        cmocka_unit_test(terms_pick_their_teacher),
        cmocka_unit_test(monitors_look_and_change_nothing),
        cmocka_unit_test(medians_are_those_of_each_phase),
    };
    return cmocka_run_group_tests(tests, start_threads, NULL);
}
