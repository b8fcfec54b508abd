/* A loss that is right, or wrong in one way that is asked for: each check must tell.
 *
 *     d = student - teacher, minus its mean over the classes
 *     loss = mean over the batch of gain_0^2 sum_k d_k^2 / 2       gain is an array of its own, trained
 *     dloss/dstudent = gain_0^2 d / N                              dloss/dgain_0 = gain_0 sum d^2 / N */
#include <omp.h>
#include <string.h>

#include "retort/logits.h"
#include "retort/loss.h"

enum {
    NONE,
    GRADIENT,
    OWN_GRADIENT,
    KINKS,
    KINK_GRADIENT,
    OVERFLOWS,
    HIDES_NAN,
    OVERWRITES,
    IGNORES_WEIGHT,
    WEIGHS_VALUE,
    VALUE_NEEDS_GRADIENT,
    WRITES_INPUT,
    WRITES_TRAINED,
    BEYOND_SCRATCH,
    BEYOND_GRADIENT,
    USES_GARBAGE,
    REMEMBERS,
    COUNTS_THREADS,
    NEGATIVE,
    NOT_ZERO,
    SHIFTS,
    REFUSES
};

static const char *const faults[] = {"none",
                                     "gradient",
                                     "own_gradient",
                                     "kinks",
                                     "kink_gradient",
                                     "overflows",
                                     "hides_nan",
                                     "overwrites",
                                     "ignores_weight",
                                     "weighs_value",
                                     "value_needs_gradient",
                                     "writes_input",
                                     "writes_trained",
                                     "beyond_scratch",
                                     "beyond_gradient",
                                     "uses_garbage",
                                     "remembers",
                                     "counts_threads",
                                     "negative",
                                     "not_zero",
                                     "shifts",
                                     "refuses",
                                     NULL};

struct faulty {
    int fault;
    int64_t runs;
};

static const rt_param params[] = {
    RT_ENUM(struct faulty, fault, NONE, faults, "what is wrong"),
    RT_PARAM_END,
};

enum { STUDENT, TEACHER, PORTS };

static const rt_port ports[] = {
    [STUDENT] = {"student.logits", "N C", RT_PORT_DIFF},
    [TEACHER] = {"teacher.logits", "N C", 0},
};

enum { GAINS = 40 };

static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    const struct faulty *faulty = state;
    size_t samples = plan->shapes[STUDENT].dims[0];
    if (faulty->fault == REFUSES && samples != 4)
        return rt_fail(err, RT_ERROR_SHAPE, "loss 'faulty' wants 4 samples");
    plan->scratch_bytes = samples * sizeof(double);
    plan->own[0] = (rt_own){"gain", {1, {GAINS}}, true, 1.0, 0.0};
    plan->own[1] = (rt_own){"memory", {1, {1}}, false, 0.0, 0.0};
    plan->own_count = 2;
    return RT_OK;
}

static double difference(const struct faulty *faulty, const rt_loss_io *io, size_t n, size_t classes, size_t k)
{
    double d = (double)io->ports[STUDENT].values[n * classes + k] - (double)io->ports[TEACHER].values[n * classes + k];
    return faulty->fault == HIDES_NAN && !isfinite(d) ? 0.0 : d;
}

/* Adds the sample's gradient, and returns its sum of squares. */
static double run_sample(const struct faulty *faulty, const rt_loss_io *io, size_t n)
{
    size_t samples = io->ports[STUDENT].shape.dims[0], classes = io->ports[STUDENT].shape.dims[1];
    double mean = 0.0, sum = 0.0, gain = (double)io->own[0].values[0];
    double weight = faulty->fault == IGNORES_WEIGHT ? 1.0 : io->weight;
    for (size_t k = 0; k < classes; ++k)
        mean += difference(faulty, io, n, classes, k) / (double)classes;
    for (size_t k = 0; k < classes; ++k) {
        double d = difference(faulty, io, n, classes, k) - mean, slope = weight * gain * gain * d / (double)samples;
        sum += d * d;
        if (!io->ports[STUDENT].gradient)
            continue;
        float *gradient = &io->ports[STUDENT].gradient[n * classes + k];
        if (faulty->fault == GRADIENT)
            slope *= 1.00001;
        if (faulty->fault == SHIFTS)
            slope += weight * 1e-3;
        *gradient = (float)slope + (faulty->fault == OVERWRITES ? 0.0f : *gradient);
    }
    return sum;
}

static double spoil_value(const struct faulty *faulty, const rt_loss_io *io, double value)
{
    const rt_port_data *student = &io->ports[STUDENT];
    size_t logits = student->shape.dims[0] * student->shape.dims[1];
    for (size_t i = 0; i < logits && faulty->fault == SHIFTS; ++i)
        value += 1e-3 * (double)student->values[i];
    for (size_t i = 0; i < logits && faulty->fault == OVERFLOWS; ++i)
        value += exp((double)student->values[i]) * 0.0;
    for (size_t i = 1; i < GAINS && (faulty->fault == KINKS || faulty->fault == KINK_GRADIENT); ++i)
        value += fmax((double)io->own[0].values[i] - 1.0, 0.0);
    switch (faulty->fault) {
    case WEIGHS_VALUE:
        return value * io->weight;
    case VALUE_NEEDS_GRADIENT:
        return student->gradient ? value : 0.0;
    case COUNTS_THREADS:
        return value * (1.0 + 0x1p-40 * omp_get_max_threads());
    case NEGATIVE:
        return value - 1e6;
    case NOT_ZERO:
        return value + 1e-9;
    case REMEMBERS:
        return value + (double)faulty->runs;
    default:
        return value;
    }
}

static void trespass(const struct faulty *faulty, const rt_loss_io *io)
{
    const rt_port_data *student = &io->ports[STUDENT];
    size_t samples = student->shape.dims[0], logits = samples * student->shape.dims[1];
    if (faulty->fault == WRITES_INPUT)
        ((float *)(uintptr_t)student->values)[0] += 1.0f;
    if (faulty->fault == WRITES_TRAINED)
        io->own[0].values[1] += 1.0f;
    if (faulty->fault == BEYOND_SCRATCH)
        ((double *)io->scratch)[samples] = 0.0;
    if (faulty->fault == BEYOND_GRADIENT && student->gradient)
        student->gradient[logits] = 0.0f;
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    struct faulty *faulty = state;
    size_t samples = io->ports[STUDENT].shape.dims[0];
    double *sums = io->scratch, gain = (double)io->own[0].values[0];
    double more = faulty->fault == USES_GARBAGE && *(unsigned char *)io->scratch == 0x3f ? 1.0 : 0.0;
    for (size_t n = 0; n < samples; ++n)
        sums[n] = run_sample(faulty, io, n);
    double mean = rt_batch_mean(sums, samples);
    *loss = spoil_value(faulty, io, 0.5 * gain * gain * mean) + more;
    if (io->own[0].gradient) {
        io->own[0].gradient[0] += (float)(io->weight * gain * mean * (faulty->fault == OWN_GRADIENT ? 0.5 : 1.0));
        for (size_t i = 1; i < GAINS && faulty->fault == KINK_GRADIENT; ++i)
            io->own[0].gradient[i] += (float)(1.5 * io->weight);
    }
    io->own[1].values[0] += 1.0f;
    ++faulty->runs;
    trespass(faulty, io);
    return RT_OK;
}

const rt_loss rt_loss_faulty = {
    .abi = RT_LOSS_ABI,
    .name = "faulty",
    .summary = "a loss with a fault",
    .formula = "mean over the batch of gain^2 sum_k d_k^2 / 2",
    .reference = "none",
    .ports = ports,
    .port_count = PORTS,
    .params = params,
    .state_size = sizeof(struct faulty),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT,
    .plan = plan,
    .run = run,
};
