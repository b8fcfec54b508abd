/* The operations of RandAugment and their strengths, as torchvision has them. */
#ifndef RETORT_DATASETS_AUGMENTATIONS_POLICY_H
#define RETORT_DATASETS_AUGMENTATIONS_POLICY_H

#include "datasets/augmentation.h"

enum { RT_POLICY_STEPS = 31 };

typedef enum rt_policy_operation {
    RT_POLICY_IDENTITY,
    RT_POLICY_SHEAR_X,
    RT_POLICY_SHEAR_Y,
    RT_POLICY_TRANSLATE_X,
    RT_POLICY_TRANSLATE_Y,
    RT_POLICY_ROTATE,
    RT_POLICY_BRIGHTNESS,
    RT_POLICY_SATURATION,
    RT_POLICY_CONTRAST,
    RT_POLICY_SHARPNESS,
    RT_POLICY_POSTERIZE,
    RT_POLICY_SOLARIZE,
    RT_POLICY_AUTOCONTRAST,
    RT_POLICY_EQUALIZE,
    RT_POLICY_OPERATIONS
} rt_policy_operation;

/* `step` is below RT_POLICY_STEPS; `negative` counts for those that have two directions. */
void rt_policy_apply(rt_canvas *canvas, rt_policy_operation operation, size_t step, bool negative);

#endif
