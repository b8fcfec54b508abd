/* The contract of a loss. Every file in losses/ and every plugin fulfils it, and sees nothing else.
 *
 * A loss is one descriptor. Its ports say which arrays it reads; its parameter table says what a
 * recipe may set; the same descriptor drives the recipe parser, `retort help loss/NAME`, `retort loss`
 * and the gradient checks. losses/kl.c is a complete example of one screen.
 *
 * Life of a loss term:
 *   1. storage of state_size bytes is zeroed and the parameters are written into it;
 *   2. init() checks the parameters against each other;
 *   3. plan() sees the shapes, books scratch memory and declares arrays of the loss's own; it comes again whenever the
 *      shapes change, as they do for an epoch's last, shorter batch, so it keeps nothing in the state that a second
 *      call would spoil;
 *   4. run() is called once per step: it adds the gradient of weight * loss to each differentiable port and
 *      returns the loss itself at weight 1;
 *   5. done() releases what init() acquired; it is not called where init() failed.
 *
 * run() allocates nothing, gives the same bits for any number of threads (use rt_parallel_rows),
 * and evaluates in double what is small: losses on logits are checked by finite differences to 1e-6.
 * A loss that comes out as NaN or infinity is returned as it is; the caller finds out which input was to blame.
 * retort/logits.h has what losses on logits share. */
#ifndef RETORT_LOSS_H
#define RETORT_LOSS_H

#include <stddef.h>
#include <stdint.h>

#include "retort/api.h"
#include "retort/error.h"
#include "retort/param.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { RT_LOSS_ABI = 2, RT_LOSS_MAX_PORTS = 8, RT_LOSS_MAX_OWN = 16, RT_MAX_DIMS = 4 };

typedef enum rt_port_flags {
    RT_PORT_DIFF = 1 << 0,     /* run() adds a gradient */
    RT_PORT_OPTIONAL = 1 << 1, /* may be absent: its pointers are then NULL */
    RT_PORT_INDEX = 1 << 2,    /* int64_t class or sample indices instead of float */
    RT_PORT_ADAPTED = 1 << 3   /* of a student's features: where the sizes behind N are not the teacher's, a layer that
                                * is trained with the student brings them there before the loss sees them */
} rt_port_flags;

/* What a loss reads. Shapes are letters, "N C": one letter is one size across all ports of the loss, N the batch.
 *
 *     name                 shape      what
 *     "student.logits"     "N C"
 *     "teacher.logits"     "N C"      one teacher's, or what several agree on
 *     "teachers.logits"    "M N C"    of each of M teachers, M >= 1
 *     "labels"             "N"        classes, int64_t, each in 0..C-1
 *     "mixed.labels"       "N"        where images are mixed, classes of what was mixed in, int64_t
 *     "mixed.shares"       "N"        its shares, 0 to 1; the rest is the label's
 *     "indices"            "N"        numbers of the samples in the training set, int64_t
 *     "student.features"   "N H W K"  the layers that the recipe's term names with `student` and `teacher`;
 *     "teacher.features"   "N H W D"  in memory [batch, height, width, channels]
 *
 * Mixed images are the recipe's wish (data.augment.mixup, cutmix). Without it there is nothing mixed, so that these
 * ports are optional; with it there are no indices, for a mixed image is no sample of the set, and a loss that reads
 * "labels" and not "mixed.labels" is refused.
 *
 * Features of a port with two letters, "N K", come flattened to a vector a sample, in the order of memory. */
typedef struct rt_port {
    const char *name;
    const char *shape;
    unsigned flags;
} rt_port;

/* The shape of one port's array, row-major, the last dimension contiguous. */
typedef struct rt_shape {
    size_t count;
    size_t dims[RT_MAX_DIMS];
} rt_shape;

/* The product of the sizes; 1 where there are none. Of a shape from outside, only once its sizes are checked. */
static inline size_t rt_shape_elements(const rt_shape *shape)
{
    size_t elements = 1;
    for (size_t d = 0; d < shape->count; ++d)
        elements *= shape->dims[d];
    return elements;
}

/* An array of the loss's own, which lives as long as the training does and is saved in its checkpoints, and never in
 * an exported student. At first its elements are drawn from the uniform distribution about `center`. */
typedef struct rt_own {
    const char *name; /* "student_embedding.weight"; a constant string, another for each array */
    rt_shape shape;   /* must not depend on the batch */
    bool trained; /* the optimizer updates it by the gradient that run() adds; else run() writes it itself: memory */
    double center, spread; /* from center - spread to center + spread */
} rt_own;

/* What plan() sees, books and declares. The scratch memory is 64-byte aligned and handed to every run(). */
typedef struct rt_loss_plan {
    const rt_shape *shapes;      /* one per port; count 0 when an optional port is absent */
    size_t samples;              /* of the training set, the bound of "indices"; 0 outside training */
    size_t scratch_bytes;        /* set by plan(), 0 before; contents are undefined at the start of each run() */
    rt_own own[RT_LOSS_MAX_OWN]; /* set by plan(): the same in every call */
    size_t own_count;            /* 0 before */
} rt_loss_plan;

/* One port during run(). Exactly one of `values` and `indices` is set; neither is where an optional port is absent. */
typedef struct rt_port_data {
    rt_shape shape;
    const float *values;
    const int64_t *indices;
    float *gradient; /* RT_PORT_DIFF: shape of `values`, added to, never overwritten; NULL when not wanted */
} rt_port_data;

/* An own array during run(). */
typedef struct rt_own_data {
    float *values;   /* of a trained one: read only */
    float *gradient; /* of a trained one: the gradient of weight * loss is added to it; NULL when not wanted */
} rt_own_data;

typedef struct rt_loss_io {
    rt_port_data ports[RT_LOSS_MAX_PORTS]; /* in the order of the descriptor's ports */
    rt_own_data own[RT_LOSS_MAX_OWN];      /* in the order of plan()'s */
    double weight;                         /* multiplies gradients, not the returned loss */
    void *scratch;                         /* at least what the latest plan() asked for */
    int64_t step;                          /* optimizer steps taken before this one; 0 outside training */
    uint64_t seed;                         /* the run's, for draws by RT_STREAM_LOSS with index = step (random.h) */
} rt_loss_io;

/* What holds for any input, with any parameters unless the loss says otherwise; gradient checks hold a loss to it. */
typedef enum rt_loss_property {
    RT_LOSS_NON_NEGATIVE = 1 << 0,
    RT_LOSS_ZERO_AT_EQUALITY = 1 << 1, /* value and gradients are 0 where student and teacher are equal */
    RT_LOSS_SHIFT_INVARIANT = 1 << 2   /* a number added to all logits of a sample changes nothing: the gradient of a
                                        * sample sums to zero */
} rt_loss_property;

typedef struct rt_loss {
    uint32_t abi;          /* RT_LOSS_ABI */
    const char *name;      /* file name = symbol = recipe key */
    const char *summary;   /* one line for `retort list losses` */
    const char *formula;   /* plain text, may span lines; names the reduction */
    const char *reference; /* paper, venue, arXiv number, equation */
    const char *published; /* figures from the literature, with the weights and schedule behind them; NULL for none */
    const rt_port *ports;
    size_t port_count;
    const rt_param *params; /* ends in RT_PARAM_END; NULL for none */
    size_t state_size;      /* of the struct that the parameters are written into, in bytes */
    unsigned properties;    /* of rt_loss_property */

    /* Each may be NULL except run, which overwrites *loss. `state` is that struct, the loss's own from init() on. */
    rt_status (*init)(void *state, rt_error *err);
    rt_status (*plan)(void *state, rt_loss_plan *plan, rt_error *err);
    rt_status (*run)(void *state, const rt_loss_io *io, double *loss, rt_error *err);
    void (*done)(void *state);
} rt_loss;

/* Calls body(context, row) for rows 0..rows-1 on all compute threads. Rows are independent: body writes only
 * to memory that belongs to its row, so the bits do not depend on the number of threads. */
RT_API void rt_parallel_rows(size_t rows, void (*body)(void *context, size_t row), void *context);

#ifdef __cplusplus
}
#endif
#endif
