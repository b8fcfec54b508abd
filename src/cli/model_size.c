#include "cli/model_size.h"

#include <stdio.h>
#include <stdlib.h>

static void in_millions(double count, char text[24])
{
    double millions = count / 1e6;
    snprintf(text, 24, "%.*f M", millions < 1.0 ? 3 : millions < 100.0 ? 1 : 0, millions);
}

void rt_model_size_find(const rt_model_family *family, const char *variant, rt_model_size *size)
{
    *size = (rt_model_size){"-", "-"};
    rt_graph *graph = rt_graph_new();
    void *settings = calloc(1, family->settings_size ? family->settings_size : 1);
    if (graph && settings) {
        rt_param_defaults(family->params, settings);
        family->build(graph, variant, settings, &family->usual);
        if (rt_graph_finish(graph, NULL) == RT_OK) {
            in_millions((double)rt_graph_trained_count(graph), size->parameters);
            in_millions((double)rt_graph_macs(graph), size->macs);
        }
    }
    free(settings);
    rt_graph_free(graph);
}
