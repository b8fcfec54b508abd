/* Losses and gradients by PyTorch in float64, as make_loss_golden.py wrote them. */
#ifndef GOLDEN_LOSS_GOLDEN_H
#define GOLDEN_LOSS_GOLDEN_H

#include <stddef.h>

enum { GOLDEN_SAMPLES = 8, GOLDEN_SETTINGS = 4 };

static const struct golden {
    const char *loss, *settings[GOLDEN_SETTINGS];
    size_t setting_count;
    size_t samples, classes;
    double value, gradient_norm;     /* Euclidean */
    double gradient[GOLDEN_SAMPLES]; /* elements i (samples * classes - 1) / (GOLDEN_SAMPLES - 1) */
} golden[] = {
#include "losses/classic.inc"
#include "losses/divergences.inc"
#include "losses/mission.inc"
#include "losses/zoo.inc"
};

/* On images that were mixed. */
static const struct golden mixed_golden[] = {
#include "losses/mixed.inc"
};

#endif
