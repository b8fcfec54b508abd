#include "cli/catalog.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/describe.h"
#include "cli/model_size.h"
#include "datasets/readers.h"
#include "models/layer_kinds.h"
#include "models/own_network.h"
#include "report/table.h"
#include "retort/suggest.h"

/* The accessors of a registry that is an array of descriptors with `name` and `summary`. */
#define REGISTRY(kind, items, item_count, describe_item)                                                               \
    static size_t kind##_count(const rt_catalogue *catalogue)                                                          \
    {                                                                                                                  \
        (void)catalogue;                                                                                               \
        return item_count;                                                                                             \
    }                                                                                                                  \
    static const char *kind##_name(const rt_catalogue *catalogue, size_t index)                                        \
    {                                                                                                                  \
        (void)catalogue;                                                                                               \
        return items[index]->name;                                                                                     \
    }                                                                                                                  \
    static const char *kind##_summary(const rt_catalogue *catalogue, size_t index)                                     \
    {                                                                                                                  \
        (void)catalogue;                                                                                               \
        return items[index]->summary;                                                                                  \
    }                                                                                                                  \
    static rt_status kind##_describe(const rt_catalogue *catalogue, size_t index, FILE *file, rt_error *err)           \
    {                                                                                                                  \
        (void)catalogue;                                                                                               \
        return describe_item(items[index], file, err);                                                                 \
    }

REGISTRY(loss, catalogue->losses, catalogue->loss_count, rt_describe_loss)
REGISTRY(dataset, rt_readers, rt_reader_count, rt_describe_reader)
REGISTRY(augmentation, rt_augmentations, rt_augmentation_count, rt_describe_augmentation)
REGISTRY(optimizer, rt_optimizers, rt_optimizer_count, rt_describe_optimizer)
REGISTRY(schedule, rt_schedules, rt_schedule_count, rt_describe_schedule)

/* Models are the variants of all families, one after the other. */
static size_t variant_count(const rt_model_family *family)
{
    size_t count = 0;
    while (family->variants[count])
        ++count;
    return count;
}

static size_t model_count(const rt_catalogue *catalogue)
{
    (void)catalogue;
    size_t count = 1; /* a network of one's own comes last */
    for (size_t i = 0; i < rt_model_family_count; ++i)
        count += variant_count(rt_model_families[i]);
    return count;
}

static const char *model_at(size_t index, const rt_model_family **family)
{
    for (size_t i = 0; i < rt_model_family_count; index -= variant_count(rt_model_families[i++]))
        if (index < variant_count(rt_model_families[i])) {
            *family = rt_model_families[i];
            return (*family)->variants[index];
        }
    *family = &rt_model_family_layers;
    return (*family)->name;
}

static const char *model_name(const rt_catalogue *catalogue, size_t index)
{
    (void)catalogue;
    const rt_model_family *family;
    return model_at(index, &family);
}

static const char *model_summary(const rt_catalogue *catalogue, size_t index)
{
    (void)catalogue;
    const rt_model_family *family;
    model_at(index, &family);
    return family->summary;
}

static rt_status model_describe(const rt_catalogue *catalogue, size_t index, FILE *file, rt_error *err)
{
    (void)catalogue;
    const rt_model_family *family;
    const char *variant = model_at(index, &family);
    return rt_describe_model(family, variant, file, err);
}

static size_t layer_count(const rt_catalogue *catalogue)
{
    (void)catalogue;
    return rt_layer_kind_count;
}

static const char *layer_name(const rt_catalogue *catalogue, size_t index)
{
    (void)catalogue;
    return rt_layer_kinds[index].name;
}

static const char *layer_summary(const rt_catalogue *catalogue, size_t index)
{
    (void)catalogue;
    return rt_layer_kinds[index].summary;
}

static rt_status layer_describe(const rt_catalogue *catalogue, size_t index, FILE *file, rt_error *err)
{
    (void)catalogue;
    return rt_describe_layer(&rt_layer_kinds[index], file, err);
}

static rt_status list_summaries(const rt_kind *kind, const rt_catalogue *catalogue, FILE *file, size_t indent,
                                rt_error *err)
{
    rt_table *table = rt_table_new("ll");
    for (size_t i = 0; i < kind->count(catalogue); ++i) {
        rt_table_cell(table, "%s", kind->item(catalogue, i));
        rt_table_cell(table, "%s", kind->summary(catalogue, i));
    }
    rt_status status = rt_table_print(table, file, indent, err);
    rt_table_free(table);
    return status;
}

/* The variants of a family share its summary, so what tells them apart stands beside it. */
static rt_status list_models(const rt_kind *kind, const rt_catalogue *catalogue, FILE *file, size_t indent,
                             rt_error *err)
{
    rt_table *table = rt_table_new("lrrrrl");
    rt_table_cell(table, "model");
    rt_table_cell(table, "parameters");
    rt_table_cell(table, "MACs");
    rt_table_cell(table, "images");
    rt_table_cell(table, "classes");
    rt_table_cell(table, "what it is");
    rt_table_rule(table);
    for (size_t i = 0; i < kind->count(catalogue); ++i) {
        const rt_model_family *family;
        const char *variant = model_at(i, &family);
        rt_model_size size;
        rt_model_size_find(family, variant, &size);
        rt_table_cell(table, "%s", variant);
        rt_table_cell(table, "%s", size.parameters);
        rt_table_cell(table, "%s", size.macs);
        if (family == &rt_model_family_layers) {
            rt_table_cell(table, "-");
            rt_table_cell(table, "-");
        } else {
            rt_table_cell(table, "%zu", family->usual.height);
            rt_table_cell(table, "%zu", family->usual.classes);
        }
        rt_table_cell(table, "%s", family->summary);
    }
    rt_status status = rt_table_print(table, file, indent, err);
    rt_table_free(table);
    return status;
}

#define KIND(kind, plural_name, list)                                                                                  \
    {                                                                                                                  \
#kind, plural_name, kind##_count, kind##_name, kind##_summary, kind##_describe, list                           \
    }

const rt_kind rt_kinds[] = {
    KIND(loss, "losses", list_summaries),        KIND(model, "models", list_models),
    KIND(dataset, "datasets", list_summaries),   KIND(optimizer, "optimizers", list_summaries),
    KIND(schedule, "schedules", list_summaries), KIND(augmentation, "augmentations", list_summaries),
    KIND(layer, "layers", list_summaries),
};
const size_t rt_kind_count = sizeof rt_kinds / sizeof *rt_kinds;

static bool is_word(const char *word, const char *text, size_t length)
{
    return strlen(word) == length && memcmp(word, text, length) == 0;
}

const rt_kind *rt_kind_find(const char *name, size_t length)
{
    for (size_t i = 0; i < rt_kind_count; ++i)
        if (is_word(rt_kinds[i].name, name, length) || is_word(rt_kinds[i].plural, name, length))
            return &rt_kinds[i];
    return NULL;
}

size_t rt_kind_item(const rt_kind *kind, const rt_catalogue *catalogue, const char *name)
{
    size_t index = 0;
    while (index < kind->count(catalogue) && strcmp(kind->item(catalogue, index), name) != 0)
        ++index;
    return index;
}

const char *rt_kind_suggest(const rt_kind *kind, const rt_catalogue *catalogue, const char *name)
{
    size_t count = kind->count(catalogue);
    const char **names = calloc(count + 1, sizeof *names);
    if (!names)
        return NULL;
    for (size_t i = 0; i < count; ++i)
        names[i] = kind->item(catalogue, i);
    const char *nearest = rt_suggest(name, names, count);
    free(names);
    return nearest;
}
