/* Losses on features and their gradients by PyTorch in float64, as make_feature_loss_golden.py wrote them. */
#ifndef GOLDEN_FEATURE_GOLDEN_H
#define GOLDEN_FEATURE_GOLDEN_H

#include <stddef.h>

#include "retort/loss.h"

enum { FEATURE_GOLDEN_ELEMENTS = 8, FEATURE_GOLDEN_SETTINGS = 6, FEATURE_GOLDEN_TRAINED = 6 };

struct feature_golden_gradient {
    double norm;                              /* Euclidean */
    double elements[FEATURE_GOLDEN_ELEMENTS]; /* i (count - 1) / (FEATURE_GOLDEN_ELEMENTS - 1) */
};

static const struct feature_golden {
    const char *loss, *settings[FEATURE_GOLDEN_SETTINGS];
    size_t setting_count;
    rt_shape student, teacher;
    double value;
    struct feature_golden_gradient gradient; /* by the student's features */
    size_t trained_count;                    /* own arrays that are trained, in the order of plan()'s */
    struct feature_golden_gradient trained[FEATURE_GOLDEN_TRAINED];
} feature_golden[] = {
#include "features/clouds.inc"
#include "features/contrastive.inc"
#include "features/hints.inc"
#include "features/relations.inc"
};

#endif
