#include "train/memo_key.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/cpu.h"
#include "base/quote.h"
#include "base/threads.h"
#include "base/version.h"
#include "datasets/augment.h"
#include "engine/place_probe.h"
#include "train/pretrained.h"

const char *rt_memo_ingredient_name(rt_memo_ingredient ingredient)
{
    static const char *const names[RT_MEMO_INGREDIENTS] = {
        [RT_MEMO_MODEL] = "teacher model",
        [RT_MEMO_WEIGHTS] = "teacher weights",
        [RT_MEMO_IMAGES] = "training images",
        [RT_MEMO_NORMALIZATION] = "normalisation",
        [RT_MEMO_AUGMENTATION] = "augmentation",
        [RT_MEMO_ENGINE] = "engine",
        [RT_MEMO_CPU] = "CPU",
        [RT_MEMO_TEACHER_PRECISION] = "teacher precision",
        [RT_MEMO_THREADS] = "threads",
        [RT_MEMO_MICRO_BATCH] = "micro-batch",
        [RT_MEMO_BITS] = "computed bits",
    };
    return names[ingredient];
}

const char *rt_memo_precision_name(rt_memo_precision precision)
{
    return precision == RT_MEMO_FP16 ? "fp16" : "fp32";
}

static void write_hash(char *text, size_t size, const char *before, XXH128_hash_t hash)
{
    snprintf(text, size, "%s%016" PRIx64 "%016" PRIx64, before, (uint64_t)hash.high64, (uint64_t)hash.low64);
}

static rt_status describe_teacher(const rt_network *network, rt_memo_key *key, rt_error *err)
{
    char *options = NULL;
    RT_TRY(rt_options_write(network->family->params, network->settings, false, &options, err));
    const int length = snprintf(key->values[RT_MEMO_MODEL], RT_MEMO_VALUE_CAPACITY, "%s%s%s", network->variant,
                                *options ? " " : "", options);
    /* What would be cut counts as well: the layers of a network of one's own. */
    if (length >= RT_MEMO_VALUE_CAPACITY) {
        char words[RT_NAME_CAPACITY];
        snprintf(words, sizeof words, "%.64s ", network->variant);
        write_hash(key->values[RT_MEMO_MODEL], RT_MEMO_VALUE_CAPACITY, words, XXH3_128bits(options, strlen(options)));
    }
    free(options);
    const rt_parameters *parameters = network->parameters;
    XXH128_hash_t values = XXH3_128bits(parameters->values, network->graph->trained_floats * sizeof(float));
    XXH128_hash_t all = XXH3_128bits_withSeed(parameters->buffers, network->graph->buffer_floats * sizeof(float),
                                              values.low64 ^ values.high64);
    write_hash(key->values[RT_MEMO_WEIGHTS], RT_MEMO_VALUE_CAPACITY, "", all);
    return RT_OK;
}

static void describe_data(const rt_run_data *data, rt_memo_key *key)
{
    const rt_images *images = &data->train;
    char shape[128];
    const bool decoded = !images->pixels, resized = images->short_side > 0;
    snprintf(shape, sizeof shape, "%zu of %zu x %zu x %zu, ", images->count, images->height, images->width,
             images->channels);
    const size_t height = resized ? images->stored_height : images->height;
    const size_t width = resized ? images->stored_width : images->width;
    /* Without a number of variants there is no memo, and no reason to look at all bytes. */
    const void *bytes = decoded ? (const void *)&images->identity : images->pixels;
    const size_t size = decoded              ? sizeof images->identity
                        : key->variants == 0 ? 0
                                             : images->count * height * width * images->channels;
    XXH128_hash_t hash = XXH3_128bits(bytes, size);
    if (resized)
        hash = XXH3_128bits_withSeed(&images->short_side, sizeof images->short_side, hash.low64);
    write_hash(key->values[RT_MEMO_IMAGES], RT_MEMO_VALUE_CAPACITY, shape, hash);
    const rt_normalization *n = &data->normalization;
    char *text = key->values[RT_MEMO_NORMALIZATION];
    size_t used = 0;
    if (n->channels <= 4) {
        for (size_t c = 0; c < n->channels; ++c)
            used += (size_t)snprintf(text + used, RT_MEMO_VALUE_CAPACITY - used, "%s%.9g/%.9g", c ? " " : "",
                                     (double)n->mean[c], (double)n->std[c]);
    } else {
        XXH128_hash_t mean = XXH3_128bits(n->mean, n->channels * sizeof(float));
        write_hash(text, RT_MEMO_VALUE_CAPACITY, "",
                   XXH3_128bits_withSeed(n->std, n->channels * sizeof(float), mean.low64));
    }
    /* Flips are numbered whether the recipe draws them or not. */
    snprintf(key->values[RT_MEMO_AUGMENTATION], RT_MEMO_VALUE_CAPACITY, "crop pad %zu, flip", data->augment.crop_pad);
}

static void describe_machine(const rt_inference *inference, uint64_t bits, rt_memo_key *key)
{
    snprintf(key->values[RT_MEMO_ENGINE], RT_MEMO_VALUE_CAPACITY, "retort %s, %s, %s", RT_VERSION, rt_engine_version(),
             rt_engine_isa());
    rt_cpu_model(key->values[RT_MEMO_CPU], RT_MEMO_VALUE_CAPACITY);
    for (char *letter = key->values[RT_MEMO_CPU]; *letter; ++letter)
        *letter = *letter >= ' ' && *letter <= '~' ? *letter : '?'; /* it goes into JSON */
    char precision[RT_PLAN_PRECISION_WORDS];
    rt_plan_precision(rt_inference_plan(inference), precision);
    snprintf(key->values[RT_MEMO_TEACHER_PRECISION], RT_MEMO_VALUE_CAPACITY, "%s", precision);
    snprintf(key->values[RT_MEMO_THREADS], RT_MEMO_VALUE_CAPACITY, "%d", rt_threads_count());
    snprintf(key->values[RT_MEMO_MICRO_BATCH], RT_MEMO_VALUE_CAPACITY, "%zu images", rt_inference_images(inference));
    snprintf(key->values[RT_MEMO_BITS], RT_MEMO_VALUE_CAPACITY, "%016" PRIx64, bits);
}

rt_status rt_memo_key_make(const rt_network *network, rt_inference *inference, const rt_run_data *data,
                           rt_memo_precision precision, rt_memo_key *key, rt_error *err)
{
    rt_place_probe probe;
    *key = (rt_memo_key){.samples = data->train.count,
                         .variants = rt_augment_variants(&data->augment),
                         .classes = network->input.classes,
                         .precision = precision};
    RT_TRY(rt_place_probe_run(inference, RT_PLACES_NONE, &probe, err));
    RT_TRY(describe_teacher(network, key, err));
    describe_data(data, key);
    describe_machine(inference, probe.fingerprint, key);
    return RT_OK;
}

void rt_memo_key_digest(const rt_memo_key *key, char text[17])
{
    const uint64_t numbers[] = {key->samples, key->variants, key->classes, (uint64_t)key->precision};
    XXH64_hash_t hash = XXH3_64bits(numbers, sizeof numbers);
    for (size_t i = 0; i < RT_MEMO_INGREDIENTS; ++i)
        hash = XXH3_64bits_withSeed(key->values[i], strlen(key->values[i]), hash);
    snprintf(text, 17, "%016" PRIx64, (uint64_t)hash);
}

rt_status rt_memo_key_compare(const rt_memo_key *theirs, const rt_memo_key *ours, const char *path, rt_error *err)
{
    char others[RT_MEMO_INGREDIENTS * 24] = "";
    size_t used = 0;
    int first = -1;
    for (int i = 0; i < RT_MEMO_INGREDIENTS; ++i) {
        if (strcmp(theirs->values[i], ours->values[i]) == 0)
            continue;
        if (first < 0)
            first = i;
        else
            used += (size_t)snprintf(others + used, sizeof others - used, "%s%s",
                                     used ? ", " : "; so do: ", rt_memo_ingredient_name((rt_memo_ingredient)i));
    }
    rt_quote there, here;
    const char *advice = "move the file away, or name another";
    if (first >= 0)
        return rt_fail(err, RT_ERROR_USAGE, "memo '%s' is of other logits: %s differs: '%s' there, '%s' here%s; %s",
                       path, rt_memo_ingredient_name((rt_memo_ingredient)first),
                       rt_quote_text(&there, theirs->values[first], strlen(theirs->values[first])),
                       rt_quote_text(&here, ours->values[first], strlen(ours->values[first])), others, advice);
    if (theirs->precision != ours->precision)
        return rt_fail(err, RT_ERROR_USAGE, "memo '%s' is of other logits: precision differs: %s there, %s here; %s",
                       path, rt_memo_precision_name(theirs->precision), rt_memo_precision_name(ours->precision),
                       advice);
    if (theirs->samples != ours->samples || theirs->variants != ours->variants || theirs->classes != ours->classes)
        return rt_fail(err, RT_ERROR_USAGE,
                       "memo '%s' is of other logits: %" PRIu64 " images x %" PRIu64 " variants x %" PRIu64
                       " classes there, %" PRIu64 " x %" PRIu64 " x %" PRIu64 " here; %s",
                       path, theirs->samples, theirs->variants, theirs->classes, ours->samples, ours->variants,
                       ours->classes, advice);
    return RT_OK;
}
