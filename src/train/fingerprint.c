#include "train/fingerprint.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

rt_status rt_fingerprint(const rt_recipe *recipe, char text[RT_FINGERPRINT_CAPACITY], rt_error *err)
{
    char *resolved = rt_recipe_resolve(recipe);
    if (!resolved)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory to resolve the recipe");
    XXH128_hash_t hash = XXH3_128bits(resolved, strlen(resolved));
    free(resolved);
    snprintf(text, RT_FINGERPRINT_CAPACITY, "%016" PRIx64 "%016" PRIx64, (uint64_t)hash.high64, (uint64_t)hash.low64);
    return RT_OK;
}
