/* A teacher's frozen network in the precision that its recipe asks for, calibrated where that needs it; and how often
 * it then says the same as in fp32. */
#ifndef RETORT_TRAIN_TEACHER_PLAN_H
#define RETORT_TRAIN_TEACHER_PLAN_H

#include "engine/inference.h"
#include "models/network.h"
#include "train/data.h"

/* Training images that int8 is calibrated on, evenly spaced and as they are; and held-out or test images at most that
 * predictions are compared on. */
enum { RT_CALIBRATION_IMAGES = 256, RT_AGREEMENT_IMAGES = 1000 };

/* `micro_batch` 0 is chosen by rule. */
rt_status rt_teacher_plan(rt_engine *engine, const rt_network *network, const rt_run_data *data, rt_precision precision,
                          rt_inference **inference, rt_error *err);

/* An inference calibrated on some of `images`, evenly spaced; for INT8 alone it looks at any. */
rt_status rt_inference_calibrated(rt_engine *engine, const rt_network *network, rt_precision precision,
                                  const rt_images *images, const uint32_t *samples, size_t sample_count,
                                  const rt_normalization *normalization, size_t micro_batch, rt_inference **inference,
                                  rt_error *err);

/* Percent of held-out images, or of test images where none are held out, for which `inference` and fp32 put the same
 * class first; *images says how many there were. */
rt_status rt_teacher_agreement(rt_engine *engine, const rt_network *network, rt_inference *inference,
                               const rt_run_data *data, double *percent, size_t *images, rt_error *err);

#endif
