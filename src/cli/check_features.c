#include "cli/check_features.h"

#include <stdio.h>

#include "report/table.h"
#include "train/adapter.h"

/* "16 x 16 x 32", or "8192" of a vector. */
static void extent_cell(rt_table *table, const char *layer, rt_extent extent, bool vectors)
{
    if (!layer)
        rt_table_cell(table, "%s", "");
    else if (vectors)
        rt_table_cell(table, "%zu", rt_extent_floats(extent));
    else
        rt_table_cell(table, "%zu x %zu x %zu", extent.height, extent.width, extent.channels);
}

static size_t own_floats(const rt_extension *extension, size_t term, bool trained)
{
    size_t floats = 0;
    for (size_t k = 0; k < extension->own_counts[term]; ++k) {
        const rt_parameter *own = &extension->graph->parameters[extension->own[term][k]];
        if (rt_parameter_is_buffer(own) != trained)
            floats += own->count;
    }
    return floats;
}

static void add_row(rt_table *table, const rt_extension *extension, const rt_loss_recipe *losses, size_t term)
{
    const rt_term_features *about = &extension->terms[term];
    char adapter[RT_ADAPTER_WORDS] = "";
    if (about->student && about->teacher)
        rt_adapter_describe(about->student_extent, about->extent, about->student_vectors, adapter);
    rt_table_cell(table, "loss.%zu.%s", term, losses[term].loss->name);
    rt_table_cell(table, "%s", about->student ? about->student : "");
    extent_cell(table, about->student, about->student_extent, about->student_vectors);
    if (about->teacher && losses[term].teacher_number >= 0)
        rt_table_cell(table, "%zu.%s", about->member, about->teacher);
    else
        rt_table_cell(table, "%s", about->teacher ? about->teacher : "");
    extent_cell(table, about->teacher, about->teacher_extent, about->teacher_vectors);
    rt_table_cell(table, "%s", adapter);
    rt_table_cell(table, "%zu", about->adapter_parameters + own_floats(extension, term, true));
    rt_table_cell(table, "%zu", own_floats(extension, term, false));
}

rt_status rt_check_print_features(const rt_extension *extension, const rt_loss_recipe *losses, rt_error *err)
{
    static const char *const titles[] = {"term", "student's layer", "size",       "teacher's layer",
                                         "size", "adapter",         "parameters", "memory"};
    size_t rows = 0;
    rt_table *table = rt_table_new("llllllrr");
    for (size_t i = 0; i < sizeof titles / sizeof *titles; ++i)
        rt_table_cell(table, "%s", titles[i]);
    rt_table_rule(table);
    for (size_t i = 0; i < extension->term_count; ++i)
        if (extension->terms[i].student || extension->terms[i].teacher || extension->own_counts[i] > 0) {
            add_row(table, extension, losses, i);
            ++rows;
        }
    rt_status status = RT_OK;
    if (rows > 0) {
        printf(
            "\nlosses: what they read of the networks' layers and train beside the student; none of it is part of the "
            "student\n");
        status = rt_table_print(table, stdout, 2, err);
    }
    rt_table_free(table);
    return status;
}
