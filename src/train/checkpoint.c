#include "train/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/quote.h"
#include "formats/safetensors.h"

enum {
    STATE_CAPACITY = 8192,
    CHECKSUM_CAPACITY = 24,
    PREFIX_CAPACITY = 40,
    TENSOR_NAME_CAPACITY = RT_NAME_CAPACITY + PREFIX_CAPACITY
};

/* One of the flat sets that a checkpoint holds: the parameters, each moment, the average. */
struct set {
    char prefix[PREFIX_CAPACITY];
    const rt_graph *graph;
    float *values;  /* laid out as rt_parameters.values */
    float *buffers; /* or NULL: moments have none */
};

static size_t list_sets(const rt_update *update, struct set sets[RT_OPTIMIZER_MAX_MOMENTS + 2])
{
    size_t count = 0;
    const rt_graph *graph = update->parameters->graph;
    sets[count++] = (struct set){"", graph, update->parameters->values, update->parameters->buffers};
    for (size_t m = 0; m < update->recipe->optimizer.optimizer->moments; ++m) {
        sets[count] = (struct set){.graph = graph, .values = update->moments[m]};
        snprintf(sets[count++].prefix, PREFIX_CAPACITY, "optimizer.%zu.", m);
    }
    if (update->average)
        sets[count++] = (struct set){"ema.", update->average->graph, update->average->values, update->average->buffers};
    return count;
}

/* The tensors of all sets, their names in `names`. Returns the number. */
static size_t list_tensors(const struct set *sets, size_t set_count, rt_tensor *items,
                           char (*names)[TENSOR_NAME_CAPACITY])
{
    size_t count = 0;
    for (size_t s = 0; s < set_count; ++s)
        for (size_t p = 0; p < sets[s].graph->parameter_count; ++p) {
            const rt_parameter *parameter = &sets[s].graph->parameters[p];
            float *block = rt_parameter_is_buffer(parameter) ? sets[s].buffers : sets[s].values;
            if (!block)
                continue;
            snprintf(names[count], TENSOR_NAME_CAPACITY, "%.*s%s", PREFIX_CAPACITY, sets[s].prefix, parameter->name);
            items[count] = (rt_tensor){names[count], RT_DTYPE_F32, parameter->shape, block + parameter->offset};
            ++count;
        }
    return count;
}

struct listing {
    rt_tensor *items;
    char (*names)[TENSOR_NAME_CAPACITY];
    size_t count;
};

static rt_status list_all(const rt_update *update, struct listing *listing, rt_error *err)
{
    struct set sets[RT_OPTIMIZER_MAX_MOMENTS + 2];
    size_t set_count = list_sets(update, sets), room = set_count * update->parameters->graph->parameter_count;
    listing->items = calloc(room + 1, sizeof *listing->items);
    listing->names = calloc(room + 1, sizeof *listing->names);
    if (!listing->items || !listing->names) {
        free(listing->items);
        free(listing->names);
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a checkpoint of %zu tensors", room);
    }
    listing->count = list_tensors(sets, set_count, listing->items, listing->names);
    return RT_OK;
}

/* XXH3 of the state and of every tensor in turn: `file`'s, or the run's own where it is NULL. */
static void add_up(const struct listing *listing, const rt_tensors *file, const char *state,
                   char checksum[CHECKSUM_CAPACITY])
{
    XXH64_hash_t hash = XXH3_64bits(state, strlen(state));
    for (size_t i = 0; i < listing->count; ++i) {
        const rt_tensor *tensor = file ? rt_tensors_find(file, listing->items[i].name) : &listing->items[i];
        hash = XXH3_64bits_withSeed(tensor->data, rt_shape_elements(&tensor->shape) * sizeof(float), hash);
    }
    snprintf(checksum, CHECKSUM_CAPACITY, "%016" PRIx64, (uint64_t)hash);
}

rt_status rt_checkpoint_save(const char *path, const rt_update *update, const rt_training_state *state, size_t terms,
                             const char *fingerprint, rt_error *err)
{
    char text[STATE_CAPACITY], checksum[CHECKSUM_CAPACITY];
    struct listing listing;
    RT_TRY(rt_training_state_write(state, terms, text, sizeof text, err));
    RT_TRY(list_all(update, &listing, err));
    add_up(&listing, NULL, text, checksum);
    const rt_text_pair metadata[] = {
        {"retort.state", text}, {"retort.run", fingerprint}, {"retort.checksum", checksum}};
    rt_status status =
        rt_safetensors_write(path, listing.items, listing.count, metadata, sizeof metadata / sizeof *metadata, err);
    free(listing.items);
    free(listing.names);
    return status;
}

static rt_status check_tensors(const char *path, const rt_tensors *file, const struct listing *listing, rt_error *err)
{
    if (file->count != listing->count)
        return rt_fail(err, RT_ERROR_FORMAT, "checkpoint '%s': %zu tensors; this run has %zu", path, file->count,
                       listing->count);
    for (size_t i = 0; i < listing->count; ++i) {
        const rt_tensor *ours = &listing->items[i], *theirs = rt_tensors_find(file, ours->name);
        if (!theirs || theirs->dtype != RT_DTYPE_F32 || theirs->shape.count != ours->shape.count ||
            memcmp(theirs->shape.dims, ours->shape.dims, ours->shape.count * sizeof *ours->shape.dims) != 0)
            return rt_fail(err, RT_ERROR_FORMAT, "checkpoint '%s': '%s' is missing or has another shape", path,
                           ours->name);
    }
    return RT_OK;
}

/* Whether a run can have stood there: everything that the training loop counts on. */
static bool fits(const rt_training_state *state, const rt_update *update)
{
    const rt_metrics *train = &state->train;
    return state->epoch <= update->recipe->epochs && state->batch <= update->steps_per_epoch &&
           (state->epoch < update->recipe->epochs || state->batch == 0) &&
           state->step == state->epoch * update->steps_per_epoch + state->batch && state->best_epoch <= state->epoch &&
           (state->best_epoch > 0) == (state->epoch > 0) && (train->samples > 0) == (state->batch > 0) &&
           train->top1 <= train->top5 && train->top5 <= train->samples && train->not_finite <= train->samples;
}

static rt_status load_checked(const char *path, const rt_tensors *file, const struct listing *listing,
                              rt_update *update, rt_training_state *state, size_t terms, const char *fingerprint,
                              rt_error *err)
{
    rt_quote quote;
    const char *text = rt_tensors_metadata(file, "retort.state"), *run = rt_tensors_metadata(file, "retort.run");
    const char *checksum = rt_tensors_metadata(file, "retort.checksum");
    char actual[CHECKSUM_CAPACITY];
    if (!text || !run || !checksum)
        return rt_fail(err, RT_ERROR_FORMAT, "'%s' is not a checkpoint of a run", path);
    if (strcmp(run, fingerprint) != 0)
        return rt_fail(err, RT_ERROR_USAGE, "checkpoint '%s' belongs to another recipe (%s; this one is %s)", path,
                       rt_quote_text(&quote, run, strlen(run)), fingerprint);
    rt_training_state loaded;
    RT_TRY(check_tensors(path, file, listing, err));
    add_up(listing, file, text, actual);
    if (strcmp(checksum, actual) != 0)
        return rt_fail(err, RT_ERROR_FORMAT, "checkpoint '%s' is damaged: its checksum is '%s', its contents make '%s'",
                       path, rt_quote_text(&quote, checksum, strlen(checksum)), actual);
    RT_TRY(rt_training_state_read(text, terms, &loaded, err));
    if (!fits(&loaded, update))
        return rt_fail(err, RT_ERROR_FORMAT,
                       "checkpoint '%s': epoch %lld, batch %lld, step %lld cannot be where a run "
                       "of %lld epochs of %lld steps stood",
                       path, (long long)loaded.epoch, (long long)loaded.batch, (long long)loaded.step,
                       (long long)update->recipe->epochs, (long long)update->steps_per_epoch);
    for (size_t i = 0; i < listing->count; ++i)
        RT_TRY(rt_tensor_floats(rt_tensors_find(file, listing->items[i].name),
                                (float *)(uintptr_t)listing->items[i].data, err));
    *state = loaded;
    rt_update_resume(update, loaded.step);
    return RT_OK;
}

rt_status rt_checkpoint_load(const char *path, rt_update *update, rt_training_state *state, size_t terms,
                             const char *fingerprint, rt_error *err)
{
    rt_tensors file = {0};
    struct listing listing;
    RT_TRY(rt_tensors_open(path, &file, err));
    rt_status status = list_all(update, &listing, err);
    if (status == RT_OK) {
        status = load_checked(path, &file, &listing, update, state, terms, fingerprint, err);
        free(listing.items);
        free(listing.names);
    }
    rt_tensors_close(&file);
    return status;
}
