/* The whole graph, node by node; what becomes of a kind of node is in the files that translator.h lists. */
#include <stdio.h>
#include <stdlib.h>

#include "export/translator.h"
#include "graph/passes.h"

#define TRANSLATOR_OF_KIND(kind, name) [RT_NODE_##kind] = rt_translate_##name,

static void (*const translators[RT_NODE_KINDS])(rt_translator *, int) = {RT_TRANSLATORS(TRANSLATOR_OF_KIND)};

/* Which batch norm each convolution takes in: the one that alone reads it. */
static void find_foldable(rt_translator *t)
{
    for (size_t i = 0; i < t->graph->node_count; ++i)
        t->folded[i] = -1;
    rt_graph_count_readers(t->graph, t->readers);
    for (size_t i = 0; t->how->fold && i < t->graph->node_count; ++i) {
        const rt_node *node = &t->graph->nodes[i];
        int source = node->source_count ? node->sources[0] : -1;
        if (node->kind == RT_NODE_BATCH_NORM && t->graph->nodes[source].kind == RT_NODE_CONVOLUTION &&
            t->readers[source] == 1)
            t->folded[source] = (int)i;
    }
}

static void translate_all(rt_translator *t)
{
    for (size_t i = 0; i < t->graph->node_count && t->program->error.status == RT_OK; ++i) {
        const rt_node *node = &t->graph->nodes[i];
        t->forms[i] = (rt_form){-1, -1, -1};
        if (!translators[node->kind])
            rt_fail(&t->program->error, RT_ERROR_SHAPE, "layer '%s' cannot be exported: there is no translation of %s",
                    node->name, rt_node_kind_name(node->kind));
        else
            translators[node->kind](t, (int)i);
    }
    if (t->program->error.status != RT_OK)
        return;
    t->program->output = rt_as_rows(t, t->graph->output);
    t->program->classes = rt_extent_floats(t->graph->nodes[t->graph->output].shape);
    if (t->program->error.status == RT_OK)
        snprintf(t->program->values[t->program->output].name, RT_PROGRAM_NAME, "logits");
}

rt_status rt_program_translate(const rt_graph *graph, const rt_parameters *parameters, const rt_translation *how,
                               rt_program *program, rt_error *err)
{
    *program = (rt_program){0};
    rt_translator t = {.graph = graph, .parameters = parameters, .how = how, .program = program};
    t.forms = calloc(graph->node_count, sizeof *t.forms);
    t.readers = calloc(graph->node_count, sizeof *t.readers);
    t.folded = calloc(graph->node_count, sizeof *t.folded);
    if (t.forms && t.readers && t.folded) {
        find_foldable(&t);
        translate_all(&t);
    } else {
        rt_fail(&program->error, RT_ERROR_MEMORY, "no memory to export a network of %zu layers", graph->node_count);
    }
    free(t.forms);
    free(t.readers);
    free(t.folded);
    if (program->error.status == RT_OK)
        return RT_OK;
    rt_status status = rt_fail(err, program->error.status, "%s", program->error.message);
    rt_program_free(program);
    return status;
}
