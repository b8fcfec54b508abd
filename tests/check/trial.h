/* A network of a golden file, filled with the file's numbers, planned and run. Whatever fails, fails the test. */
#ifndef RETORT_CHECK_TRIAL_H
#define RETORT_CHECK_TRIAL_H

#include "engine/plan.h"
#include "golden.h"

struct trial {
    rt_mode mode;
    size_t batch;
    rt_parameters *parameters; /* owned unless they were handed in */
    bool owns_parameters;
    rt_plan *plan;
    float *images; /* owned */
};

const char *trial_mode_name(rt_mode mode);

/* The one engine of a test program; begin before anything is opened. */
void trial_begin(int threads);
void trial_end(void);

/* Trials opened from now on do without Winograd's algorithm. */
void trial_convolve_directly(bool directly);

/* Trials opened from now on multiply in this precision, native or emulated by the library. Where it cannot even do
 * that, the program ends as a skipped test does. */
void trial_demand(rt_precision precision);

/* `parameters` NULL makes new ones and fills them. */
void trial_open(struct trial *trial, const rt_graph *graph, size_t batch, rt_mode mode, rt_parameters *parameters);
void trial_close(struct trial *trial);

void trial_fill_images(struct trial *trial, const char *name);
void trial_forward(struct trial *trial);
void trial_backward(struct trial *trial);

/* The trial's tensor of that tag and name; "change" and the loss are not among them. */
const float *trial_tensor(const struct trial *trial, const struct golden_tensor *tensor);

#endif
