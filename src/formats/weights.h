/* Weights between files and networks: every parameter is accounted for. */
#ifndef RETORT_FORMATS_WEIGHTS_H
#define RETORT_FORMATS_WEIGHTS_H

#include "formats/tensors.h"
#include "graph/parameters.h"

/* Copies every parameter and buffer of the graph out of the file's tensors by name. What wrappers put
 * before every name ("module.", "model.", "net.", "_orig_mod.") is dropped, "linear.*" serves for "fc.*" and
 * "shortcut.*" for "downsample.*" when the graph has no such names of its own; "*.num_batches_tracked" and tensors that
 * begin with "optimizer.", "ema." or "loss." are passed over. What is missing, unexpected, there twice or of another
 * shape is counted in one error that names the first few of each kind. Weights that are not finite are refused, too.
 * After any error nothing has been copied. `path` is for messages. */
rt_status rt_weights_load(const rt_tensors *tensors, const char *path, rt_parameters *parameters, rt_error *err);

/* The same where parameters may be missing, which then keep what they have, and tensors unexpected. `gaps` gets the
 * names of both in a line, allocated; NULL where there are none. NULL for `gaps` lets nothing pass. */
rt_status rt_weights_load_what_fits(const rt_tensors *tensors, const char *path, rt_parameters *parameters, char **gaps,
                                    rt_error *err);

/* Whether rt_weights_load() would find every tensor that it needs, and no other. */
bool rt_weights_fit(const rt_tensors *tensors, const rt_graph *graph);

/* The tensors of a network, to be written to a file: as many items as graph->parameter_count, borrowed from it. */
void rt_weights_list(const rt_parameters *parameters, rt_tensor *items);

/* What a weights file says about the network in it. Unknown fields are 0. */
typedef struct rt_weights_hints {
    size_t classes;  /* outputs of the last linear layer */
    size_t channels; /* inputs of the first convolution, or 0 when there is none */
    bool stem_bias;  /* the first convolution ("conv1") has a bias */
    bool projection; /* there are downsample (or shortcut) tensors */
} rt_weights_hints;

/* Fails where the classes cannot be told: no last layer of two dimensions that is called as in one of our families, or
 * "linear". */
rt_status rt_weights_look(const rt_tensors *tensors, const char *path, rt_weights_hints *hints, rt_error *err);

#endif
