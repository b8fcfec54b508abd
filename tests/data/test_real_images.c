/* The readers on real data: `test_real_images cifar100` reads RETORT_CIFAR100 (see tests/data/unpack.sh),
 * `test_real_images fashion_mnist` Debian's dataset-fashion-mnist. Exits 77 where the data is not there. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "datasets/loader.h"
#include "datasets/readers.h"

/* What is known of a split. */
typedef struct facts {
    const char *reader, *labels;
    rt_split split;
    size_t count, side, channels, classes, per_class;
    double mean[3], std[3];
} facts;

static const facts cifar100[] = {
    {"cifar", "fine", RT_SPLIT_TRAIN, 50000, 32, 3, 100, 500, {0.5071, 0.4865, 0.4409}, {0.2673, 0.2564, 0.2762}},
    {"cifar", "coarse", RT_SPLIT_TEST, 10000, 32, 3, 20, 500, {0.5088, 0.4874, 0.4419}, {0.2683, 0.2574, 0.2771}},
    {"cifar", "fine", RT_SPLIT_TEST, 10000, 32, 3, 100, 100, {0.5088, 0.4874, 0.4419}, {0.2683, 0.2574, 0.2771}},
};

static const facts fashion_mnist[] = {
    {"idx", NULL, RT_SPLIT_TRAIN, 60000, 28, 1, 10, 6000, {0.2860}, {0.3530}},
    {"idx", NULL, RT_SPLIT_TEST, 10000, 28, 1, 10, 1000, {0.2868}, {0.3524}},
};

static int failures;

static void expect(bool right, const char *what, double got, double wanted)
{
    if (right)
        return;
    ++failures;
    fprintf(stderr, "%s: %.10g instead of %.10g\n", what, got, wanted);
}

static void expect_count(const char *what, size_t got, size_t wanted)
{
    expect(got == wanted, what, (double)got, (double)wanted);
}

static void check_images(const facts *f, const rt_images *images)
{
    expect_count("images", images->count, f->count);
    expect_count("height", images->height, f->side);
    expect_count("width", images->width, f->side);
    expect_count("channels", images->channels, f->channels);
    expect_count("classes", images->classes, f->classes);
    size_t per_class[100] = {0};
    for (size_t i = 0; i < images->count; ++i)
        ++per_class[images->labels[i]];
    for (size_t c = 0; c < f->classes; ++c)
        expect_count("images of a class", per_class[c], f->per_class);
    uint32_t *samples = malloc(images->count * sizeof *samples);
    for (size_t i = 0; i < images->count; ++i)
        samples[i] = (uint32_t)i;
    rt_normalization normalization;
    rt_normalization_measure(images, samples, images->count, &normalization);
    free(samples);
    for (size_t c = 0; c < f->channels; ++c) {
        double mean = (double)normalization.mean[c], std = (double)normalization.std[c];
        expect(fabs(mean - f->mean[c]) < 0.00006, "mean", mean, f->mean[c]);
        expect(fabs(std - f->std[c]) < 0.00006, "standard deviation", std, f->std[c]);
    }
}

static void check_split(const facts *f, const char *root)
{
    const rt_reader *reader = NULL;
    for (size_t i = 0; i < rt_reader_count; ++i)
        if (strcmp(rt_readers[i]->name, f->reader) == 0)
            reader = rt_readers[i];
    char *settings = calloc(1, reader->settings_size);
    rt_param_defaults(reader->params, settings);
    const rt_param *labels = rt_param_find(reader->params, "labels");
    if (labels && strcmp(f->labels, labels->choices[1]) == 0)
        *(int *)(void *)(settings + labels->offset) = 1;
    rt_images images;
    rt_error err = {0};
    if (reader->open(settings, root, 0, f->split, &images, &err) == RT_OK) {
        check_images(f, &images);
        reader->close(&images);
    } else {
        ++failures;
        fprintf(stderr, "%s\n", err.message);
    }
    free(settings);
}

int main(int count, char **arguments)
{
    bool fashion = count == 2 && strcmp(arguments[1], "fashion_mnist") == 0;
    const char *root = fashion ? "/usr/share/datasets/fashion-mnist" : getenv("RETORT_CIFAR100");
    if (!root || access(root, F_OK) != 0) {
        fprintf(stderr, fashion ? "skipped: Debian's dataset-fashion-mnist is not installed\n"
                                : "skipped: RETORT_CIFAR100 does not name a folder with CIFAR-100\n");
        return 77;
    }
    const facts *known = fashion ? fashion_mnist : cifar100;
    size_t splits = fashion ? sizeof fashion_mnist / sizeof *known : sizeof cifar100 / sizeof *known;
    for (size_t i = 0; i < splits; ++i)
        check_split(&known[i], root);
    return failures ? 1 : 0;
}
