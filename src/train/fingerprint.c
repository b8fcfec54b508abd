#include "train/fingerprint.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "engine/arithmetic.h"

static XXH64_hash_t with_precision(XXH64_hash_t arithmetic, int asked)
{
    return arithmetic * RT_PRECISIONS + (XXH64_hash_t)rt_precision_resolve((rt_precision)asked);
}

rt_status rt_fingerprint(const rt_recipe *recipe, char text[RT_FINGERPRINT_CAPACITY], rt_error *err)
{
    char *resolved = rt_recipe_resolve(recipe);
    if (!resolved)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory to resolve the recipe");
    /* `auto` is another arithmetic on another CPU, where a run must not go on. */
    XXH64_hash_t arithmetic = 0;
    arithmetic = with_precision(arithmetic, recipe->train.precision);
    arithmetic = with_precision(arithmetic, recipe->teacher.precision);
    arithmetic = with_precision(arithmetic, recipe->teacher.train.precision);
    for (size_t i = 0; i < recipe->other_count; ++i) {
        arithmetic = with_precision(arithmetic, recipe->others[i].precision);
        arithmetic = with_precision(arithmetic, recipe->others[i].train.precision);
    }
    XXH128_hash_t hash = XXH3_128bits_withSeed(resolved, strlen(resolved), arithmetic);
    free(resolved);
    snprintf(text, RT_FINGERPRINT_CAPACITY, "%016" PRIx64 "%016" PRIx64, (uint64_t)hash.high64, (uint64_t)hash.low64);
    return RT_OK;
}
