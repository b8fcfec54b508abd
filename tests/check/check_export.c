/* What `retort export` writes, of every kind of node: each case of tests/golden/nodes.txt is translated, written as
 * ONNX, read back, run by retort_infer.h, and held to PyTorch's float64 values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "export/lowered.h"
#include "export/onnx.h"
#include "golden.h"

/* As in check_nodes.c. */
static const double tolerance = 1e-5;

static const char *golden_path;
static char path[] = "/tmp/retort-export-XXXXXX";

struct subject {
    char name[64], layer[RT_NAME_CAPACITY];
    size_t batch;
    rt_graph *graph;
    bool evaluated; /* the values that follow are of a frozen network, too */
};

static void must(rt_status status, const struct subject *subject, const rt_error *err)
{
    if (status != RT_OK)
        fail_msg("%s: %s", subject->name, err->message);
}

/* The case as a program that went through a file. */
static void make(const struct subject *subject, const rt_parameters *parameters, bool fold, rt_lowered *lowered)
{
    rt_error err = {0};
    rt_program program;
    must(rt_program_translate(subject->graph, parameters, &(rt_translation){.fold = fold}, &program, &err), subject,
         &err);
    must(rt_onnx_write(path, &program, subject->name, NULL, 0, &err), subject, &err);
    rt_program_free(&program);
    must(rt_onnx_read(path, &program, &err), subject, &err);
    must(rt_lowered_make(&program, lowered, &err), subject, &err);
    rt_program_free(&program);
}

/* [channels, pixels] of each image becomes [pixels, channels], or the other way round. */
static float *exchange(const float *from, size_t images, size_t rows, size_t columns)
{
    float *to = calloc(images * rows * columns + 1, sizeof *to);
    assert_non_null(to);
    for (size_t n = 0; n < images; ++n)
        for (size_t r = 0; r < rows; ++r)
            for (size_t c = 0; c < columns; ++c)
                to[(n * columns + c) * rows + r] = from[(n * rows + r) * columns + c];
    return to;
}

/* The output as [batch, height, width, channels]. */
static float *run(const struct subject *subject, const rt_lowered *lowered)
{
    rt_error err = {0};
    const rt_extent in = subject->graph->nodes[0].shape, out = subject->graph->nodes[subject->graph->output].shape;
    float *images = calloc(subject->batch * rt_extent_floats(in), sizeof *images);
    float *outputs = calloc(subject->batch * rt_extent_floats(out), sizeof *outputs);
    assert_true(images && outputs);
    filling_values("images", images, subject->batch * rt_extent_floats(in));
    float *planes = exchange(images, subject->batch, in.height * in.width, in.channels);
    must(rt_lowered_run(lowered, planes, subject->batch, outputs, &err), subject, &err);
    float *found = exchange(outputs, subject->batch, out.channels, out.height * out.width);
    free(images);
    free(planes);
    free(outputs);
    return found;
}

static void compare(const struct subject *subject, const struct golden_tensor *tensor, bool fold)
{
    rt_error err = {0};
    rt_parameters *parameters;
    rt_lowered lowered;
    must(rt_parameters_new(subject->graph, false, &parameters, &err), subject, &err);
    filling_parameters(parameters);
    make(subject, parameters, fold, &lowered);
    float *found = run(subject, &lowered);
    struct golden_distance distance = golden_distance(tensor, found);
    double allowed = fmax(tolerance, 2.0 * tensor->float32_error);
    if (distance.error > allowed || distance.whole > allowed)
        fail_msg("%s%s: off by %.2e at the samples and by %.2e as a whole; %.1e is allowed", subject->name,
                 fold ? ", folded" : "", distance.error, distance.whole, allowed);
    free(found);
    rt_lowered_free(&lowered);
    rt_parameters_free(parameters);
}

static void exported_nodes_compute_pytorchs_values(void **state)
{
    (void)state;
    struct golden golden;
    struct golden_tensor tensor;
    struct subject subject = {0};
    size_t compared = 0;
    golden_open(&golden, golden_path);
    while (golden_next(&golden)) {
        if (golden_is(&golden, "case")) {
            rt_graph_free(subject.graph);
            subject.graph = rt_graph_new();
            snprintf(subject.name, sizeof subject.name, "%s", golden_word(&golden, 1));
            subject.batch = golden_option(&golden, "batch", 0);
        } else if (golden_is(&golden, "mode")) {
            rt_graph_output(subject.graph, rt_graph_find(subject.graph, subject.layer));
            subject.evaluated = strcmp(golden_word(&golden, 1), "train") != 0;
        } else if (golden_tensor(&golden, &tensor)) {
            if (subject.evaluated && strcmp(tensor.tag, "output") == 0) {
                compare(&subject, &tensor, false);
                compare(&subject, &tensor, true);
                ++compared;
            }
        } else {
            assert_true(golden_layer(&golden, subject.graph));
            snprintf(subject.layer, sizeof subject.layer, "%s", golden_word(&golden, 1));
        }
    }
    rt_graph_free(subject.graph);
    golden_close(&golden);
    assert_true(compared > 60);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return EXIT_FAILURE;
    golden_path = argv[1];
    int file = mkstemp(path);
    if (file < 0)
        return EXIT_FAILURE;
    close(file);
    const struct CMUnitTest tests[] = {cmocka_unit_test(exported_nodes_compute_pytorchs_values)};
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failures;
}
