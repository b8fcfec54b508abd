/* A loss by its name and settings, at one batch, for tests of what losses have to do with each other.
 *
 *     struct answer kl = ask((struct asked){"kl", {"temperature=1"}});
 *
 * A program that uses it runs its tests with ask_fill as group setup. */
#ifndef CHECK_ASK_H
#define CHECK_ASK_H

#include <stddef.h>
#include <stdint.h>

enum { SAMPLES = 5, CLASSES = 10, LOGITS = SAMPLES * CLASSES, MOST_SETTINGS = 4 };

/* As `retort loss NAME --set ... --set ...` names it. */
struct asked {
    const char *name, *settings[MOST_SETTINGS];
};

/* Settings that make kl and reverse_kl what most divergences are by default. */
#define KL                                                                                                             \
    {                                                                                                                  \
        "kl",                                                                                                          \
        {                                                                                                              \
            "temperature=1"                                                                                            \
        }                                                                                                              \
    }
#define REVERSE_KL                                                                                                     \
    {                                                                                                                  \
        "reverse_kl",                                                                                                  \
        {                                                                                                              \
            NULL                                                                                                       \
        }                                                                                                              \
    }

struct answer {
    double value;
    float gradient[LOGITS];
};

/* The batch, within [-1.5, 1.5). */
extern float student[LOGITS], teacher[LOGITS];
extern int64_t labels[SAMPLES];

int ask_fill(void **state);
struct answer ask(struct asked asked);
struct answer ask_about(struct asked asked, const float *of_student, const float *of_teacher);

/* a = factor * b, value and gradient, within `share` of the value and of the largest element. */
void check_multiple(struct answer a, double factor, struct answer b, double share, const char *what);

#endif
