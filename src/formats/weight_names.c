#include "formats/weight_names.h"

#include <stdio.h>
#include <string.h>

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool ends_with(const char *text, const char *suffix)
{
    size_t length = strlen(text), tail = strlen(suffix);
    return length >= tail && strcmp(text + length - tail, suffix) == 0;
}

/* What wrappers put before every name: torch.nn.DataParallel, torch.compile, Lightning modules and the like. */
static const char *const prefixes[] = {"module.", "_orig_mod.", "model.", "net."};

/* The name without one prefix; itself where it has none. */
static const char *unwrap(const char *name)
{
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; ++i)
        if (begins_with(name, prefixes[i]))
            return name + strlen(prefixes[i]);
    return name;
}

enum { WRAPPERS = 4 }; /* around each other, at most */

const char *rt_weight_bare_name(const char *name)
{
    for (int i = 0; i < WRAPPERS; ++i)
        name = unwrap(name);
    return name;
}

bool rt_weight_is_passed_over(const char *name)
{
    name = rt_weight_bare_name(name);
    return begins_with(name, "optimizer.") || begins_with(name, "ema.") || begins_with(name, "loss.") ||
           ends_with(name, "num_batches_tracked");
}

static int find_exactly(const rt_graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->parameter_count; ++i)
        if (strcmp(graph->parameters[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* Other projects' names for parts of a network, and ours. */
static const struct alias {
    const char *theirs, *ours;
} aliases[] = {{"linear.", "fc."}, {"shortcut.", "downsample."}};

static bool graph_uses(const rt_graph *graph, const char *part)
{
    for (size_t i = 0; i < graph->parameter_count; ++i)
        if (strstr(graph->parameters[i].name, part))
            return true;
    return false;
}

static int find_by_alias(const rt_graph *graph, const char *name)
{
    int found = -1;
    for (size_t i = 0; found < 0 && i < sizeof aliases / sizeof *aliases; ++i) {
        const char *at = strstr(name, aliases[i].theirs);
        char renamed[RT_NAME_CAPACITY];
        if (!at || strlen(name) >= RT_NAME_CAPACITY || graph_uses(graph, aliases[i].theirs))
            continue;
        int length = snprintf(renamed, sizeof renamed, "%.*s%s%s", (int)(at - name), name, aliases[i].ours,
                              at + strlen(aliases[i].theirs));
        if (length > 0 && (size_t)length < sizeof renamed)
            found = find_exactly(graph, renamed);
    }
    return found;
}

/* A network may have the names of wrappers itself. */
int rt_weight_find_parameter(const rt_graph *graph, const char *name)
{
    int found = -1;
    for (int i = 0; found < 0 && i <= WRAPPERS; ++i, name = unwrap(name)) {
        found = find_exactly(graph, name);
        if (found < 0)
            found = find_by_alias(graph, name);
    }
    return found;
}
