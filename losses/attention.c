/* Attention transfer: where in the image the features are strong, whatever their channels.
 *
 *     A(y, x) = mean over channels of |feature|^power, the map divided by its Euclidean norm
 *     l = mean over batch and pixels of (A_student - A_teacher)^2
 *
 * Maps of two sizes: in each direction the larger is pooled to the smaller (adaptive average) before powers are taken.
 */
#include "retort/features.h"
#include "retort/loss.h"

struct attention {
    int64_t power;
};

static const rt_param params[] = {
    RT_INT(struct attention, power, 2, 1, 8, "of the features' magnitudes, before the mean over channels"),
    RT_PARAM_END,
};

enum { STUDENT, TEACHER, PORTS };

static const rt_port ports[] = {
    [STUDENT] = {"student.features", "N H W K", RT_PORT_DIFF},
    [TEACHER] = {"teacher.features", "N I J D", 0},
};

/* Scratch: a loss per sample [N]; then for each the student's map, the teacher's, slopes, and a pixel of either. */
static size_t sample_numbers(const rt_pool *student, const rt_pool *teacher)
{
    size_t channels = student->channels > teacher->channels ? student->channels : teacher->channels;
    return 3 * student->rows * student->columns + channels;
}

static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)state, (void)err;
    rt_pool student, teacher;
    rt_pool_both(&plan->shapes[STUDENT], &plan->shapes[TEACHER], &student, &teacher);
    plan->scratch_bytes = plan->shapes[STUDENT].dims[0] * (1 + sample_numbers(&student, &teacher)) * sizeof(double);
    return RT_OK;
}

struct work {
    const rt_loss_io *io;
    int64_t power;
    rt_pool student, teacher;
};

RT_WIDE_INLINE double magnitude(double value, int64_t power)
{
    double product = value = fabs(value);
    for (int64_t i = 1; i < power; ++i)
        product *= value;
    return product;
}

/* map [rows, columns] of a sample's features, and its norm, by which it is divided. */
RT_WIDE_INLINE double attend(const rt_pool *pool, const float *values, int64_t power, double *pixel, double *map)
{
    for (size_t y = 0; y < pool->rows; ++y)
        for (size_t x = 0; x < pool->columns; ++x) {
            rt_pool_pixel(pool, values, y, x, pixel);
            for (size_t c = 0; c < pool->channels; ++c)
                pixel[c] = magnitude(pixel[c], power);
            map[y * pool->columns + x] = rt_sum(pixel, pool->channels) / (double)pool->channels;
        }
    return rt_normalize(map, pool->rows * pool->columns);
}

RT_WIDE_INLINE void attend_backward(const rt_pool *pool, const float *values, int64_t power, double weight,
                                    const double *slopes, double *pixel, float *gradient)
{
    for (size_t y = 0; y < pool->rows; ++y)
        for (size_t x = 0; x < pool->columns; ++x) {
            double slope = slopes[y * pool->columns + x] * (double)power / (double)pool->channels;
            rt_pool_pixel(pool, values, y, x, pixel);
            for (size_t c = 0; c < pool->channels; ++c) {
                double sign = pixel[c] > 0.0 ? 1.0 : pixel[c] < 0.0 ? -1.0 : 0.0;
                pixel[c] = slope * sign * (power > 1 ? magnitude(pixel[c], power - 1) : 1.0);
            }
            rt_pool_pixel_backward(pool, pixel, weight, y, x, gradient);
        }
}

RT_WIDE static void sample(void *context, size_t n)
{
    const struct work *work = context;
    const rt_port_data *student = &work->io->ports[STUDENT], *teacher = &work->io->ports[TEACHER];
    const rt_pool *pool = &work->student, *other = &work->teacher;
    size_t samples = student->shape.dims[0], pixels = pool->rows * pool->columns;
    size_t student_size = pool->height * pool->width * pool->channels;
    size_t teacher_size = other->height * other->width * other->channels;
    double *losses = work->io->scratch, *map = losses + samples + n * sample_numbers(pool, other);
    double *target = map + pixels, *slopes = target + pixels, *pixel = slopes + pixels;

    double norm = attend(pool, student->values + n * student_size, work->power, pixel, map);
    attend(other, teacher->values + n * teacher_size, work->power, pixel, target);
    for (size_t p = 0; p < pixels; ++p)
        slopes[p] = map[p] - target[p];
    losses[n] = rt_dot(slopes, slopes, pixels) / (double)pixels;
    if (!student->gradient)
        return;
    for (size_t p = 0; p < pixels; ++p)
        slopes[p] *= 2.0 / (double)(pixels * samples);
    rt_normalize_backward(map, norm, pixels, slopes);
    attend_backward(pool, student->values + n * student_size, work->power, work->io->weight, slopes, pixel,
                    student->gradient + n * student_size);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    const struct attention *attention = state;
    struct work work = {io, attention->power, {0}, {0}};
    const rt_shape *student = &io->ports[STUDENT].shape, *teacher = &io->ports[TEACHER].shape;
    rt_pool_both(student, teacher, &work.student, &work.teacher);
    rt_parallel_samples(student->dims[0], student->dims[1] * student->dims[2] * student->dims[3], sample, &work);
    *loss = rt_batch_mean(io->scratch, student->dims[0]);
    return RT_OK;
}

const rt_loss rt_loss_attention = {
    .abi = RT_LOSS_ABI,
    .name = "attention",
    .summary = "attention transfer (AT): where in the map the features are strong",
    .formula = "mean over batch and pixels of (A_student - A_teacher)^2;\n"
               "A = mean over channels of |feature|^power, each sample's map over its Euclidean norm.\n"
               "The larger map is pooled to the smaller first. Several layers: one term each (published code\n"
               "adds up its stages)",
    .reference = "Zagoruyko, Komodakis: Paying More Attention to Attention, ICLR 2017, arXiv:1612.03928",
    .published = "CIFAR-100, weight 1000 beside cross-entropy at 1, each stage a term;\n"
                 "240 epochs by RepDistiller's recipe, last epoch, test set:\n"
                 "wrn_40_2 to wrn_16_2 74.08, resnet56 to resnet20 70.55,\n"
                 "resnet32x4 to resnet8x4 73.44, vgg13 to vgg8 71.43",
    .ports = ports,
    .port_count = PORTS,
    .params = params,
    .state_size = sizeof(struct attention),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY,
    .plan = plan,
    .run = run,
};
