#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"
#include "losses/losses.h"
#include "recipe/choice.h"
#include "recipe/read.h"
#include "retort/suggest.h"

/* Whether the loss must see a teacher; *port is what it reads there. */
static bool needs_teacher(const rt_loss *loss, const char **port)
{
    for (size_t i = 0; i < loss->port_count; ++i) {
        *port = loss->ports[i].name;
        if (strncmp(*port, "teacher", 7) == 0 && !(loss->ports[i].flags & RT_PORT_OPTIONAL))
            return true;
    }
    return false;
}

/* Lets the loss check its parameters against each other, on a copy: the settings stay as they were read. */
static void try_loss(rt_loading *loader, const rt_loss_recipe *term)
{
    rt_error err = {0};
    void *state = rt_owner_take(loader->tree.owner, 1, term->loss->state_size);
    if (!state || !term->loss->init)
        return;
    memcpy(state, term->settings, term->loss->state_size);
    if (term->loss->init(state, &err) != RT_OK)
        rt_diagnostics_add(loader->binder.diagnostics, term->mark, "%s", err.message);
    else if (term->loss->done)
        term->loss->done(state);
}

/* What the term says of its weight must be of use. */
static void check_weight(rt_loading *loader, const rt_yaml *settings, const rt_loss_recipe *term)
{
    rt_mark final = rt_read_mark(settings, "final_weight"), stop = rt_read_mark(settings, "stop");
    if (term->stop > 0 && term->stop < term->start)
        rt_diagnostics_add(loader->binder.diagnostics, stop.line > 0 ? stop : term->mark,
                           "'stop' in loss '%s' is %lld, before its start in epoch %lld", term->loss->name,
                           (long long)term->stop, (long long)term->start);
    const rt_yaml *schedule = rt_read_section(settings, "schedule");
    bool constant = !schedule || (schedule->kind == RT_YAML_SCALAR && strcmp(schedule->text, "constant") == 0);
    if (constant && term->final_weight != 0.0)
        rt_diagnostics_add(loader->binder.diagnostics, final,
                           "'final_weight' in loss '%s' is of use with schedule linear or cosine alone",
                           term->loss->name);
}

/* Mixed images have two labels, and are no samples of the training set. */
static void check_mixing(rt_loading *loader, const rt_loss_recipe *term)
{
    const rt_augment_recipe *augment = &loader->recipe->data.augment;
    const rt_augmentation *mixing = rt_mixing_choice(augment->choices, augment->choice_count);
    const rt_port *indices = rt_loss_port(term->loss, "indices");
    if (mixing && rt_loss_port(term->loss, "labels") && !rt_loss_port(term->loss, "mixed.labels"))
        rt_diagnostics_add(loader->binder.diagnostics, term->mark,
                           "loss '%s' is defined by one label an image, and data.augment.%s gives it two; take out "
                           "one of them",
                           term->loss->name, mixing->name);
    else if (mixing && indices && !(indices->flags & RT_PORT_OPTIONAL))
        rt_diagnostics_add(loader->binder.diagnostics, term->mark,
                           "loss '%s' keeps something of each sample, and by data.augment.%s an image is two samples; "
                           "take out one of them",
                           term->loss->name, mixing->name);
}

static bool is_known(const rt_choice_list *losses, const char *name)
{
    for (size_t i = 0; losses->name_at(losses->items, i); ++i)
        if (strcmp(losses->name_at(losses->items, i), name) == 0)
            return true;
    return false;
}

static void read_term(rt_loading *loader, const rt_yaml *node, const char *no_teacher, rt_loss_recipe *term)
{
    rt_choice choice;
    const rt_choice_list losses = rt_choice_losses(loader->catalogue);
    size_t mistakes = loader->binder.diagnostics->mistakes;
    if (!rt_choice_read(&loader->binder, &losses, node, &choice))
        return;
    term->mark = choice.mark;
    if (loader->lacks_plugins && !is_known(&losses, choice.name))
        return;
    ptrdiff_t index = rt_choice_find(&loader->binder, &losses, choice.name, choice.mark);
    if (index < 0)
        return;
    term->loss = loader->catalogue ? loader->catalogue->losses[index] : rt_losses[index];
    term->student_mark = rt_read_mark(choice.settings, "student");
    term->teacher_mark = rt_read_mark(choice.settings, "teacher");
    choice.name = term->loss->name;
    term->settings = rt_choice_bind(&loader->binder, &losses, &choice, (rt_binding){rt_recipe_params_term, term},
                                    term->loss->params, term->loss->state_size);
    const char *port;
    if (no_teacher && needs_teacher(term->loss, &port))
        rt_diagnostics_add(loader->binder.diagnostics, term->mark, "loss '%s' reads %s; %s", term->loss->name, port,
                           no_teacher);
    check_weight(loader, choice.settings, term);
    check_mixing(loader, term);
    if (term->settings && loader->binder.diagnostics->mistakes == mistakes)
        try_loss(loader, term);
}

void rt_read_terms(rt_loading *loader, const rt_yaml *list, const char *no_teacher, rt_loss_recipe **terms,
                   size_t *count)
{
    if (list->kind == RT_YAML_INVALID)
        return;
    if (list->kind != RT_YAML_LIST || list->count == 0) {
        rt_diagnostics_add(loader->binder.diagnostics, list->mark,
                           "'loss' is %s; it must be a list of terms, each '- NAME'",
                           list->kind == RT_YAML_LIST ? "an empty list" : rt_yaml_show(list).text);
        return;
    }
    *terms = rt_owner_take(loader->tree.owner, list->count, sizeof **terms);
    for (size_t i = 0; *terms && i < list->count; ++i)
        read_term(loader, list->entries[i].value, no_teacher, &(*terms)[i]);
    *count = *terms ? list->count : 0;
}

static bool any_reads(const rt_loss_recipe *terms, size_t count, const char *port)
{
    for (size_t i = 0; i < count; ++i)
        if (terms[i].loss && rt_loss_port(terms[i].loss, port))
            return true;
    return false;
}

/* The network as it would be for small images: the names of its layers do not depend on their size. NULL where it
 * cannot be built, which is told once the data are known. */
static rt_graph *sketch(const rt_network_recipe *network)
{
    /* A network of one's own may be for large images, or for grey ones, alone. */
    static const rt_model_input inputs[] = {{64, 64, 3, 10}, {64, 64, 1, 10}, {224, 224, 3, 10}};
    for (size_t i = 0; network && network->family && network->settings && i < sizeof inputs / sizeof *inputs; ++i) {
        rt_graph *graph = rt_graph_new();
        if (!graph)
            return NULL;
        network->family->build(graph, network->model, network->settings, &inputs[i]);
        if (rt_graph_finish(graph, NULL) == RT_OK)
            return graph;
        rt_graph_free(graph);
    }
    return NULL;
}

/* Reports a layer that the network does not have, with the nearest one or all taps. */
static void refuse_layer(rt_loading *loader, const rt_loss_recipe *term, const char *role, const char *layer,
                         rt_mark mark, const rt_network_recipe *network, const rt_graph *graph)
{
    size_t count = 0;
    const char **names = calloc(graph->tap_count + graph->node_count, sizeof *names);
    if (!names)
        return;
    for (size_t i = 0; i < graph->tap_count; ++i)
        names[count++] = graph->taps[i].name;
    for (size_t i = 0; i < graph->node_count; ++i)
        if (graph->nodes[i].kind != RT_NODE_INPUT)
            names[count++] = graph->nodes[i].name;
    /* Layers are many: where none is near, the taps are enough to go on with. */
    bool near = rt_suggest(layer, names, count) != NULL;
    rt_diagnostics_add(loader->binder.diagnostics, mark, "'%s' in loss '%s' is %s, which %s does not have%s", role,
                       term->loss->name, rt_text_show(layer).text, network->model,
                       rt_bind_hint(layer, names, near ? count : graph->tap_count, "its stages are").text);
    free(names);
}

/* Fills in or checks one of a term's two layers. */
static void read_tap(rt_loading *loader, const rt_loss_recipe *term, const char *role, const char *port_name,
                     const char **layer, rt_mark mark, const rt_network_recipe *network, const rt_graph *graph)
{
    const rt_port *port = rt_loss_port(term->loss, port_name);
    if (!port && *layer)
        rt_diagnostics_add(loader->binder.diagnostics, mark, "'%s' in loss '%s' is of no use: it reads no '%s'", role,
                           term->loss->name, port_name);
    if (!port || !graph)
        return;
    if (!*layer) {
        const char *usual = rt_graph_usual_tap(graph, strlen(port->shape) > strlen("N K"));
        *layer = usual ? rt_owner_copy(loader->tree.owner, usual, strlen(usual)) : NULL;
    } else if (rt_graph_find_tap(graph, *layer) < 0 && rt_graph_find(graph, *layer) <= 0) {
        refuse_layer(loader, term, role, *layer, mark, network, graph);
    }
}

/* "layer2", "1", "1.layer2": which teacher, and which of its layers. */
static void part_teacher(rt_loss_recipe *term)
{
    const char *text = term->teacher;
    size_t digits = text ? strspn(text, "0123456789") : 0;
    term->teacher_number = -1;
    term->teacher_layer = text;
    if (digits == 0 || digits > 3 || (text[digits] != '\0' && text[digits] != '.'))
        return;
    term->teacher_number = atoi(text);
    term->teacher_layer = text[digits] == '.' && text[digits + 1] ? text + digits + 1 : NULL;
}

/* Whether the number is one that there is, and of use. */
static void check_number(rt_loading *loader, const rt_loss_recipe *term, size_t teachers)
{
    if (term->teacher_number < 0)
        return;
    if (!rt_loss_port(term->loss, "teacher.logits") && !rt_loss_port(term->loss, "teacher.features"))
        rt_diagnostics_add(loader->binder.diagnostics, term->teacher_mark,
                           "'teacher' in loss '%s' is of no use: it reads nothing of a single teacher",
                           term->loss->name);
    else if ((size_t)term->teacher_number >= teachers)
        rt_diagnostics_add(loader->binder.diagnostics, term->teacher_mark,
                           "'teacher' in loss '%s' is '%s'; there %s %zu, counted from 0", term->loss->name,
                           term->teacher, teachers == 1 ? "is" : "are", teachers);
}

/* The words of the resolved recipe: the number stays in front of a layer that was filled in. */
static const char *whole_teacher(rt_loading *loader, const rt_loss_recipe *term)
{
    char text[RT_NAME_CAPACITY + 16];
    if (term->teacher_number < 0 || !term->teacher_layer)
        return term->teacher_layer ? term->teacher_layer : term->teacher;
    int length = snprintf(text, sizeof text, "%d.%.90s", term->teacher_number, term->teacher_layer);
    return rt_owner_copy(loader->tree.owner, text, (size_t)length);
}

void rt_read_taps(rt_loading *loader, rt_loss_recipe *terms, size_t count, const rt_network_recipe *student,
                  const rt_recipe *recipe)
{
    size_t teachers = recipe ? rt_recipe_teachers(recipe) : 0;
    rt_graph *student_graph = any_reads(terms, count, "student.features") ? sketch(student) : NULL;
    rt_graph *teacher_graphs[RT_MAX_TEACHERS] = {NULL};
    for (size_t i = 0; i < count; ++i) {
        rt_loss_recipe *term = &terms[i];
        if (!term->loss)
            continue;
        part_teacher(term);
        check_number(loader, term, teachers);
        size_t number = term->teacher_number > 0 ? (size_t)term->teacher_number : 0;
        const rt_network_recipe *teacher = number < teachers ? rt_recipe_teacher(recipe, number) : NULL;
        if (teacher && !teacher_graphs[number] && rt_loss_port(term->loss, "teacher.features"))
            teacher_graphs[number] = sketch(teacher);
        read_tap(loader, term, "student", "student.features", &term->student, term->student_mark, student,
                 student_graph);
        read_tap(loader, term, "teacher", "teacher.features", &term->teacher_layer, term->teacher_mark, teacher,
                 teacher ? teacher_graphs[number] : NULL);
        term->teacher = whole_teacher(loader, term);
    }
    rt_graph_free(student_graph);
    for (size_t i = 0; i < RT_MAX_TEACHERS; ++i)
        rt_graph_free(teacher_graphs[i]);
}
