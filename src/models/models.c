#include "models/models.h"

#include <string.h>

#include "models/own_network.h"
#include "retort/suggest.h"

#define MODEL_FAMILY(name) extern const rt_model_family rt_model_family_##name;
#include "src/models/families.inc"
#undef MODEL_FAMILY

#define MODEL_FAMILY(name) &rt_model_family_##name,
const rt_model_family *const rt_model_families[] = {
#include "src/models/families.inc"
};
#undef MODEL_FAMILY

const size_t rt_model_family_count = sizeof rt_model_families / sizeof *rt_model_families;

const rt_model_family *rt_model_find(const char *variant)
{
    for (size_t f = 0; f < rt_model_family_count; ++f)
        for (const char *const *name = rt_model_families[f]->variants; *name; ++name)
            if (strcmp(*name, variant) == 0)
                return rt_model_families[f];
    return strcmp(variant, *rt_model_family_layers.variants) == 0 ? &rt_model_family_layers : NULL;
}

const char *rt_model_suggest(const char *variant)
{
    const char *names[256];
    size_t count = 0;
    for (size_t f = 0; f < rt_model_family_count; ++f)
        for (const char *const *name = rt_model_families[f]->variants; *name && count < 256; ++name)
            names[count++] = *name;
    return rt_suggest(variant, names, count);
}
