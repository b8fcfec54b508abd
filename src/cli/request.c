#include "cli/request.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recipe/recipe.h"

enum { MODEL, WEIGHTS, DATA, SPLIT, LOGITS, THREADS, BATCH, MEAN, STD, TEXTS, SET = TEXTS, FORCE };

/* The texts of the options that may stand once, by their number; each is the name in long_options, too. */
struct texts {
    const char *given[TEXTS];
};

static const struct option long_options[] = {
    {"model", required_argument, NULL, MODEL},     {"weights", required_argument, NULL, WEIGHTS},
    {"data", required_argument, NULL, DATA},       {"split", required_argument, NULL, SPLIT},
    {"logits", required_argument, NULL, LOGITS},   {"threads", required_argument, NULL, THREADS},
    {"batch", required_argument, NULL, BATCH},     {"mean", required_argument, NULL, MEAN},
    {"std", required_argument, NULL, STD},         {"set", required_argument, NULL, SET},
    {"force", no_argument, NULL, FORCE},           {0},
};

static int scan(const rt_command *command, int argc, char **argv, struct texts *texts, rt_request *request)
{
    opterr = 0;
    optind = 0;
    for (int option; (option = getopt_long(argc, argv, ":", long_options, NULL)) != -1;) {
        switch (option) {
        case ':':
            return rt_command_misused(command, "option '%s' needs a value", argv[optind - 1]);
        case '?':
            return rt_command_misused(command, "unknown option '%s'", argv[optind - 1]);
        case FORCE:
            request->force = true;
            break;
        case SET:
            if (request->setting_count == RT_REQUEST_MAX_SETTINGS)
                return rt_command_misused(command, "more than %d times --set", RT_REQUEST_MAX_SETTINGS);
            request->settings[request->setting_count++] = optarg;
            break;
        default:
            if (texts->given[option])
                return rt_command_misused(command, "--%s is given twice", long_options[option].name);
            texts->given[option] = optarg;
        }
    }
    return RT_EXIT_OK;
}

/* The options that are numbers, checked by the rules that recipes are checked by. */
static const rt_param number_params[] = {
    RT_INT(rt_request, threads, 0, 1, 1024, "compute threads"),
    RT_INT(rt_request, batch, 0, 1, 65536, "images at once"),
    RT_FLOAT_LIST(rt_request, mean, 0.0, 1.0, "mean of each channel, pixels in 0..1"),
    RT_FLOAT_LIST(rt_request, std, 1e-6, 1.0, "standard deviation of each channel, pixels in 0..1"),
    RT_PARAM_END,
};

static rt_status read_numbers(const struct texts *texts, rt_request *request, rt_error *err)
{
    static const int numbers[] = {THREADS, BATCH, MEAN, STD};
    enum { NUMBERS = sizeof numbers / sizeof *numbers };
    char *values[NUMBERS] = {0};
    size_t count = 0;
    rt_status status = RT_OK;
    for (size_t i = 0; i < NUMBERS && status == RT_OK; ++i) {
        const char *text = texts->given[numbers[i]];
        bool list = numbers[i] == MEAN || numbers[i] == STD;
        if (!text)
            continue;
        if (asprintf(&values[count], list ? "%s=[%s]" : "%s=%s", long_options[numbers[i]].name, text) < 0) {
            values[count] = NULL;
            status = rt_fail(err, RT_ERROR_MEMORY, "no memory for options");
        } else {
            ++count;
        }
    }
    if (status == RT_OK)
        status = rt_settings_parse("the options", number_params, (const char *const *)values, count, request, err);
    for (size_t i = 0; i < count; ++i)
        free(values[i]);
    return status;
}

static int check_presence(const rt_command *command, bool takes_folder, const rt_request *request)
{
    if (request->folder && (request->model || request->weights))
        return rt_command_misused(command, "a run's folder has its own weights; --model and --weights are for others");
    if (!request->folder && !request->weights)
        return rt_command_misused(command, "which network? --weights%s", takes_folder ? ", or a run's folder" : "");
    if (!request->folder && !request->data)
        return rt_command_misused(command, "which images? --data READER:ROOT");
    if (request->data && !request->split_given)
        return rt_command_misused(command, "which of the images? --split train or --split test");
    return RT_EXIT_OK;
}

static int read_split(const rt_command *command, const char *text, rt_request *request)
{
    request->split = RT_SPLIT_TEST;
    request->split_given = text != NULL;
    if (!text || strcmp(text, "test") == 0)
        return RT_EXIT_OK;
    if (strcmp(text, "train") != 0)
        return rt_command_misused(command, "there is no split '%s'; it must be train or test", text);
    request->split = RT_SPLIT_TRAIN;
    return RT_EXIT_OK;
}

int rt_request_parse(const rt_command *command, int argc, char **argv, bool takes_folder, rt_request *request)
{
    *request = (rt_request){0};
    struct texts texts = {0};
    rt_error err = {0};
    int code = scan(command, argc, argv, &texts, request);
    if (code != RT_EXIT_OK)
        return code;
    int left = argc - optind;
    if (left > (takes_folder ? 1 : 0))
        return rt_command_misused(command, "unexpected argument '%s'", argv[optind + (takes_folder ? 1 : 0)]);
    if (read_numbers(&texts, request, &err) != RT_OK)
        return rt_command_failed(command, &err);
    request->folder = left > 0 ? argv[optind] : NULL;
    request->model = texts.given[MODEL];
    request->weights = texts.given[WEIGHTS];
    request->data = texts.given[DATA];
    request->logits = texts.given[LOGITS];
    code = read_split(command, texts.given[SPLIT], request);
    if (code == RT_EXIT_OK && !texts.given[MEAN] != !texts.given[STD])
        return rt_command_misused(command, "--mean and --std go together");
    if (code == RT_EXIT_OK && request->mean.count != request->std.count)
        return rt_command_misused(command, "--mean has %zu values and --std %zu; both have one for each channel",
                                  request->mean.count, request->std.count);
    return code == RT_EXIT_OK ? check_presence(command, takes_folder, request) : code;
}
