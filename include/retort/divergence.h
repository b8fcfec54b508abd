/* What divergences between softmax(teacher / temperature) and softmax(student / temperature) have in common: settings,
 * ports, scratch memory, the mean over the batch, and the gradient. For losses/ and for plugins.
 *
 * A divergence writes one function for one sample, which finds p, q and their logarithms ready and says two things: the
 * value l, and the derivatives of l with respect to the log q_k, each as if the others stood still ("slopes"):
 *
 *     RT_WIDE static void sample(void *context, size_t n)          // l = sum_k q_k (log q_k - log p_k)
 *     {
 *         rt_divergence_row row = rt_divergence_open(context, n);
 *         for (size_t k = 0; k < row.classes; ++k)
 *             row.log_p[k] = row.q[k] * (row.log_q[k] - row.log_p[k]);
 *         rt_divergence_close(&row, rt_sum(row.log_p, row.classes), row.log_p);
 *     }
 *
 * losses/reverse_kl.c is that example whole. Since log q = z / T - log sum_j e^(z_j / T), the chain rule makes of
 * slopes b the gradient (b_k - q_k sum_j b_j) / T: a constant times q_k in all slopes changes nothing and may be left
 * out. */
#ifndef RETORT_DIVERGENCE_H
#define RETORT_DIVERGENCE_H

#include "retort/logarithm.h"
#include "retort/logits.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where a divergence grows beyond all bounds, it is held at e^70: then a gradient in float, whose own end is at e^88.7,
 * still has room for weights, small temperatures and sums over classes. */
#define RT_LARGEST_EXPONENT 70.0

/* The settings of a divergence begin with these, `rt_divergence common;`. */
typedef struct rt_divergence {
    double temperature;
    bool temperature_squared;
} rt_divergence;

/* Their lines in its table; `squared` is the default, and the temperature's is 1 or `start`. */
#define RT_DIVERGENCE_PARAMS(squared) RT_DIVERGENCE_PARAMS_FROM(1.0, squared)
#define RT_DIVERGENCE_PARAMS_FROM(start, squared)                                                                      \
    RT_FLOAT(rt_divergence, temperature, start, 0.05, 1000.0,                                                          \
             "divides the logits of both, and so softens both distributions"),                                         \
        RT_BOOL(rt_divergence, temperature_squared, squared, "multiply by temperature^2")

enum { RT_DIVERGENCE_STUDENT, RT_DIVERGENCE_TEACHER, RT_DIVERGENCE_PORTS, RT_DIVERGENCE_ARRAYS = 6 };

/* A batch of independent samples is cut into at most so many runs of neighbours. The samples of a run use the arrays of
 * one row in turn, which so stay in the cache. */
enum { RT_DIVERGENCE_RUNS = 32 };

static const rt_port rt_divergence_ports[] = {
    [RT_DIVERGENCE_STUDENT] = {"student.logits", "N C", RT_PORT_DIFF},
    [RT_DIVERGENCE_TEACHER] = {"teacher.logits", "N C", 0},
};

/* The descriptor's plan(). Scratch: a loss per sample [N], then the arrays of its row [N, RT_DIVERGENCE_ARRAYS, C]. */
static inline rt_status rt_divergence_plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)state, (void)err;
    size_t samples = plan->shapes[RT_DIVERGENCE_STUDENT].dims[0], classes = plan->shapes[RT_DIVERGENCE_STUDENT].dims[1];
    plan->scratch_bytes = samples * (1 + RT_DIVERGENCE_ARRAYS * classes) * sizeof(double);
    return RT_OK;
}

/* What sample() gets as its context. */
typedef struct rt_divergence_work {
    const rt_loss_io *io;
    const void *settings;
    double temperature, scale;
    size_t run; /* neighbours that share a row's arrays; 0: each has its own */
    void (*sample)(void *work, size_t n);
} rt_divergence_work;

static inline void rt_divergence_run_of_samples(void *context, size_t number)
{
    rt_divergence_work *work = (rt_divergence_work *)context;
    const size_t samples = work->io->ports[RT_DIVERGENCE_STUDENT].shape.dims[0], first = number * work->run;
    for (size_t n = first; n < first + work->run && n < samples; ++n)
        work->sample(work, n);
}

/* The body of the descriptor's run(): calls sample() for every sample. A sample's arrays are lost when it returns. */
static inline rt_status rt_divergence_run(void *state, const rt_loss_io *io, void (*sample)(void *work, size_t n),
                                          double *loss)
{
    const rt_divergence *common = state;
    double squared = common->temperature * common->temperature;
    const size_t samples = io->ports[RT_DIVERGENCE_STUDENT].shape.dims[0];
    const size_t classes = io->ports[RT_DIVERGENCE_STUDENT].shape.dims[1];
    const size_t run = (samples + RT_DIVERGENCE_RUNS - 1) / RT_DIVERGENCE_RUNS;
    rt_divergence_work work = {io,  state, common->temperature, common->temperature_squared ? squared : 1.0,
                               run, sample};
    rt_parallel_samples((samples + run - 1) / run, run * classes, rt_divergence_run_of_samples, &work);
    *loss = rt_batch_mean(io->scratch, samples);
    return RT_OK;
}

/* One sample at work. All arrays are [classes], and its own to overwrite; but closing needs q. */
typedef struct rt_divergence_row {
    const rt_divergence_work *work;
    const void *settings; /* the loss's struct */
    size_t number, classes;
    double *log_q, *q, *log_p, *p; /* of student and teacher */
    double *spare[2];              /* contents are undefined */
} rt_divergence_row;

/* Sample n as it was left, or in need of filling. Losses that couple the samples of a batch go over them several times.
 */
RT_WIDE_INLINE rt_divergence_row rt_divergence_at(const void *work, size_t n)
{
    rt_divergence_row row = {.work = (const rt_divergence_work *)work, .number = n};
    const rt_port_data *student = &row.work->io->ports[RT_DIVERGENCE_STUDENT];
    size_t samples = student->shape.dims[0], classes = student->shape.dims[1];
    row.settings = row.work->settings;
    row.classes = classes;
    const size_t place = row.work->run > 0 ? n / row.work->run : n;
    row.log_q = (double *)row.work->io->scratch + samples + place * RT_DIVERGENCE_ARRAYS * classes;
    row.q = row.log_q + classes, row.log_p = row.q + classes, row.p = row.log_p + classes;
    row.spare[0] = row.p + classes, row.spare[1] = row.spare[0] + classes;
    return row;
}

/* Fills log_q, q, log_p and p. Call it from a function that is marked RT_WIDE, as rt_softmax(). */
RT_WIDE_INLINE rt_divergence_row rt_divergence_open(const void *work, size_t n)
{
    rt_divergence_row row = rt_divergence_at(work, n);
    const rt_port_data *ports = row.work->io->ports;
    const rt_port_data *student = &ports[RT_DIVERGENCE_STUDENT], *teacher = &ports[RT_DIVERGENCE_TEACHER];
    rt_softmax(student->values + n * row.classes, row.classes, row.work->temperature, row.log_q, row.q);
    rt_softmax(teacher->values + n * row.classes, row.classes, row.work->temperature, row.log_p, row.p);
    return row;
}

/* Keeps the sample's value and adds its gradient where one is wanted. slopes [classes] may be any of the row's arrays
 * but q. */
RT_WIDE_INLINE void rt_divergence_close(const rt_divergence_row *row, double value, const double *__restrict slopes)
{
    const rt_loss_io *io = row->work->io;
    const rt_port_data *student = &io->ports[RT_DIVERGENCE_STUDENT];
    const double *__restrict q = row->q;
    size_t samples = student->shape.dims[0], classes = row->classes;
    double *losses = (double *)io->scratch;
    losses[row->number] = row->work->scale * value;
    if (!student->gradient)
        return;
    double factor = io->weight * row->work->scale / (row->work->temperature * (double)samples);
    double sum = rt_sum(slopes, classes);
    float *__restrict gradient = student->gradient + row->number * classes;
    for (size_t k = 0; k < classes; ++k)
        gradient[k] += (float)(factor * (slopes[k] - q[k] * sum));
}

/* As rt_divergence_close() for those who know the gradient [classes] of their value with respect to the student's
 * logits themselves; it needs no q. */
RT_WIDE_INLINE void rt_divergence_close_with(const rt_divergence_row *row, double value,
                                             const double *__restrict gradient)
{
    const rt_loss_io *io = row->work->io;
    const rt_port_data *student = &io->ports[RT_DIVERGENCE_STUDENT];
    double *losses = (double *)io->scratch;
    losses[row->number] = row->work->scale * value;
    if (!student->gradient)
        return;
    double factor = io->weight * row->work->scale / (double)student->shape.dims[0];
    float *__restrict sum = student->gradient + row->number * row->classes;
    for (size_t k = 0; k < row->classes; ++k)
        sum[k] += (float)(factor * gradient[k]);
}

/* log sum_k e^x_k over exponents x [count], count >= 1, of any size; shares [count] are e^x_k over that sum,
 * softmax(x). The two must not overlap. The largest is found by lanes, as in rt_sum(). */
RT_WIDE_INLINE double rt_log_sum_exp(const double *__restrict exponents, size_t count, double *__restrict shares)
{
    double lanes[RT_LANES];
    for (size_t j = 0; j < RT_LANES; ++j)
        lanes[j] = -(double)INFINITY;
    size_t k = 0;
    for (; k + RT_LANES <= count; k += RT_LANES)
        for (size_t j = 0; j < RT_LANES; ++j)
            lanes[j] = exponents[k + j] > lanes[j] ? exponents[k + j] : lanes[j];
    for (; k < count; ++k)
        lanes[0] = exponents[k] > lanes[0] ? exponents[k] : lanes[0];
    double largest = lanes[0];
    for (size_t j = 1; j < RT_LANES; ++j)
        largest = lanes[j] > largest ? lanes[j] : largest;
    for (k = 0; k < count; ++k)
        shares[k] = rt_exp(exponents[k] - largest);
    double sum = rt_sum(shares, count), share = 1.0 / sum;
    for (k = 0; k < count; ++k)
        shares[k] *= share;
    return largest + log(sum);
}

/* log(e^a + e^b); *share is e^b's in the sum, exact however small. Either may be -INFINITY, but not both. */
RT_WIDE_INLINE double rt_log_mixture(double a, double b, double *share)
{
    double difference = b - a, distance = fabs(difference), small = rt_exp(-distance);
    *share = (difference > 0.0 ? 1.0 : small) / (1.0 + small);
    return (difference > 0.0 ? b : a) + rt_log(1.0 + small);
}

#ifdef __cplusplus
}
#endif
#endif
