/* retort bench: what a training step costs, and why. Parses the command line; the parts are in bench_*.c. */
#include "cli/bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_losses.h"
#include "cli/command.h"
#include "cli/plugins.h"
#include "cli/precision.h"

enum { MOST_STEPS = 100000, MOST_THREADS = 1024, MOST_BATCH = 65536 };

int rt_bench_print_json(json_t *object)
{
    int failed = json_dumpf(object, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    json_decref(object);
    putchar('\n');
    return failed || fflush(stdout) ? RT_EXIT_FAILED : RT_EXIT_OK;
}

const char *rt_bench_activation(rt_activation activation)
{
    switch (activation) {
    case RT_ACTIVATION_RELU:
        return " + relu";
    case RT_ACTIVATION_RELU6:
        return " + relu6";
    default:
        return "";
    }
}

rt_recipe *rt_bench_recipe(const rt_bench_options *options, const char *path)
{
    rt_recipe *recipe = NULL;
    rt_diagnostics diagnostics = {0};
    bool made_up = options->synthetic || options->kernels;
    rt_status status =
        rt_recipe_load(path, options->overrides, options->override_count,
                       made_up ? RT_RECIPE_SYNTHETIC : RT_RECIPE_TRAIN, options->catalogue, &recipe, &diagnostics);
    rt_diagnostics_print(&diagnostics, stderr);
    rt_diagnostics_free(&diagnostics);
    if (status == RT_OK)
        return recipe;
    rt_recipe_free(recipe);
    return NULL;
}

static const struct option long_options[] = {{"steps", required_argument, NULL, 's'},
                                             {"threads", required_argument, NULL, 't'},
                                             {"batch", required_argument, NULL, 'b'},
                                             {"synthetic", no_argument, NULL, 'y'},
                                             {"json", no_argument, NULL, 'j'},
                                             {"by-kind", no_argument, NULL, 'k'},
                                             {"by-node", no_argument, NULL, 'n'},
                                             {"kernels", no_argument, NULL, 'K'},
                                             {"tune-threads", no_argument, NULL, 'T'},
                                             {"precision", required_argument, NULL, 'p'},
                                             {NULL, 0, NULL, 0}};

static const char *name_of(int option)
{
    const struct option *at = long_options;
    while (at->name && at->val != option)
        ++at;
    return at->name;
}

static int parse_number(int option, rt_bench_options *options)
{
    char *end;
    long number = strtol(optarg, &end, 10);
    int most = option == 's' ? MOST_STEPS : option == 't' ? MOST_THREADS : MOST_BATCH;
    if (*end || end == optarg || number < 1 || number > most)
        return rt_command_misused(&rt_command_bench, "--%s '%s' must be a whole number from 1 to %d", name_of(option),
                                  optarg, most);
    if (option == 's')
        options->steps = (size_t)number;
    else if (option == 't')
        options->threads = (int)number;
    else
        options->batch = (size_t)number;
    return RT_EXIT_OK;
}

/* Options that would be ignored are refused. */
static int check(const rt_bench_options *options)
{
    const rt_command *bench = &rt_command_bench;
    if (options->kernels && options->tune_threads)
        return rt_command_misused(bench, "--kernels and --tune-threads are two measurements; ask for one");
    if ((options->kernels || options->tune_threads) && (options->by_kind || options->by_node))
        return rt_command_misused(bench, "--%s does not go with --%s", options->by_kind ? "by-kind" : "by-node",
                                  options->kernels ? "kernels" : "tune-threads");
    if (options->tune_threads && options->threads)
        return rt_command_misused(bench, "--tune-threads tries all numbers of threads and takes no --threads");
    if (options->batch && !options->kernels)
        return rt_command_misused(bench, "--batch goes with --kernels; a recipe's batch is train.batch=%zu",
                                  options->batch);
    if (options->precision != RT_PRECISION_FP32 && !options->kernels)
        return rt_command_misused(bench,
                                  "--precision goes with --kernels; a recipe's are train.precision=%s and "
                                  "teacher.precision=%s",
                                  rt_precision_names[options->precision], rt_precision_names[options->precision]);
    if (options->precision == RT_PRECISION_INT8)
        return rt_command_misused(bench, "--precision int8 needs a network to be calibrated on; a recipe's is "
                                         "teacher.precision=int8");
    if (options->recipe_count == 0 && !options->kernels)
        return rt_command_misused(bench, "needs a recipe");
    return RT_EXIT_OK;
}

static int parse(int argc, char **argv, rt_bench_options *options)
{
    optind = 0;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        int code = RT_EXIT_OK;
        switch (option) {
        case 's':
        case 't':
        case 'b':
            code = parse_number(option, options);
            break;
        case 'y':
            options->synthetic = true;
            break;
        case 'j':
            options->json = true;
            break;
        case 'k':
            options->by_kind = true;
            break;
        case 'n':
            options->by_node = true;
            break;
        case 'K':
            options->kernels = true;
            break;
        case 'p':
            code = rt_command_precision(&rt_command_bench, optarg, &options->precision);
            break;
        case 'T':
            options->tune_threads = true;
            break;
        default:
            return rt_command_misused(&rt_command_bench, "option '%s' is unknown or lacks its value", argv[optind - 1]);
        }
        if (code != RT_EXIT_OK)
            return code;
    }
    /* One recipe, or with --kernels all words up to the first override. */
    options->recipes = argv + optind;
    while (optind < argc && (options->recipe_count == 0 || options->kernels) &&
           !(options->recipe_count > 0 && strchr(argv[optind], '='))) {
        ++options->recipe_count;
        ++optind;
    }
    options->overrides = (const char *const *)argv + optind;
    options->override_count = (size_t)(argc - optind);
    return check(options);
}

static int measure(int argc, char **argv, rt_catalogue *catalogue)
{
    if (rt_bench_losses_wanted(argc, argv))
        return rt_bench_losses(argc, argv, catalogue);
    rt_bench_options options = {.catalogue = catalogue};
    int code = parse(argc, argv, &options);
    if (code != RT_EXIT_OK)
        return code;
    if (options.kernels)
        return rt_bench_kernels(&options);
    rt_recipe *recipe = rt_bench_recipe(&options, options.recipes[0]);
    if (!recipe)
        return RT_EXIT_USAGE;
    code = options.tune_threads ? rt_bench_threads(&options, recipe) : rt_bench_panel(&options, recipe);
    rt_recipe_free(recipe);
    return code;
}

static int run(int argc, char **argv)
{
    rt_catalogue catalogue;
    int code = rt_plugins_take(&rt_command_bench, &argc, argv, &catalogue);
    if (code != RT_EXIT_OK)
        return code;
    code = measure(argc, argv, &catalogue);
    rt_catalogue_close(&catalogue);
    return code;
}

const rt_command rt_command_bench = {
    .name = "bench",
    .usage =
        "bench RECIPE [key.sub=value ...] [--steps N] [--threads N] [--synthetic] [--by-kind] [--by-node] [--json]\n"
        "       retort bench --kernels [--precision P] [--batch N] [--steps N] [--threads N] [--json] [RECIPE ...]\n"
        "       retort bench --tune-threads RECIPE [key.sub=value ...] [--steps N] [--synthetic] [--json]\n"
        "       retort bench --losses [LOSS ...] [--threads N] [--json]",
    .summary = "time the steps of a recipe's student: where the time goes, and which kernels run",
    .details =
        "Medians over N steps (20) on whole batches, after 3 to warm up. Shares are of the phases' sum. `data` is the\n"
        "time that a step waits for the loader, `weight packs` what it takes to bring updated weights into the "
        "kernels'\n"
        "layouts. GFLOP/s count 2 for each multiply-accumulate of convolutions and linear layers as they are defined,\n"
        "whatever algorithm runs; beside them stands what multiply-adds alone reach on this machine, measured, in the\n"
        "widest vectors that it has and ONEDNN_MAX_CPU_ISA allows.\n"
        "Denormals are counted in one more step as it runs, and in one that does not flush them to zero: among the\n"
        "student's parameters, their gradients, the outputs of all its layers and the gradients between them.\n"
        "--synthetic needs neither data nor weights: images are 3 x 32 x 32 of 100 classes, augmented by crop and\n"
        "flip, and of the recipe only `student` and `loss` are required. --json prints one object to stdout, with the\n"
        "implementation of each layer.\n"
        "\n"
        "--by-kind and --by-node run up to 10 more steps with a clock around each layer: time by kind of layer and\n"
        "pass, and the slowest layers.\n"
        "\n"
        "--kernels times, for each shape of convolution in the networks of the recipes (or of the usual pairs of the\n"
        "literature), every kernel that can compute it, on --batch images (64): the fastest of N runs (9) in turns.\n"
        "It marks what the rule picks and where that is not the fastest. `frozen` has a batch norm folded in and a\n"
        "ReLU behind it; `backward` is the gradient of source and weights, `weights` that of the weights alone, as\n"
        "for a first layer. --precision auto lets in what multiplies bf16, where the CPU has it. A second table has\n"
        "the other layers, each as it occurs in a trained and in a frozen network, beside oneDNN's primitives for the\n"
        "same work on the same arrays: in turns, too, but each twice in a row, and the second run counts. There they\n"
        "stand alone, with one reader: inside a plan, batch norms leave passes over memory to their neighbours, and\n"
        "additions and ReLUs sum their readers' gradients, too. Sums of batch norms and of frozen linear layers are\n"
        "double here and float in oneDNN.\n"
        "\n"
        "--tune-threads times the step at 1, 2, 4 ... threads and at all CPUs, in turns, and recommends a number; it\n"
        "changes nothing.\n"
        "\n"
        "--losses times value and gradient of each loss alone, or of those named, from 16 samples of 10 classes to\n"
        "256 of 1000, in microseconds.\n"
        "\n" RT_PLUGINS_DETAILS,
    .run = run,
};
