/* retort pack: decodes a data set once, into one file; and checks such files. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/threads.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "datasets/pack_file.h"
#include "datasets/pack_write.h"
#include "datasets/readers.h"
#include "recipe/recipe.h"
#include "report/progress.h"

enum { MOST_SHORT_SIDE = 8192 };

struct arguments {
    bool verify, json, force;
    int corrupt; /* RT_CORRUPT_..., or -1 for what the recipe says */
    size_t resize;
    const char *from, *to;
    const char *const *overrides;
    size_t override_count;
};

/* Where the images come from: a recipe, or image_folder with its defaults. */
struct source {
    rt_recipe *recipe;
    const rt_reader *reader;
    void *settings;
    const char *root;
    uint64_t seed;
    bool skip;
    rt_images splits[2];
};

static bool read_option(int option, struct arguments *a)
{
    char *end = NULL;
    switch (option) {
    case 'c':
        a->corrupt = strcmp(optarg, "skip") == 0 ? RT_CORRUPT_SKIP : RT_CORRUPT_STOP;
        return a->corrupt == RT_CORRUPT_SKIP || strcmp(optarg, "stop") == 0;
    case 'r':
        a->resize = strtoul(optarg, &end, 10);
        return optarg[0] != '-' && *optarg && !*end && a->resize >= 1 && a->resize <= MOST_SHORT_SIDE;
    default:
        a->verify |= option == 'v';
        a->json |= option == 'j';
        a->force |= option == 'f';
        return true;
    }
}

static int parse(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"verify", no_argument, NULL, 'v'},       {"json", no_argument, NULL, 'j'},
        {"force", no_argument, NULL, 'f'},        {"corrupt", required_argument, NULL, 'c'},
        {"resize", required_argument, NULL, 'r'}, {NULL, 0, NULL, 0}};
    *a = (struct arguments){.corrupt = -1};
    optind = 0;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == '?')
            return rt_command_misused(&rt_command_pack, "option '%s' is unknown or lacks its value", argv[optind - 1]);
        if (!read_option(option, a))
            return option == 'c'
                       ? rt_command_misused(&rt_command_pack, "--corrupt '%s' must be stop or skip", optarg)
                       : rt_command_misused(&rt_command_pack, "--resize '%s' must be a whole number from 1 to %d",
                                            optarg, MOST_SHORT_SIDE);
    }
    const int left = argc - optind, wanted = a->verify ? 1 : 2;
    if (left < wanted)
        return rt_command_misused(&rt_command_pack, a->verify ? "--verify needs a file"
                                                              : "needs a folder or a recipe, and a file to write");
    if (a->verify && left > 1)
        return rt_command_misused(&rt_command_pack, "unexpected argument '%s'", argv[optind + 1]);
    if (a->verify && (a->resize || a->corrupt >= 0 || a->force))
        return rt_command_misused(&rt_command_pack, "--verify writes nothing, and takes no option but --json");
    a->from = argv[optind];
    a->to = a->verify ? NULL : argv[optind + 1];
    a->overrides = (const char *const *)argv + optind + wanted;
    a->override_count = (size_t)(left - wanted);
    return RT_EXIT_OK;
}

static rt_status name_folder(const struct arguments *a, struct source *s, rt_error *err)
{
    if (a->override_count > 0)
        return rt_fail(err, RT_ERROR_USAGE, "'%s': a folder takes no settings; a recipe does", a->overrides[0]);
    for (size_t i = 0; i < rt_reader_count; ++i)
        if (strcmp(rt_readers[i]->name, "image_folder") == 0)
            s->reader = rt_readers[i];
    if (!s->reader)
        return rt_fail(err, RT_ERROR_USAGE, "this build has no reader 'image_folder'");
    s->settings = calloc(1, s->reader->settings_size);
    if (!s->settings)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a reader");
    rt_param_defaults(s->reader->params, s->settings);
    s->root = a->from;
    return RT_OK;
}

static rt_status name_recipe(const struct arguments *a, struct source *s, rt_error *err)
{
    RT_TRY(rt_recipe_load_networks(a->from, a->overrides, a->override_count, &s->recipe, err));
    const rt_data_recipe *data = &s->recipe->data;
    if (!data->reader)
        return rt_fail(err, RT_ERROR_USAGE, "recipe '%s' names no data", a->from);
    s->reader = data->reader;
    s->settings = data->settings;
    s->root = data->root;
    s->seed = (uint64_t)s->recipe->seed;
    s->skip = data->corrupt == RT_CORRUPT_SKIP;
    return RT_OK;
}

static rt_status source_open(const struct arguments *a, struct source *s, rt_error *err)
{
    struct stat about;
    *s = (struct source){0};
    RT_TRY(stat(a->from, &about) == 0 && S_ISDIR(about.st_mode) ? name_folder(a, s, err) : name_recipe(a, s, err));
    if (a->corrupt >= 0)
        s->skip = a->corrupt == RT_CORRUPT_SKIP;
    for (int split = 0; split < 2; ++split)
        RT_TRY(s->reader->open(s->settings, s->root, s->seed, (rt_split)split, &s->splits[split], err));
    return RT_OK;
}

static void source_close(struct source *s)
{
    for (int split = 0; s->reader && split < 2; ++split)
        s->reader->close(&s->splits[split]);
    if (!s->recipe)
        free(s->settings);
    rt_recipe_free(s->recipe);
}

static void show_progress(void *context, size_t done)
{
    rt_progress_update(context, &(rt_progress_point){.done = done, .wait_seconds = -1.0});
}

static void show_left_out(void *context, const char *words)
{
    rt_progress_say(context, "left out: %s", words);
}

static int print_json(size_t train, size_t test, const char *key, size_t more_train, size_t more_test, size_t bytes)
{
    json_t *object =
        json_pack("{s:{s:I, s:I}, s:{s:I, s:I}, s:I}", "images", "train", (json_int_t)train, "test", (json_int_t)test,
                  key, "train", (json_int_t)more_train, "test", (json_int_t)more_test, "bytes", (json_int_t)bytes);
    const bool failed = !object || json_dumpf(object, stdout, JSON_INDENT(1)) != 0;
    json_decref(object);
    putchar('\n');
    return failed ? RT_EXIT_FAILED : RT_EXIT_OK;
}

static int write_pack(const struct arguments *a)
{
    rt_error err = {0};
    struct source s = {0};
    rt_packed packed = {0};
    rt_status status = rt_output_check(a->to, a->force, &err);
    if (status == RT_OK)
        status = source_open(a, &s, &err);
    if (status == RT_OK) {
        rt_progress progress;
        rt_threads_start(0);
        rt_progress_open(&progress, "pack", "images", s.splits[0].count + s.splits[1].count);
        status = rt_pack_write(a->to,
                               &(rt_packing){.splits = {&s.splits[0], &s.splits[1]},
                                             .short_side = a->resize,
                                             .skip = s.skip,
                                             .stop = rt_interrupt_watch(),
                                             .progress = show_progress,
                                             .left_out = show_left_out,
                                             .context = &progress},
                               &packed, &err);
        rt_progress_finish(&progress, NULL);
    }
    source_close(&s);
    if (status != RT_OK)
        return rt_command_failed(&rt_command_pack, &err);
    fprintf(stderr, "%s: %zu training and %zu test images, %.1f MB", a->to, packed.counts[0], packed.counts[1],
            (double)packed.bytes / 1e6);
    if (packed.left_out[0] + packed.left_out[1] > 0)
        fprintf(stderr, "; %zu that cannot be read were left out", packed.left_out[0] + packed.left_out[1]);
    fputc('\n', stderr);
    return a->json ? print_json(packed.counts[0], packed.counts[1], "unreadable_images", packed.left_out[0],
                                packed.left_out[1], packed.bytes)
                   : RT_EXIT_OK;
}

static int verify_pack(const struct arguments *a)
{
    rt_error err = {0};
    rt_pack pack;
    size_t damaged[2] = {0, 0};
    if (rt_pack_open(a->from, &pack, &err) != RT_OK)
        return rt_command_failed(&rt_command_pack, &err);
    const size_t train = (size_t)pack.header.counts[RT_SPLIT_TRAIN], count = rt_pack_count(&pack);
    rt_progress progress;
    rt_progress_open(&progress, "verify", "images", count);
    for (size_t place = 0; place < count; ++place) {
        const uint8_t *pixels;
        if (rt_pack_image(&pack, place, true, &pixels, &err) != RT_OK) {
            ++damaged[place < train ? RT_SPLIT_TRAIN : RT_SPLIT_TEST];
            rt_progress_say(&progress, "%s", err.message);
        }
        show_progress(&progress, place + 1);
    }
    rt_progress_finish(&progress, NULL);
    const size_t bad = damaged[0] + damaged[1];
    if (bad > 0)
        fprintf(stderr, "retort pack: '%s' has %zu damaged images\n", a->from, bad);
    else
        fprintf(stderr, "%s: %zu training and %zu test images of %llu classes, %.1f MB; all as they were written\n",
                a->from, train, count - train, (unsigned long long)pack.header.classes, (double)pack.file.size / 1e6);
    int code = a->json ? print_json(train, count - train, "damaged_images", damaged[0], damaged[1], pack.file.size)
                       : RT_EXIT_OK;
    rt_pack_close(&pack);
    return bad > 0 ? RT_EXIT_FAILED : code;
}

static int run(int argc, char **argv)
{
    struct arguments arguments;
    int code = parse(argc, argv, &arguments);
    if (code != RT_EXIT_OK)
        return code;
    return arguments.verify ? verify_pack(&arguments) : write_pack(&arguments);
}

const rt_command rt_command_pack = {
    .name = "pack",
    .usage = "pack FOLDER|RECIPE OUT.rpk [key.sub=value ...] [--resize N] [--corrupt stop|skip] [--force] [--json] | "
             "pack --verify FILE.rpk [--json]",
    .summary = "decode a data set once, into one file that is mapped into memory",
    .details =
        "FOLDER holds train/CLASS/*.jpg and val/CLASS/*.jpg, as for reader image_folder; of a RECIPE the data section\n"
        "is taken, whatever its reader. Training then reads the file: data: {reader: pack, root: OUT.rpk, size: 224}.\n"
        "Pixels are stored as they are decoded, each image in its own size, without loss: a run has the same bits as\n"
        "one from the files. That takes three bytes a pixel; --resize N first reduces images whose short side is "
        "above\n"
        "N to that, which the recipe's resize should not exceed.\n"
        "\n"
        "An image that cannot be read ends the packing with its path, or is named and left out with --corrupt skip or\n"
        "the recipe's data.corrupt. OUT.rpk appears when it is whole: a killed process leaves OUT.rpk.PID.tmp.\n"
        "Every image has a checksum, which is compared whenever it is read. --verify compares all, names those that\n"
        "differ and exits with 1; a file that is cut short, or whose index is damaged, is refused with 2.\n",
    .run = run,
};
