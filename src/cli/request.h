/* The command line that `retort predict`, `eval` and `export` share: a network, images, and what to do with them. */
#ifndef RETORT_CLI_REQUEST_H
#define RETORT_CLI_REQUEST_H

#include <stdbool.h>

#include "base/precision.h"
#include "cli/command.h"
#include "formats/tensors.h"
#include "retort/dataset.h"
#include "retort/param.h"

enum { RT_REQUEST_MAX_SETTINGS = 64, RT_REQUEST_MAX_RENAMES = 32 };

/* Strings are the command line's. What was not given is NULL or zero. */
typedef struct rt_request {
    const char *model, *weights;
    const char *data;   /* "cifar:/path", "synthetic" */
    const char *logits; /* the file to write */
    const char *folder; /* of a run, in place of model, weights and perhaps data */
    bool split_given;
    rt_split split;                            /* the test split when not given */
    rt_rename renames[RT_REQUEST_MAX_RENAMES]; /* of the weights' tensors */
    size_t rename_count;
    bool lenient; /* parameters may be missing from the weights, and tensors unexpected */
    bool latency; /* single images are timed, too; eval alone sets it */
    bool force;   /* may replace the logits' file */
    const char *settings[RT_REQUEST_MAX_SETTINGS];
    size_t setting_count;
    int64_t threads, batch; /* 0: chosen by rule */
    rt_precision precision;
    rt_float_list mean, std; /* both of the same length; empty when not given */
} rt_request;

/* An option that one command has beside those: a text, or a flag. `text` and `flag` point to where it goes, one of them
 * is NULL. */
typedef struct rt_request_option {
    const char *name;
    const char **text;
    bool *flag;
} rt_request_option;

/* Returns RT_EXIT_OK, or the exit code after having said what is wrong. Only `takes_folder` lets an argument stand that
 * is not an option. `own` ends with a zeroed one, and has at most 16; or NULL. */
int rt_request_parse(const rt_command *command, int argc, char **argv, bool takes_folder, const rt_request_option *own,
                     rt_request *request);

/* The options in words, for the commands' help. */
#define RT_REQUEST_DETAILS                                                                                             \
    "  --model NAME        the network; files that Retort wrote say it themselves\n"                                   \
    "  --weights FILE      its weights; they tell the number of classes\n"                                             \
    "                      Retort's own, safetensors or PyTorch's checkpoints (`retort inspect FILE`)\n"               \
    "  --rename FROM=TO    tensors whose names begin with FROM begin with TO instead; may be repeated\n"               \
    "  --no-strict         missing and unexpected tensors are a warning; missing ones are at random then\n"            \
    "  --data READER:ROOT  the images, as in cifar:/data/cifar-100-binary; ROOT may be absent for synthetic\n"         \
    "  --split SPLIT       train or test; no other split's files are needed\n"                                         \
    "  --mean A,B,C        normalisation, pixel = (byte / 255 - mean) / std for each channel; required unless\n"       \
    "  --std A,B,C         Retort wrote the weights, which then have it\n"                                             \
    "  --set KEY=VALUE     an option of the model (shortcut=identity) or of the reader (labels=coarse); may be\n"      \
    "                      repeated. `retort help model/NAME` and `retort help dataset/READER` list them\n"            \
    "  --precision P       what convolutions multiply: fp32 (the default), bf16, auto (the faster, layer by layer), "  \
    "or\n"                                                                                                             \
    "                      int8, with ranges calibrated on up to 256 of the images\n"                                  \
    "  --threads N         compute threads; one for each CPU by default\n"                                             \
    "  --batch N           images at once; chosen by the network's size by default\n"                                  \
    "  --force             replace the logits' file if it exists\n"

#endif
