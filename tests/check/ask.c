#include "ask.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "losses/losses.h"
#include "recipe/recipe.h"
#include "train/term.h"

enum { MOST_STATE = 4096 };

float student[LOGITS], teacher[LOGITS];
int64_t labels[SAMPLES];

/* A number in [-1.5, 1.5). */
static float pseudo(uint32_t index)
{
    uint32_t word = (index + 1) * 2654435761u;
    word = (word ^ word >> 15) * 2246822519u;
    return 3.0f * (float)(word >> 12) / 1048576.0f - 1.5f;
}

int ask_fill(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < LOGITS; ++i) {
        student[i] = pseudo(i);
        teacher[i] = pseudo(LOGITS + i);
    }
    for (int64_t n = 0; n < SAMPLES; ++n)
        labels[n] = (7 * n + 1) % CLASSES;
    return 0;
}

struct answer ask_about(struct asked asked, const float *of_student, const float *of_teacher)
{
    struct answer answer = {0};
    size_t i = 0, settings = 0;
    while (i < rt_loss_count && strcmp(rt_losses[i]->name, asked.name) != 0)
        ++i;
    assert_true(i < rt_loss_count && rt_losses[i]->state_size <= MOST_STATE);
    while (settings < MOST_SETTINGS && asked.settings[settings])
        ++settings;
    _Alignas(max_align_t) unsigned char state[MOST_STATE] = {0};
    const rt_shape logits = {2, {SAMPLES, CLASSES}};
    const rt_loss_array arrays[] = {
        {"student.logits", {.shape = logits, .values = of_student, .gradient = answer.gradient}},
        {"teacher.logits", {.shape = logits, .values = of_teacher}},
        {"teachers.logits", {.shape = {3, {1, SAMPLES, CLASSES}}, .values = of_teacher}},
        {"labels", {.shape = {1, {SAMPLES}}, .indices = labels}},
    };
    rt_loss_term term = {0};
    rt_error err = {0};
    if (rt_settings_parse("loss", rt_losses[i]->params, asked.settings, settings, state, &err) != RT_OK ||
        rt_loss_term_open(&term, rt_losses[i], state, 1.0, NULL, arrays, sizeof arrays / sizeof *arrays, &err) !=
            RT_OK ||
        rt_loss_term_run(&term, 0, &answer.value, &err) != RT_OK)
        fail_msg("%s", err.message);
    rt_loss_term_close(&term);
    return answer;
}

struct answer ask(struct asked asked)
{
    return ask_about(asked, student, teacher);
}

void check_multiple(struct answer a, double factor, struct answer b, double share, const char *what)
{
    if (!(fabs(a.value - factor * b.value) <= share * fabs(a.value)))
        fail_msg("%s: %.15g is not %g times %.15g", what, a.value, factor, b.value);
    double largest = 0.0;
    for (size_t i = 0; i < LOGITS; ++i)
        largest = fmax(largest, fabs((double)a.gradient[i]));
    assert_true(largest > 1e-4);
    for (size_t i = 0; i < LOGITS; ++i)
        if (!(fabs((double)a.gradient[i] - factor * (double)b.gradient[i]) <= (share + 1e-7) * largest))
            fail_msg("%s: gradient %zu is %.9g, not %g times %.9g", what, i, (double)a.gradient[i], factor,
                     (double)b.gradient[i]);
}
