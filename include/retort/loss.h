/* The contract of a loss. Every file in losses/ and every plugin fulfils it, and sees nothing else.
 *
 * A loss is one descriptor. Its ports say which arrays it reads; its parameter table says what a
 * recipe may set; the same descriptor drives the recipe parser, `retort help loss/NAME`, `retort loss`
 * and the gradient checks. losses/kl.c is a complete example of one screen.
 *
 * Life of a loss term:
 *   1. storage of state_size bytes is zeroed and the parameters are written into it;
 *   2. init() checks the parameters against each other;
 *   3. plan() sees the shapes and books scratch memory; it comes again whenever the shapes change, as they do for an
 *      epoch's last, shorter batch, so it keeps nothing in the state that a second call would spoil;
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

#include "retort/error.h"
#include "retort/param.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { RT_LOSS_ABI = 1, RT_LOSS_MAX_PORTS = 8, RT_MAX_DIMS = 4 };

typedef enum rt_port_flags {
    RT_PORT_DIFF = 1 << 0,     /* run() adds a gradient */
    RT_PORT_OPTIONAL = 1 << 1, /* may be absent: its pointers are then NULL */
    RT_PORT_INDEX = 1 << 2     /* int64_t class or sample indices instead of float */
} rt_port_flags;

/* What a loss reads. Names: "student.logits", "teacher.logits", "labels".
 * Shapes are letters, "N C": one letter is one size across all ports of the loss, N the batch. */
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

/* What plan() sees and books. The memory is 64-byte aligned and handed to every run(). */
typedef struct rt_loss_plan {
    const rt_shape *shapes; /* one per port; count 0 when an optional port is absent */
    size_t scratch_bytes;   /* set by plan(), 0 before; contents are undefined at the start of each run() */
} rt_loss_plan;

/* One port during run(). Exactly one of `values` and `indices` is set; neither is where an optional port is absent. */
typedef struct rt_port_data {
    rt_shape shape;
    const float *values;
    const int64_t *indices;
    float *gradient; /* RT_PORT_DIFF: shape of `values`, added to, never overwritten; NULL when not wanted */
} rt_port_data;

typedef struct rt_loss_io {
    rt_port_data ports[RT_LOSS_MAX_PORTS]; /* in the order of the descriptor's ports */
    double weight;                         /* multiplies the gradient, not the returned loss */
    void *scratch;                         /* at least what the latest plan() asked for */
    int64_t step;                          /* optimizer steps taken before this one; 0 outside training */
} rt_loss_io;

typedef struct rt_loss {
    uint32_t abi;          /* RT_LOSS_ABI */
    const char *name;      /* file name = symbol = recipe key */
    const char *summary;   /* one line for `retort list losses` */
    const char *formula;   /* plain text, may span lines; names the reduction */
    const char *reference; /* paper, venue, arXiv number, equation */
    const rt_port *ports;
    size_t port_count;
    const rt_param *params; /* ends in RT_PARAM_END; NULL for none */
    size_t state_size;      /* of the struct that the parameters are written into, in bytes */

    /* Each may be NULL except run, which overwrites *loss. `state` is that struct, the loss's own from init() on. */
    rt_status (*init)(void *state, rt_error *err);
    rt_status (*plan)(void *state, rt_loss_plan *plan, rt_error *err);
    rt_status (*run)(void *state, const rt_loss_io *io, double *loss, rt_error *err);
    void (*done)(void *state);
} rt_loss;

/* Calls body(context, row) for rows 0..rows-1 on all compute threads. Rows are independent: body writes only
 * to memory that belongs to its row, so the bits do not depend on the number of threads. */
void rt_parallel_rows(size_t rows, void (*body)(void *context, size_t row), void *context);

#ifdef __cplusplus
}
#endif
#endif
