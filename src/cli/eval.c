/* retort eval: how good a network is on a split. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "cli/output.h"
#include "cli/prediction.h"
#include "recipe/number.h"
#include "report/table.h"
#include "train/assessment.h"
#include "train/metrics.h"

typedef struct job {
    rt_request request;
    const char *confusion, *teacher, *teacher_model;
    bool per_class, latency;
    rt_prediction prediction;
    rt_metrics metrics;
    rt_assessment assessment;
} job;

static void print_number(const char *key, double value)
{
    printf(", \"%s\": %s", key, isfinite(value) ? rt_number_show(value).text : "null");
}

static void print_classes(const rt_assessment *assessment)
{
    printf(", \"per_class\": [");
    for (size_t k = 0; k < assessment->classes; ++k) {
        rt_class_count count = rt_assessment_class(assessment, k);
        printf("%s{\"class\": %zu, \"images\": %zu, \"predicted\": %zu, \"right\": %zu}", k ? ", " : "", k,
               count.images, count.predicted, count.right);
    }
    printf("]");
}

static void print_result(const job *j)
{
    const rt_metrics *m = &j->metrics;
    printf("{\"top1\": %s", rt_number_show(rt_metrics_top1(m)).text);
    print_number("top5", rt_metrics_top5(m));
    print_number("cross_entropy", rt_metrics_cross_entropy(m));
    print_number("ece", rt_assessment_calibration_error(&j->assessment));
    print_number("brier", rt_assessment_brier(&j->assessment));
    if (j->teacher)
        print_number("agreement", rt_metrics_agreement(m));
    if (j->latency) {
        print_number("latency_p50_ms", 1e3 * j->prediction.latency_p50);
        print_number("latency_p99_ms", 1e3 * j->prediction.latency_p99);
        print_number("images_per_s", (double)j->prediction.images.count / j->prediction.seconds);
    }
    if (j->per_class)
        print_classes(&j->assessment);
    printf(", \"images\": %zu}\n", m->samples);
}

static void share(rt_table *table, size_t part, size_t whole)
{
    if (whole)
        rt_table_cell(table, "%.2f %%", 100.0 * (double)part / (double)whole);
    else
        rt_table_cell(table, "-");
}

/* For people: how many of each class are found, and how many that are called it are it. */
static rt_status print_table(const rt_assessment *assessment, rt_error *err)
{
    rt_table *table = rt_table_new("rrrrrr");
    rt_table_cell(table, "class"), rt_table_cell(table, "images"), rt_table_cell(table, "predicted");
    rt_table_cell(table, "right"), rt_table_cell(table, "of images"), rt_table_cell(table, "of predicted");
    rt_table_rule(table);
    for (size_t k = 0; k < assessment->classes; ++k) {
        rt_class_count count = rt_assessment_class(assessment, k);
        rt_table_cell(table, "%zu", k);
        rt_table_cell(table, "%zu", count.images);
        rt_table_cell(table, "%zu", count.predicted);
        rt_table_cell(table, "%zu", count.right);
        share(table, count.right, count.images);
        share(table, count.right, count.predicted);
    }
    rt_status status = rt_table_print(table, stderr, 0, err);
    rt_table_free(table);
    return status;
}

/* A row for each label, a column for each prediction. */
static rt_status write_confusion(const char *path, const rt_assessment *assessment, rt_error *err)
{
    char *text = NULL;
    size_t size = 0, classes = assessment->classes;
    FILE *file = open_memstream(&text, &size);
    if (!file)
        return rt_fail(err, RT_ERROR_MEMORY, "cannot write '%s': no memory", path);
    fprintf(file, "label");
    for (size_t k = 0; k < classes; ++k)
        fprintf(file, ",%zu", k);
    for (size_t i = 0; i < classes * classes; ++i) {
        if (i % classes == 0)
            fprintf(file, "\n%zu", i / classes);
        fprintf(file, ",%zu", assessment->confusion[i]);
    }
    fprintf(file, "\n");
    rt_status status = fclose(file) == 0 ? rt_file_write(path, &(rt_piece){text, size}, 1, err)
                                         : rt_fail(err, RT_ERROR_MEMORY, "cannot write '%s': no memory", path);
    free(text);
    return status;
}

/* The teacher on the same images, normalised as its own file says. */
static rt_status ask_teacher(job *j, rt_error *err)
{
    rt_prediction teacher;
    rt_request request = j->request;
    request.weights = j->teacher;
    request.model = j->teacher_model;
    request.logits = NULL;
    request.latency = false;
    RT_TRY(rt_prediction_make(&rt_command_eval, &request, true, &teacher, err));
    rt_metrics_add_teacher(&j->metrics, j->prediction.logits, teacher.logits, teacher.images.count, teacher.classes);
    rt_prediction_free(&teacher);
    return RT_OK;
}

static rt_status measure(job *j, rt_error *err)
{
    rt_prediction *p = &j->prediction;
    if (j->confusion)
        RT_TRY(rt_output_check(j->confusion, j->request.force, err));
    j->request.latency = j->latency;
    RT_TRY(rt_prediction_make(&rt_command_eval, &j->request, true, p, err));
    if (j->teacher)
        RT_TRY(ask_teacher(j, err));
    if (!rt_assessment_begin(&j->assessment, p->classes))
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the confusions of %zu classes", p->classes);
    rt_metrics_add(&j->metrics, p->logits, p->images.labels, p->images.count, p->classes);
    rt_assessment_add(&j->assessment, p->logits, p->images.labels, p->images.count);
    if (j->request.logits)
        RT_TRY(rt_prediction_write(p, &j->request, err));
    if (j->confusion)
        RT_TRY(write_confusion(j->confusion, &j->assessment, err));
    if (j->per_class)
        RT_TRY(print_table(&j->assessment, err));
    print_result(j);
    if (j->metrics.not_finite > 0)
        return rt_fail(err, RT_ERROR_NUMERIC,
                       "%zu of %zu images have logits that are NaN or infinite; they count as wrong",
                       j->metrics.not_finite, j->metrics.samples);
    return RT_OK;
}

static int run(int argc, char **argv)
{
    job j = {0};
    rt_error err = {0};
    const rt_request_option own[] = {
        {"confusion", &j.confusion, NULL}, {"teacher", &j.teacher, NULL}, {"teacher-model", &j.teacher_model, NULL},
        {"per-class", NULL, &j.per_class}, {"latency", NULL, &j.latency}, {0},
    };
    int code = rt_request_parse(&rt_command_eval, argc, argv, true, own, &j.request);
    if (code != RT_EXIT_OK)
        return code;
    if (j.teacher_model && !j.teacher)
        return rt_command_misused(&rt_command_eval, "--teacher-model is of --teacher, which is not given");
    rt_status status = measure(&j, &err);
    rt_assessment_end(&j.assessment);
    rt_prediction_free(&j.prediction);
    return status == RT_OK ? RT_EXIT_OK : rt_command_failed(&rt_command_eval, &err);
}

const rt_command rt_command_eval = {
    .name = "eval",
    .usage = "eval RUN_FOLDER | eval [--model NAME] --weights FILE --data READER:ROOT --split train|test "
             "[--mean a,b,c --std a,b,c] [--set key=value ...] [--rename FROM=TO ...] [--no-strict] [--per-class] "
             "[--confusion FILE.csv] [--teacher FILE [--teacher-model NAME]] [--latency] [--logits out.npy] "
             "[--precision P] [--threads N] [--batch N] [--force]",
    .summary = "measure a network on a split: top-1, top-5, cross-entropy, calibration",
    .details =
        "Prints {\"top1\", \"top5\", \"cross_entropy\", \"ece\", \"brier\", \"images\"}: percent, percent, mean in "
        "nats "
        "(the negative log-likelihood), expected calibration error, Brier score, count.\n"
        "The calibration error is the mean over images of |share that is right - mean confidence| among the images in "
        "the same of 15 equal bins of confidence, (b / 15, (b + 1) / 15], the confidence being the largest "
        "probability. "
        "The Brier score is the mean over images of the sum over classes of (probability - [is the label])^2. Images "
        "with logits that are not finite are left out of both.\n"
        "Of a run's folder it takes best.safetensors and, unless --data names others, the test images of its "
        "recipe.yaml.\n"
        "\n" RT_REQUEST_DETAILS
        "  --per-class         images, predictions and right ones of each class: a table on stderr, and \"per_class\"\n"
        "  --confusion FILE    a CSV file: a row for each label, a column for each prediction, counts of images\n"
        "  --teacher FILE      another network's weights, run on the same images: \"agreement\" is the percentage of\n"
        "                      images with the same prediction; --teacher-model names a network that does not say it\n"
        "  --latency           \"latency_p50_ms\" and \"latency_p99_ms\" of single images, one after the other, after "
        "a\n"
        "                      few to warm up, and \"images_per_s\" of whole batches, with reading and normalising\n"
        "  --logits FILE       write the logits, too: float32 [N, C], rows in file order",
    .run = run,
};
