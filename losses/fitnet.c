/* FitNets' hints: the student's features are to be the teacher's.
 *
 *     loss = mean of (s - t)^2 over all cells of the batch
 *     dloss/ds = 2 (s - t) / cells
 *
 * Where the two have different sizes, the student's come through an adapter, which is trained with it. */
#include "retort/logits.h"
#include "retort/loss.h"

enum { STUDENT, TEACHER, PORTS };

static const rt_port ports[] = {
    [STUDENT] = {"student.features", "N H W K", RT_PORT_DIFF | RT_PORT_ADAPTED},
    [TEACHER] = {"teacher.features", "N H W K", 0},
};

static size_t cells_of_sample(const rt_shape *shape)
{
    return shape->dims[1] * shape->dims[2] * shape->dims[3];
}

/* Scratch: a sum per sample [N]. */
static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)state, (void)err;
    plan->scratch_bytes = plan->shapes[STUDENT].dims[0] * sizeof(double);
    return RT_OK;
}

RT_WIDE static void sample(void *context, size_t n)
{
    enum { PIECE = 32 * RT_LANES };
    const rt_loss_io *io = context;
    const rt_port_data *student = &io->ports[STUDENT];
    size_t cells = cells_of_sample(&student->shape), samples = student->shape.dims[0];
    const float *restrict s = student->values + n * cells, *restrict t = io->ports[TEACHER].values + n * cells;
    float *restrict gradient = student->gradient ? student->gradient + n * cells : NULL;
    const double slope = 2.0 * io->weight / ((double)samples * (double)cells);
    double lanes[RT_LANES] = {0}, squares[PIECE];
    for (size_t start = 0; start < cells; start += PIECE) {
        size_t length = cells - start < PIECE ? cells - start : PIECE;
        for (size_t i = 0; i < length; ++i) {
            double difference = (double)s[start + i] - (double)t[start + i];
            squares[i] = difference * difference;
        }
        rt_lanes_add(lanes, squares, length);
        for (size_t i = 0; gradient && i < length; ++i)
            gradient[start + i] += (float)(slope * ((double)s[start + i] - (double)t[start + i]));
    }
    ((double *)io->scratch)[n] = rt_lanes_sum(lanes) / (double)cells;
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)state, (void)err;
    const rt_shape *shape = &io->ports[STUDENT].shape;
    rt_parallel_samples(shape->dims[0], cells_of_sample(shape), sample, (void *)(uintptr_t)io);
    *loss = rt_batch_mean(io->scratch, shape->dims[0]);
    return RT_OK;
}

const rt_loss rt_loss_fitnet = {
    .abi = RT_LOSS_ABI,
    .name = "fitnet",
    .summary = "squared distance of the student's features from the teacher's",
    .formula = "mean of (s - t)^2 over all cells of the batch; s are the student's features, through an adapter where\n"
               "their sizes are not the teacher's",
    .reference = "Romero et al.: FitNets: Hints for Thin Deep Nets, ICLR 2015, arXiv:1412.6550, equation 3; trained "
                 "jointly as in Tian et al. 2020, arXiv:1910.10699, whose weight is 100",
    .published = "CIFAR-100, weight 100 beside cross-entropy at 1, second stage, trained jointly;\n"
                 "240 epochs by RepDistiller's recipe, last epoch, test set: resnet32x4 to resnet8x4 73.50",
    .ports = ports,
    .port_count = PORTS,
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY,
    .plan = plan,
    .run = run,
};
