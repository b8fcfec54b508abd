/* retort data preview: what the network will see, as one picture. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/plugins.h"
#include "datasets/png.h"
#include "recipe/recipe.h"
#include "train/data.h"

enum { IMAGES = 32, COLUMNS = 8, GAP = 4, SMALL = 96 };

/* Images side by side, on white. */
typedef struct sheet {
    size_t height, width, channels, zoom;
    uint8_t *pixels;
} sheet;

static uint8_t to_byte(float value, float mean, float std)
{
    const float level = (value * std + mean) * 255.0f + 0.5f;
    return (uint8_t)(level < 0.0f ? 0.0f : level > 255.0f ? 255.0f : level);
}

static void put_image(sheet *s, size_t number, const rt_images *images, const rt_normalization *n, const float *values)
{
    const size_t top = GAP + number / COLUMNS * (images->height * s->zoom + GAP);
    const size_t left = GAP + number % COLUMNS * (images->width * s->zoom + GAP);
    for (size_t y = 0; y < images->height * s->zoom; ++y)
        for (size_t x = 0; x < images->width * s->zoom; ++x)
            for (size_t c = 0; c < s->channels; ++c)
                s->pixels[((top + y) * s->width + left + x) * s->channels + c] = to_byte(
                    values[(y / s->zoom * images->width + x / s->zoom) * s->channels + c], n->mean[c], n->std[c]);
}

static rt_status make_sheet(const rt_run_data *data, const rt_batch *batch, sheet *s, rt_error *err)
{
    const rt_images *images = &data->train;
    const size_t rows = (batch->count + COLUMNS - 1) / COLUMNS;
    if (images->channels != 1 && images->channels != 3)
        return rt_fail(err, RT_ERROR_SHAPE, "images of %zu channels; only 1 and 3 can be shown", images->channels);
    s->zoom = images->width < SMALL ? (SMALL + images->width - 1) / images->width : 1;
    s->channels = images->channels;
    s->height = GAP + rows * (images->height * s->zoom + GAP);
    s->width = GAP + COLUMNS * (images->width * s->zoom + GAP);
    s->pixels = malloc(s->height * s->width * s->channels);
    if (!s->pixels)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a picture of %zu x %zu pixels", s->height, s->width);
    memset(s->pixels, 255, s->height * s->width * s->channels);
    for (size_t i = 0; i < batch->count; ++i)
        put_image(s, i, images, &data->normalization,
                  batch->images + i * images->height * images->width * images->channels);
    return RT_OK;
}

static rt_status write_sheet(const sheet *s, const char *path, rt_error *err)
{
    size_t size;
    uint8_t *bytes = rt_png_encode(s->pixels, s->height, s->width, s->channels, &size);
    if (!bytes)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a picture of %zu x %zu pixels", s->height, s->width);
    const rt_piece piece = {bytes, size};
    rt_status status = rt_file_write(path, &piece, 1, err);
    free(bytes);
    return status;
}

/* "3", or of a mixed image "3+1:25%", the other label with its share. */
static void say_labels(const rt_batch *batch, size_t i)
{
    fprintf(stderr, " %lld", (long long)batch->labels[i]);
    if (batch->mixed_shares[i] > 0.0f)
        fprintf(stderr, "+%lld:%.0f%%", (long long)batch->mixed_labels[i], 100.0 * (double)batch->mixed_shares[i]);
}

static rt_status preview(const rt_recipe *recipe, const char *path, rt_error *err)
{
    rt_run_data data;
    rt_loader *loader = NULL;
    sheet s = {0};
    RT_TRY(rt_output_check(path, true, err));
    RT_TRY(rt_run_data_open(recipe, &data, err));
    rt_status status = rt_run_data_train_loader(&data, IMAGES, &loader, err);
    const rt_batch *batch = status == RT_OK ? rt_loader_next(loader) : NULL;
    if (status == RT_OK && !batch)
        status = rt_loader_failure(loader, err);
    if (status == RT_OK)
        status = make_sheet(&data, batch, &s, err);
    if (status == RT_OK)
        status = write_sheet(&s, path, err);
    if (status == RT_OK)
        fprintf(stderr, "%s: the first %zu training images of the first epoch, labels", path, batch->count);
    for (size_t i = 0; status == RT_OK && i < batch->count; ++i)
        say_labels(batch, i);
    if (status == RT_OK)
        fputc('\n', stderr);
    free(s.pixels);
    rt_loader_close(loader);
    rt_run_data_close(&data);
    return status;
}

static int load_and_preview(int argc, char **argv, rt_catalogue *catalogue)
{
    if (argc < 2 || strcmp(argv[1], "preview") != 0)
        return rt_command_misused(&rt_command_data, argc < 2 ? "needs the word preview" : "'%s' is unknown", argv[1]);
    if (argc < 4)
        return rt_command_misused(&rt_command_data, "needs a recipe and a file to write");
    rt_recipe *recipe = NULL;
    rt_diagnostics diagnostics = {0};
    rt_status status = rt_recipe_load(argv[2], (const char *const *)argv + 4, (size_t)(argc - 4), RT_RECIPE_TRAIN,
                                      catalogue, &recipe, &diagnostics);
    rt_diagnostics_print(&diagnostics, stderr);
    rt_diagnostics_free(&diagnostics);
    if (status != RT_OK)
        return RT_EXIT_USAGE;
    rt_error err = {0};
    status = preview(recipe, argv[3], &err);
    rt_recipe_free(recipe);
    return status == RT_OK ? RT_EXIT_OK : rt_command_failed(&rt_command_data, &err);
}

static int run(int argc, char **argv)
{
    rt_catalogue catalogue;
    int code = rt_plugins_take(&rt_command_data, &argc, argv, &catalogue);
    if (code != RT_EXIT_OK)
        return code;
    code = load_and_preview(argc, argv, &catalogue);
    rt_catalogue_close(&catalogue);
    return code;
}

const rt_command rt_command_data = {
    .name = "data",
    .usage = "data preview RECIPE OUT.png [key.sub=value ...]",
    .summary = "show what a recipe makes of its images: a sheet of augmented ones",
    .details =
        "Writes the first 32 training images of the first epoch, as the network will see them, into one picture,\n"
        "and says their labels, row by row; of a mixed image both, the second with its share. `data.augment={}` shows "
        "them without augmentation.\n"
        "\n" RT_PLUGINS_DETAILS,
    .run = run,
};
