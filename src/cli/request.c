#include "cli/request.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/precision.h"
#include "recipe/number.h"

enum {
    MODEL,
    WEIGHTS,
    DATA,
    SPLIT,
    LOGITS,
    THREADS,
    BATCH,
    PRECISION,
    MEAN,
    STD,
    TEXTS,
    SET = TEXTS,
    RENAME,
    NO_STRICT,
    FORCE,
    OWN
};

/* The texts of the options that may stand once, by their number, which is their place in long_options, too. */
struct texts {
    const char *given[TEXTS];
};

static const struct option long_options[] = {
    {"model", required_argument, NULL, MODEL},
    {"weights", required_argument, NULL, WEIGHTS},
    {"data", required_argument, NULL, DATA},
    {"split", required_argument, NULL, SPLIT},
    {"logits", required_argument, NULL, LOGITS},
    {"threads", required_argument, NULL, THREADS},
    {"batch", required_argument, NULL, BATCH},
    {"precision", required_argument, NULL, PRECISION},
    {"mean", required_argument, NULL, MEAN},
    {"std", required_argument, NULL, STD},
    {"set", required_argument, NULL, SET},
    {"rename", required_argument, NULL, RENAME},
    {"no-strict", no_argument, NULL, NO_STRICT},
    {"force", no_argument, NULL, FORCE},
};

/* "FROM=TO" of the command line, which is parted where it stands. */
static rt_rename part_rename(char *text)
{
    char *equals = strchr(text, '=');
    *equals = '\0';
    return (rt_rename){text, equals + 1};
}

enum { SHARED = sizeof long_options / sizeof *long_options, MOST_OWN = 16 };

/* An option of the command alone. */
static int take_own(const rt_command *command, const rt_request_option *own)
{
    if (own->flag)
        *own->flag = true;
    else if (*own->text)
        return rt_command_misused(command, "--%s is given twice", own->name);
    else
        *own->text = optarg;
    return RT_EXIT_OK;
}

static int scan(const rt_command *command, int argc, char **argv, const rt_request_option *own, struct texts *texts,
                rt_request *request)
{
    struct option all[SHARED + MOST_OWN + 1] = {0};
    memcpy(all, long_options, sizeof long_options);
    for (int i = 0; own && own[i].name && i < MOST_OWN; ++i)
        all[SHARED + i] = (struct option){own[i].name, own[i].flag ? no_argument : required_argument, NULL, OWN + i};
    opterr = 0;
    optind = 0;
    for (int option; (option = getopt_long(argc, argv, ":", all, NULL)) != -1;) {
        if (option >= OWN && option < OWN + MOST_OWN) {
            int code = take_own(command, &own[option - OWN]);
            if (code != RT_EXIT_OK)
                return code;
            continue;
        }
        switch (option) {
        case ':':
            return rt_command_misused(command, "option '%s' needs a value", argv[optind - 1]);
        case '?':
            return rt_command_misused(command, "unknown option '%s'", argv[optind - 1]);
        case FORCE:
            request->force = true;
            break;
        case NO_STRICT:
            request->lenient = true;
            break;
        case RENAME:
            if (!strchr(optarg, '='))
                return rt_command_misused(command, "--rename '%s' has no '='; it is FROM=TO", optarg);
            if (request->rename_count == RT_REQUEST_MAX_RENAMES)
                return rt_command_misused(command, "more than %d times --rename", RT_REQUEST_MAX_RENAMES);
            request->renames[request->rename_count++] = part_rename(optarg);
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

/* A number within the bounds that recipes have for it; reported where it is not. */
static bool read_number(const rt_command *command, const char *option, const char *text, bool whole, double minimum,
                        double maximum, double *value)
{
    int64_t integer;
    rt_number_kind kind = rt_number_read(text, &integer, value);
    if ((kind == RT_NUMBER_INTEGER || (kind == RT_NUMBER_REAL && !whole)) && *value >= minimum && *value <= maximum)
        return true;
    rt_command_misused(command, "--%s '%s': it must be %s from %s to %s", option, text,
                       whole ? "an integer" : "a number", rt_number_show(minimum).text, rt_number_show(maximum).text);
    return false;
}

static bool read_count(const rt_command *command, const struct texts *texts, int option, double most, int64_t *count)
{
    double value = 0.0;
    const char *text = texts->given[option];
    if (text && !read_number(command, long_options[option].name, text, true, 1.0, most, &value))
        return false;
    *count = (int64_t)value;
    return true;
}

/* Numbers separated by commas. */
static bool read_list(const rt_command *command, const struct texts *texts, int option, double minimum,
                      rt_float_list *list)
{
    const char *name = long_options[option].name, *text = texts->given[option];
    while (text) {
        char item[64];
        size_t length = strcspn(text, ",");
        snprintf(item, sizeof item, "%.*s", (int)(length < sizeof item ? length : sizeof item), text);
        if (list->count == RT_LIST_CAPACITY) {
            rt_command_misused(command, "--%s has more than %d values", name, RT_LIST_CAPACITY);
            return false;
        }
        if (!read_number(command, name, item, false, minimum, 1.0, &list->values[list->count++]))
            return false;
        text = text[length] == ',' ? text + length + 1 : NULL;
    }
    return true;
}

static bool read_numbers(const rt_command *command, const struct texts *texts, rt_request *request)
{
    return read_count(command, texts, THREADS, 1024.0, &request->threads) &&
           read_count(command, texts, BATCH, 65536.0, &request->batch) &&
           read_list(command, texts, MEAN, 0.0, &request->mean) && read_list(command, texts, STD, 1e-6, &request->std);
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

int rt_request_parse(const rt_command *command, int argc, char **argv, bool takes_folder, const rt_request_option *own,
                     rt_request *request)
{
    *request = (rt_request){0};
    struct texts texts = {0};
    int code = scan(command, argc, argv, own, &texts, request);
    if (code != RT_EXIT_OK)
        return code;
    int left = argc - optind;
    if (left > (takes_folder ? 1 : 0))
        return rt_command_misused(command, "unexpected argument '%s'", argv[optind + (takes_folder ? 1 : 0)]);
    if (!read_numbers(command, &texts, request))
        return RT_EXIT_USAGE;
    request->folder = left > 0 ? argv[optind] : NULL;
    request->model = texts.given[MODEL];
    request->weights = texts.given[WEIGHTS];
    request->data = texts.given[DATA];
    request->logits = texts.given[LOGITS];
    if (texts.given[PRECISION]) {
        code = rt_command_precision(command, texts.given[PRECISION], &request->precision);
        if (code != RT_EXIT_OK)
            return code;
    }
    code = read_split(command, texts.given[SPLIT], request);
    if (code == RT_EXIT_OK && !texts.given[MEAN] != !texts.given[STD])
        return rt_command_misused(command, "--mean and --std go together");
    if (code == RT_EXIT_OK && request->mean.count != request->std.count)
        return rt_command_misused(command, "--mean has %zu values and --std %zu; both have one for each channel",
                                  request->mean.count, request->std.count);
    return code == RT_EXIT_OK ? check_presence(command, takes_folder, request) : code;
}
