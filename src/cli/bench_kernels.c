/* retort bench --kernels: gathers the layers of networks, has them timed, and prints a table of convolutions
 * (bench_convolutions.c) and one of all other layers (bench_layers.c). */
#include <stdio.h>
#include <stdlib.h>

#include "base/threads.h"
#include "cli/bench_kernels.h"
#include "cli/command.h"
#include "models/network.h"

enum { DEFAULT_ROUNDS = 9, DEFAULT_BATCH = 64 };

/* Teachers and students of the pairs that the literature compares on; those that this build has. */
static const char *const usual_models[] = {"resnet56", "resnet20", "resnet32x4", "resnet8x4",  "wrn_40_2",
                                           "wrn_16_2", "vgg13",    "vgg8",       "mobilenetv2"};

/* What occurs in the networks. */
struct work {
    rt_bench_convolutions *convolutions;
    rt_bench_layers *layers;
    size_t batch, rounds;
};

static rt_status add_network(struct work *work, const rt_graph *graph, rt_error *err)
{
    RT_TRY(rt_bench_convolutions_add(work->convolutions, graph, err));
    return rt_bench_layers_add(work->layers, graph, err);
}

static rt_status add_usual(struct work *work, rt_error *err)
{
    for (size_t i = 0; i < sizeof usual_models / sizeof *usual_models; ++i) {
        const rt_model_family *family = rt_model_find(usual_models[i]);
        rt_network *network;
        if (!family)
            continue;
        RT_TRY(rt_network_new(usual_models[i], NULL, &family->usual, false, &network, err));
        rt_status status = add_network(work, network->graph, err);
        rt_network_free(network);
        RT_TRY(status);
    }
    return RT_OK;
}

/* A rehearsal knows what images the recipe means without reading any. */
static rt_status add_recipe(struct work *work, rt_engine *engine, const rt_recipe *recipe, rt_error *err)
{
    rt_rehearsal rehearsal;
    RT_TRY(rt_rehearsal_open(&rehearsal, engine, recipe, true, err));
    rt_status status = add_network(work, rehearsal.student->graph, err);
    if (status == RT_OK && rehearsal.teacher)
        status = add_network(work, rehearsal.teacher->graph, err);
    rt_rehearsal_close(&rehearsal);
    return status;
}

/* All recipes are read before any is planned: a wrong one costs no waiting. */
static int gather(const rt_bench_options *options, rt_recipe **recipes, struct work *work, rt_engine **engine,
                  rt_error *err)
{
    int threads = options->threads;
    for (size_t i = 0; i < options->recipe_count; ++i) {
        recipes[i] = rt_bench_recipe(options, options->recipes[i]);
        if (!recipes[i])
            return RT_EXIT_USAGE;
        threads = threads ? threads : (int)recipes[i]->threads;
    }
    rt_threads_start(threads);
    rt_status status = rt_engine_new(engine, err);
    if (status == RT_OK && options->recipe_count == 0)
        status = add_usual(work, err);
    for (size_t i = 0; status == RT_OK && i < options->recipe_count; ++i)
        status = add_recipe(work, *engine, recipes[i], err);
    return status == RT_OK ? RT_EXIT_OK : rt_command_failed(&rt_command_bench, err);
}

static rt_status run(const struct work *work, rt_engine *engine, rt_precision precision, rt_error *err)
{
    RT_TRY(rt_bench_convolutions_run(work->convolutions, engine, precision, work->batch, work->rounds, err));
    return rt_bench_layers_run(work->layers, engine, work->batch, work->rounds, err);
}

static int print_json(const struct work *work)
{
    json_t *object = json_object();
    rt_bench_convolutions_json(work->convolutions, object);
    rt_bench_layers_json(work->layers, object);
    json_object_set_new(object, "batch", json_integer((json_int_t)work->batch));
    json_object_set_new(object, "rounds", json_integer((json_int_t)work->rounds));
    json_object_set_new(object, "threads", json_integer(rt_threads_count()));
    json_object_set_new(object, "isa", json_string(rt_engine_isa()));
    return rt_bench_print_json(object);
}

static int print_tables(const struct work *work, rt_error *err)
{
    rt_status status = rt_bench_convolutions_print(work->convolutions, work->batch, err);
    if (status == RT_OK)
        status = rt_bench_layers_print(work->layers, work->batch, err);
    return status == RT_OK ? RT_EXIT_OK : rt_command_failed(&rt_command_bench, err);
}

int rt_bench_kernels(const rt_bench_options *options)
{
    rt_error err = {0};
    rt_engine *engine = NULL;
    struct work work = {
        .convolutions = rt_bench_convolutions_new(),
        .layers = rt_bench_layers_new(),
        .batch = options->batch ? options->batch : DEFAULT_BATCH,
        .rounds = options->steps ? options->steps : DEFAULT_ROUNDS,
    };
    int code = RT_EXIT_FAILED;
    rt_recipe **recipes = calloc(options->recipe_count + 1, sizeof *recipes);
    if (!work.convolutions || !work.layers || !recipes) {
        rt_fail(&err, RT_ERROR_MEMORY, "no memory for the shapes of layers");
        code = rt_command_failed(&rt_command_bench, &err);
        goto done;
    }
    code = gather(options, recipes, &work, &engine, &err);
    if (code != RT_EXIT_OK)
        goto done;
    if (run(&work, engine, options->precision, &err) != RT_OK)
        code = rt_command_failed(&rt_command_bench, &err);
    else
        code = options->json ? print_json(&work) : print_tables(&work, &err);
done:
    for (size_t i = 0; recipes && i < options->recipe_count; ++i)
        rt_recipe_free(recipes[i]);
    free(recipes);
    rt_bench_convolutions_free(work.convolutions);
    rt_bench_layers_free(work.layers);
    rt_engine_free(engine);
    return code;
}
