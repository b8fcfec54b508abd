/* The formula reader of f_divergence under fire: formulas with a few characters changed, cut, doubled or crossed. Each
 * is refused in one line that names a place within it, or gives a loss that is a divergence and stays finite.
 *
 *     fuzz_generator [ROUNDS [SEED]]        20000 rounds unless told, always the same
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "losses/generator/generator.h"
#include "losses/losses.h"
#include "recipe/recipe.h"
#include "retort/random.h"
#include "train/term.h"

enum { LONGEST = RT_FORMULA_LONGEST + 40, CLASSES = 6, POINTS = 24 };

static const char *const seeds[] = {
    "u*log(u)",
    "-log(u)",
    "(u-1)^2",
    "(1-u)^2/u",
    "(sqrt(u)-1)^2",
    "(u-1)*log(u)",
    "abs(u-1)/2",
    "u^1.5-1",
    "(u*log(u)-(u+1)*log((u+1)/2))/2",
    "(u-1)^2/(2*(u+1))",
    "max(u,1)-1+0.25*(u-1)^2",
    "exp(u)-exp(1)",
    "u^-0.5 - 1",
    "2^u-2",
    "-min(u,1)+1",
    "(u^3-1)/6",
    "exp(-u)-exp(-1)",
    "abs(u-1)^1.5",
    "log(1+exp(u-1))-log(2)",
};

static const char alphabet[] = "u0123456789.+-*/^(),e logexpsqrtabsminmax\t\n\x80\xff#";

static char text[LONGEST + 1];
static rt_key key;
static uint32_t draw;

static uint32_t below(size_t bound)
{
    return rt_random_below(&key, draw++, (uint32_t)bound);
}

static void crash(const char *what)
{
    fprintf(stderr, "fuzz_generator: round %llu: %s\n    %s\n", (unsigned long long)key.index, what, text);
    abort();
}

/* Replaces `removed` characters at `place` by those of `with`, as far as there is room. */
static void splice(size_t place, size_t removed, const char *with, size_t length)
{
    char whole[3 * LONGEST];
    size_t rest = strlen(text + place + removed);
    memcpy(whole, text, place);
    memcpy(whole + place, with, length);
    memcpy(whole + place + length, text + place + removed, rest);
    size_t total = place + length + rest;
    total = total < LONGEST ? total : LONGEST;
    memcpy(text, whole, total);
    text[total] = '\0';
}

static void mutate(void)
{
    size_t length = strlen(text), place = below(length + 1), span = below(length - place + 1);
    char other[LONGEST + 1];
    switch (below(5)) {
    case 0: /* one character for another, or a new one */
        splice(place, place < length && below(2), &alphabet[below(sizeof alphabet - 1)], 1);
        break;
    case 1: /* cut a piece out */
        splice(place, span < 4 ? span : below(4), "", 0);
        break;
    case 2: /* a piece twice */
        memcpy(other, text + place, span);
        splice(place, 0, other, span);
        break;
    case 3: { /* a piece of another formula */
        const char *from = seeds[below(sizeof seeds / sizeof *seeds)];
        size_t start = below(strlen(from)), count = 1 + below(strlen(from) - start);
        splice(place, below(2) ? span : 0, from + start, count);
        break;
    }
    default: /* inside a function, where it often stays a formula */
        snprintf(other, sizeof other, "%s%.400s)", (const char *[]){"(", "exp(", "max(u,", "-("}[below(4)], text);
        snprintf(text, sizeof text, "%s", other);
    }
}

static void check_message(const char *message)
{
    const char *at = strstr(message, "': character ");
    long number = at ? strtol(at + strlen("': character "), NULL, 10) : 1;
    if (strncmp(message, "generator '", 11) != 0 || number < 1 || number > (long)strlen(text) + 1)
        crash(message);
    for (const char *c = message; *c; ++c)
        if ((unsigned char)*c < ' ')
            crash("a message of more than one line");
}

/* f is above each of its tangents, and the slope between two points is between the slopes at them. */
static void check_function(const rt_generator *generator)
{
    double u[POINTS], log_u[POINTS], f[POINTS], phi[POINTS];
    double least = fmax(generator->log_least, -20.0), most = fmin(generator->log_most, 20.0);
    for (size_t i = 0; i < POINTS; ++i) {
        double share = (double)below(1 << 20) / (1 << 20);
        log_u[i] = i == 0 ? generator->log_least : i == 1 ? generator->log_most : least + (most - least) * share;
        u[i] = exp(log_u[i]);
    }
    rt_generator_run(generator, u, log_u, POINTS, f, phi);
    for (size_t i = 0; i < POINTS; ++i)
        if (!isfinite(f[i]) || !isfinite(phi[i]))
            crash("it is not finite within its range");
    for (size_t i = 2; i < POINTS; ++i)
        for (size_t j = 2; j < POINTS; ++j) {
            double slope = (phi[i] + f[i]) / u[i], tangent = f[i] + slope * (u[j] - u[i]);
            double size = 1.0 + u[i] + u[j];
            if (f[j] < tangent - 1e-6 * (fabs(f[i]) + fabs(f[j]) + size * (1.0 + fabs(slope))))
                crash("it is below its tangent");
        }
}

static void check_loss(void)
{
    static const float sizes[] = {1.0f, 30.0f, 1e4f};
    size_t i = 0;
    while (strcmp(rt_losses[i]->name, "f_divergence") != 0)
        ++i;
    char setting[LONGEST + 20];
    const char *const settings[] = {setting};
    snprintf(setting, sizeof setting, "generator=%s", text);
    _Alignas(16) unsigned char state[256] = {0};
    float student[2 * CLASSES], teacher[2 * CLASSES], gradient[2 * CLASSES] = {0};
    for (size_t k = 0; k < 2 * CLASSES; ++k) {
        float size = sizes[below(3)];
        student[k] = size * ((float)below(2048) / 1024.0f - 1.0f);
        teacher[k] = below(8) == 0 ? student[k] : size * ((float)below(2048) / 1024.0f - 1.0f);
    }
    const rt_shape logits = {2, {2, CLASSES}};
    const rt_loss_array arrays[] = {
        {"student.logits", {.shape = logits, .values = student, .gradient = gradient}},
        {"teacher.logits", {.shape = logits, .values = teacher}},
    };
    rt_loss_term term = {0};
    rt_error err = {0};
    double value = 0.0;
    if (rt_settings_parse("loss", rt_losses[i]->params, settings, 1, state, &err) != RT_OK)
        return; /* such as an empty string, or one that the command line takes for something else */
    if (rt_loss_term_open(&term, rt_losses[i], state, 1.0, NULL, arrays, 2, &err) != RT_OK ||
        rt_loss_term_run(&term, 0, &value, &err) != RT_OK)
        crash(err.message);
    rt_loss_term_close(&term);
    for (size_t k = 0; k < 2 * CLASSES; ++k)
        if (!isfinite(gradient[k]))
            crash("its gradient is not finite");
}

int main(int argc, char **argv)
{
    unsigned long long rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000, taken = 0;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    rt_threads_start(1);
    for (unsigned long long round = 0; round < rounds; ++round) {
        key = (rt_key){.seed = seed, .index = round};
        draw = 0;
        snprintf(text, sizeof text, "%s", seeds[below(sizeof seeds / sizeof *seeds)]);
        for (uint32_t i = below(4); i > 0; --i)
            mutate();
        rt_generator *generator = NULL;
        rt_error err = {0};
        rt_status status = rt_generator_new(text, &generator, &err);
        if (status != RT_OK && status != RT_ERROR_USAGE)
            crash("an unexpected kind of error");
        if (status != RT_OK) {
            check_message(err.message);
            continue;
        }
        check_function(generator);
        rt_generator_free(generator);
        check_loss();
        ++taken;
    }
    printf("%llu rounds, %llu formulas taken\n", rounds, taken);
    return taken > rounds / 10 && taken < rounds - rounds / 10 ? 0 : 1;
}
