#include "feature_trial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "recipe/recipe.h"
#include "train/own.h"
#include "train/term.h"

enum { MAX_STATE = 4096, SEED = 7 };

bool feature_loss(const rt_loss *loss)
{
    bool reads_features = false;
    for (size_t p = 0; p < loss->port_count; ++p) {
        const char *name = loss->ports[p].name;
        reads_features |= strcmp(name, "student.features") == 0;
        if (strcmp(name, "student.features") != 0 && strcmp(name, "teacher.features") != 0 &&
            strcmp(name, "labels") != 0 && strcmp(name, "indices") != 0)
            return false;
    }
    return reads_features;
}

static size_t size_of(char letter, const struct feature_sizes *sizes)
{
    switch (letter) {
    case 'N':
        return sizes->n;
    case 'H':
        return sizes->h;
    case 'W':
        return sizes->w;
    case 'I':
        return sizes->i;
    case 'J':
        return sizes->j;
    case 'K':
        return sizes->k;
    default:
        return sizes->d;
    }
}

void feature_shapes(const rt_loss *loss, const struct feature_sizes *sizes, rt_shape *student, rt_shape *teacher)
{
    for (size_t p = 0; p < loss->port_count; ++p) {
        rt_shape shape = {0};
        for (const char *c = loss->ports[p].shape; *c; ++c)
            if (*c != ' ')
                shape.dims[shape.count++] = size_of(*c, sizes);
        if (strcmp(loss->ports[p].name, "student.features") == 0)
            *student = shape;
        if (strcmp(loss->ports[p].name, "teacher.features") == 0)
            *teacher = shape;
    }
}

float feature_pseudo(uint32_t stream, uint32_t index)
{
    uint32_t word = (stream * 1000003u + index + 1) * 2654435761u;
    word = (word ^ word >> 15) * 2246822519u;
    return (float)(word >> 12) / 65536.0f - 8.0f;
}

static rt_status open_term(struct feature_trial *trial, bool wants_gradient, rt_loss_term *term, rt_error *err)
{
    _Alignas(max_align_t) unsigned char settings[MAX_STATE] = {0};
    assert_true(trial->loss->state_size <= sizeof settings);
    RT_TRY(rt_settings_parse("loss", trial->loss->params, trial->settings, trial->setting_count, settings, err));
    const rt_shape samples = {1, {trial->student_shape.dims[0]}};
    const rt_loss_array arrays[] = {
        {"student.features",
         {.shape = trial->student_shape,
          .values = trial->student,
          .gradient = wants_gradient ? trial->gradient : NULL}},
        {"teacher.features", {.shape = trial->teacher_shape, .values = trial->teacher}},
        {"labels", {.shape = samples, .indices = trial->labels}},
        {"indices", {.shape = samples, .indices = trial->indices}},
    };
    const rt_loss_training training = {.samples = TRIAL_TRAINING_SAMPLES, .seed = SEED};
    return rt_loss_term_open(term, trial->loss, settings, trial->weight, &training, arrays, 4, err);
}

void feature_trial_fill(struct feature_trial *trial, const rt_loss *loss, const char *const *settings,
                        size_t setting_count, rt_shape student, rt_shape teacher)
{
    memset(trial, 0, sizeof *trial);
    trial->loss = loss, trial->settings = settings, trial->setting_count = setting_count;
    trial->student_shape = student, trial->teacher_shape = teacher;
    trial->weight = 1.0, trial->step = 3;
    size_t elements[] = {rt_shape_elements(&student), rt_shape_elements(&teacher)};
    assert_true(student.dims[0] <= TRIAL_SAMPLES && elements[0] <= TRIAL_FEATURES && elements[1] <= TRIAL_FEATURES);
    for (size_t i = 0; i < elements[0]; ++i)
        trial->student[i] = feature_pseudo(1, (uint32_t)i) / 4;
    for (size_t i = 0; i < elements[1]; ++i)
        trial->teacher[i] = feature_pseudo(2, (uint32_t)i) / 4;
    for (size_t n = 0; n < student.dims[0]; ++n) {
        trial->labels[n] = (int64_t)(n % 3);
        trial->indices[n] = (int64_t)((5 * n + 2) % TRIAL_TRAINING_SAMPLES);
    }
    rt_loss_term term;
    rt_error err = {0};
    if (open_term(trial, false, &term, &err) != RT_OK)
        fail_msg("%s: %s", feature_trial_text(trial), err.message);
    trial->own_count = term.own_count;
    for (size_t i = 0; i < term.own_count; ++i) {
        trial->own_elements[i] = rt_shape_elements(&term.own[i].shape);
        trial->trained[i] = term.own[i].trained;
        assert_true(trial->own_elements[i] <= TRIAL_OWN);
        for (size_t e = 0; e < trial->own_elements[i]; ++e)
            trial->own[i][e] = feature_pseudo((uint32_t)(100 + i), (uint32_t)e) / 16;
    }
    rt_loss_term_close(&term);
}

rt_status feature_trial_evaluate(struct feature_trial *trial, bool wants_gradient, rt_error *err)
{
    rt_loss_term term;
    RT_TRY(open_term(trial, wants_gradient, &term, err));
    for (size_t i = 0; i < trial->own_count; ++i) {
        size_t bytes = trial->own_elements[i] * sizeof(float);
        memcpy(term.io.own[i].values, trial->own[i], bytes);
        if (trial->trained[i] && wants_gradient)
            memcpy(term.io.own[i].gradient, trial->own_gradient[i], bytes);
        else
            term.io.own[i].gradient = NULL;
    }
    rt_status status = rt_loss_term_run(&term, trial->step, &trial->value, err);
    for (size_t i = 0; i < trial->own_count && status == RT_OK; ++i) {
        size_t bytes = trial->own_elements[i] * sizeof(float);
        memcpy(trial->own_after[i], term.io.own[i].values, bytes);
        if (term.io.own[i].gradient)
            memcpy(trial->own_gradient[i], term.io.own[i].gradient, bytes);
    }
    rt_loss_term_close(&term);
    return status;
}

void feature_trial_run(struct feature_trial *trial, bool wants_gradient)
{
    rt_error err = {0};
    if (feature_trial_evaluate(trial, wants_gradient, &err) != RT_OK)
        fail_msg("%s: %s", feature_trial_text(trial), err.message);
}

const char *feature_trial_text(const struct feature_trial *trial)
{
    static char text[512];
    size_t used = (size_t)snprintf(text, sizeof text, "%s", trial->loss->name);
    for (size_t i = 0; i < trial->setting_count && used < sizeof text; ++i)
        used += (size_t)snprintf(text + used, sizeof text - used, " %s", trial->settings[i]);
    const rt_shape *shapes[] = {&trial->student_shape, &trial->teacher_shape};
    for (size_t s = 0; s < 2; ++s)
        for (size_t d = 0; d < shapes[s]->count && used < sizeof text; ++d)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%zu%s", d ? ", " : " [", shapes[s]->dims[d],
                                     d + 1 == shapes[s]->count ? "]" : "");
    return text;
}
