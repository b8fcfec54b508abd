/* retort loss: one loss on arrays, for checking it against another implementation. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "cli/catalog.h"
#include "cli/command.h"
#include "cli/plugins.h"
#include "formats/npy.h"
#include "recipe/recipe.h"
#include "train/term.h"

enum {
    STUDENT,
    TEACHER,
    LABELS,
    STUDENT_FEATURES,
    TEACHER_FEATURES,
    INDICES,
    MIXED_LABELS,
    MIXED_SHARES,
    INPUTS,
    MAX_SETTINGS = 64
};

/* The option is the index's name, too: --student, --teacher, --labels, ... */
static const char *const options[INPUTS] = {"student",          "teacher", "labels",       "student-features",
                                            "teacher-features", "indices", "mixed-labels", "mixed-shares"};
static const char *const ports[INPUTS] = {"student.logits",   "teacher.logits", "labels",       "student.features",
                                          "teacher.features", "indices",        "mixed.labels", "mixed.shares"};

struct request {
    const rt_loss *loss;
    const char *paths[INPUTS]; /* NULL where not given */
    const char *settings[MAX_SETTINGS];
    size_t setting_count;
    const char *gradient_path; /* NULL: no gradient */
};

/* What the request needs in memory. */
struct work {
    rt_array files[INPUTS];
    float *values[INPUTS]; /* those of floating-point files, as float */
    size_t differentiated; /* the input that the gradient is by */
    float *gradient;
    rt_loss_array arrays[INPUTS];
    size_t array_count;
    void *settings;
    rt_loss_term term;
};

static rt_status find_loss(const rt_catalogue *catalogue, const char *name, const rt_loss **loss, rt_error *err)
{
    *loss = rt_catalogue_find(catalogue, name);
    if (*loss)
        return RT_OK;
    const char *nearest = rt_kind_suggest(rt_kind_find("loss", strlen("loss")), catalogue, name);
    if (nearest)
        return rt_fail(err, RT_ERROR_USAGE, "there is no loss '%s'; did you mean '%s'?", name, nearest);
    return rt_fail(err, RT_ERROR_USAGE, "there is no loss '%s'; 'retort list losses' names them", name);
}

/* What the loss must read must be given, by an option's name rather than a port's. */
static rt_status check_inputs(const struct request *request, rt_error *err)
{
    const rt_loss *loss = request->loss;
    for (size_t p = 0; p < loss->port_count; ++p) {
        size_t i = 0;
        while (i < INPUTS && strcmp(ports[i], loss->ports[p].name) != 0)
            ++i;
        if ((loss->ports[p].flags & RT_PORT_OPTIONAL) || (i < INPUTS && request->paths[i]))
            continue;
        if (i < INPUTS)
            return rt_fail(err, RT_ERROR_USAGE, "loss '%s' needs --%s", loss->name, options[i]);
        return rt_fail(err, RT_ERROR_USAGE, "loss '%s' needs '%s', which no option of this command gives", loss->name,
                       loss->ports[p].name);
    }
    return RT_OK;
}

/* The loss's port of an input, or NULL where it does not read it. */
static const rt_port *port_of(const rt_loss *loss, size_t input)
{
    for (size_t p = 0; p < loss->port_count; ++p)
        if (strcmp(loss->ports[p].name, ports[input]) == 0)
            return &loss->ports[p];
    return NULL;
}

/* Which input the gradient is by: what the loss differentiates, or logits that it ignores, whose gradient is 0. */
static rt_status find_differentiated(const struct request *request, size_t *input, rt_error *err)
{
    for (*input = 0; *input < INPUTS; ++*input) {
        const rt_port *port = port_of(request->loss, *input);
        if (request->paths[*input] && port && (port->flags & RT_PORT_DIFF))
            return RT_OK;
    }
    *input = STUDENT;
    if (request->gradient_path && !request->paths[STUDENT])
        return rt_fail(err, RT_ERROR_USAGE, "--grad needs --student");
    return RT_OK;
}

/* Features of a loss that reads a vector a sample are flattened to it, as in a training. */
static rt_shape shape_for(const rt_port *port, rt_shape shape)
{
    bool vectors = port && strstr(port->name, ".features") && strlen(port->shape) == strlen("N K");
    for (; vectors && shape.count > 2; --shape.count)
        shape.dims[1] *= shape.dims[shape.count - 1];
    return shape;
}

static rt_status load(const struct request *request, struct work *work, rt_error *err)
{
    for (size_t i = 0; i < INPUTS; ++i) {
        if (!request->paths[i])
            continue;
        rt_array *file = &work->files[i];
        RT_TRY(rt_npy_read(request->paths[i], file, err));
        rt_loss_array *array = &work->arrays[work->array_count++];
        *array = (rt_loss_array){.name = ports[i], .data.shape = shape_for(port_of(request->loss, i), file->shape)};
        if (file->dtype == RT_DTYPE_I64) {
            array->data.indices = file->data;
            continue;
        }
        size_t elements = rt_shape_elements(&file->shape);
        array->data.values = work->values[i] = calloc(elements + 1, sizeof(float));
        bool differentiated = i == work->differentiated && request->gradient_path;
        if (differentiated)
            array->data.gradient = work->gradient = calloc(elements + 1, sizeof(float));
        if (!work->values[i] || (differentiated && !work->gradient))
            return rt_fail(err, RT_ERROR_MEMORY, "no memory for '%s'", request->paths[i]);
        const rt_tensor tensor = {request->paths[i], file->dtype, file->shape, file->data};
        RT_TRY(rt_tensor_floats(&tensor, work->values[i], err));
    }
    return RT_OK;
}

static rt_status evaluate(const struct request *request, struct work *work, double *value, rt_error *err)
{
    const rt_loss *loss = request->loss;
    char what[128];
    snprintf(what, sizeof what, "loss/%s", loss->name);
    RT_TRY(check_inputs(request, err));
    RT_TRY(find_differentiated(request, &work->differentiated, err));
    work->settings = calloc(1, loss->state_size + 1);
    if (!work->settings)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the settings of loss '%s'", loss->name);
    RT_TRY(rt_settings_parse(what, loss->params, request->settings, request->setting_count, work->settings, err));
    RT_TRY(load(request, work, err));
    RT_TRY(rt_loss_term_open(&work->term, loss, work->settings, 1.0, NULL, work->arrays, work->array_count, err));
    RT_TRY(rt_loss_term_run(&work->term, 0, value, err));
    if (!request->gradient_path)
        return RT_OK;
    return rt_npy_write(request->gradient_path, RT_DTYPE_F32, &work->files[work->differentiated].shape, work->gradient,
                        err);
}

static void release(struct work *work)
{
    rt_loss_term_close(&work->term);
    for (size_t i = 0; i < INPUTS; ++i) {
        rt_array_free(&work->files[i]);
        free(work->values[i]);
    }
    free(work->gradient);
    free(work->settings);
}

/* Returns RT_EXIT_OK, or the exit code after having said what is wrong. */
static int parse(int argc, char **argv, const rt_catalogue *catalogue, struct request *request)
{
    enum { SET = INPUTS, GRADIENT };
    static const struct option long_options[] = {
        {"student", required_argument, NULL, STUDENT},
        {"teacher", required_argument, NULL, TEACHER},
        {"labels", required_argument, NULL, LABELS},
        {"student-features", required_argument, NULL, STUDENT_FEATURES},
        {"teacher-features", required_argument, NULL, TEACHER_FEATURES},
        {"indices", required_argument, NULL, INDICES},
        {"mixed-labels", required_argument, NULL, MIXED_LABELS},
        {"mixed-shares", required_argument, NULL, MIXED_SHARES},
        {"set", required_argument, NULL, SET},
        {"grad", required_argument, NULL, GRADIENT},
        {0},
    };
    opterr = 0;
    optind = 0;
    for (int option; (option = getopt_long(argc, argv, ":", long_options, NULL)) != -1;) {
        if (option == ':')
            return rt_command_misused(&rt_command_loss, "option '%s' needs a value", argv[optind - 1]);
        if (option == '?')
            return rt_command_misused(&rt_command_loss, "unknown option '%s'", argv[optind - 1]);
        if (option == SET) {
            if (request->setting_count == MAX_SETTINGS)
                return rt_command_misused(&rt_command_loss, "more than %d times --set", MAX_SETTINGS);
            request->settings[request->setting_count++] = optarg;
            continue;
        }
        const char **path = option == GRADIENT ? &request->gradient_path : &request->paths[option];
        if (*path)
            return rt_command_misused(&rt_command_loss, "--%s is given twice",
                                      option == GRADIENT ? "grad" : options[option]);
        *path = optarg;
    }
    if (optind == argc)
        return rt_command_misused(&rt_command_loss, "which loss?");
    if (optind + 1 < argc)
        return rt_command_misused(&rt_command_loss, "unexpected argument '%s'", argv[optind + 1]);
    rt_error err = {0};
    if (find_loss(catalogue, argv[optind], &request->loss, &err) != RT_OK)
        return rt_command_failed(&rt_command_loss, &err);
    return RT_EXIT_OK;
}

static int print_loss(const struct request *request)
{
    int code = RT_EXIT_OK;
    rt_threads_start(0);
    struct work work = {0};
    rt_error err = {0};
    double value;
    if (evaluate(request, &work, &value, &err) == RT_OK) {
        printf("{\"loss\": %.17g}\n", value);
    } else {
        code = rt_command_failed(&rt_command_loss, &err);
        if (err.status == RT_ERROR_NUMERIC) /* the numbers came from the user's files */
            code = RT_EXIT_USAGE;
    }
    release(&work);
    return code;
}

static int run(int argc, char **argv)
{
    struct request request = {0};
    rt_catalogue catalogue;
    int code = rt_plugins_take(&rt_command_loss, &argc, argv, &catalogue);
    if (code != RT_EXIT_OK)
        return code;
    code = parse(argc, argv, &catalogue, &request);
    if (code == RT_EXIT_OK)
        code = print_loss(&request);
    rt_catalogue_close(&catalogue);
    return code;
}

const rt_command rt_command_loss = {
    .name = "loss",
    .usage = "loss NAME --student s.npy --teacher t.npy --labels y.npy [--set key=value ...] [--grad g.npy]",
    .summary = "evaluate one loss, and its gradient, on arrays",
    .details = "Prints {\"loss\": ...}: the loss at weight 1, with its own reduction.\n"
               "\n"
               "  --student FILE   the student's logits, float32 or float64 [N, C]\n"
               "  --teacher FILE   the teacher's logits, likewise\n"
               "  --labels FILE    the true classes, int64 [N]\n"
               "  --student-features FILE, --teacher-features FILE\n"
               "                   for losses on features: [N, height, width, channels], or [N, features]\n"
               "  --indices FILE   the samples' numbers in the training set, int64 [N]\n"
               "  --mixed-labels FILE, --mixed-shares FILE\n"
               "                   for mixed images: the classes mixed in, int64 [N], and their shares, float32 [N]\n"
               "  --set KEY=VALUE  a parameter of the loss; may be repeated\n"
               "  --plugin FILE.so load losses of your own; may be repeated\n"
               "  --grad FILE      write the gradient by the student's logits or features, float32 of their shape\n"
               "\n"
               "Arrays that the loss does not use may be given, too. float64 is rounded to float32 as it is read, "
               "since that is\n"
               "what losses work on; what they compute is double. `retort help loss/NAME` has the parameters.",
    .run = run,
};
