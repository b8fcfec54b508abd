/* Plugins that must be refused: -DFAULT=n makes number n, 0 a sound one. Each fault stands under what is to be said of
 * it, behind the plugin's name, and faults are numbered in that order. */
#include "retort/loss.h"
#include "retort/plugin.h"

struct settings {
    double number;
    int64_t count;
    int choice;
};

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)state, (void)io, (void)err;
    *loss = 0.0;
    return RT_OK;
}

//=  has no 'rt_plugin_table'; a plugin ends in RT_PLUGIN(&loss)
#define TABLE_IS_MISSING (FAULT == 1)
//=  is made for interface 99; this Retort has 2: compile it against its headers
#define TABLE_ABI (FAULT == 2 ? 99 : RT_LOSS_ABI)
//=  has 0 losses; it must have 1 to 256
#define TABLE_COUNT (FAULT == 3 ? 0 : 1)
//=  has 0 losses; it must have 1 to 256
#define TABLE_LOSSES (FAULT == 4 ? 0 : losses)
//= : loss 0 is NULL
#define FIRST (FAULT == 5 ? 0 : &hostile)
//= : a loss is made for interface 1; this Retort has 2
#define ABI (FAULT == 6 ? 1 : RT_LOSS_ABI)
//= : a loss has no name; a name is made of a-z, 0-9 and _
//= : a loss has a name that cannot be a recipe's key
//= : a loss has a name that cannot be a recipe's key
//= : there is a loss 'kl' already; it needs another name
#define NAME                                                                                                           \
    (FAULT == 7    ? 0                                                                                                 \
     : FAULT == 8  ? "Name with spaces"                                                                                \
     : FAULT == 9  ? "a_name_that_goes_on_and_on_and_on_and_on_and_on_and_on"                                          \
     : FAULT == 10 ? "kl"                                                                                              \
                   : "hostile")
//= : loss 'hostile' has no run()
#define RUN (FAULT == 11 ? 0 : run)
//= : loss 'hostile' has no summary
#define SUMMARY (FAULT == 12 ? 0 : "a loss")
//= : loss 'hostile' has no formula
#define FORMULA (FAULT == 13 ? 0 : "0")
//= : loss 'hostile': properties are 0x40, of which 0x40 mean nothing
#define PROPERTIES (FAULT == 14 ? 64 : 0)
//= : loss 'hostile' has 0 ports; it must have 1 to 8
#define PORTS (FAULT == 15 ? 0 : ports)
//= : loss 'hostile' has 1000 ports; it must have 1 to 8
#define PORT_COUNT (FAULT == 16 ? 1000 : 2)
//= : loss 'hostile': nothing feeds a port 'student.dreams'; retort/loss.h lists those that are
//= : loss 'hostile': port 0 has no name
#define PORT_NAME (FAULT == 17 ? "student.dreams" : FAULT == 18 ? 0 : "student.logits")
//= : loss 'hostile': port 'student.logits' has the shape 'N'; it must be 'N C'
//= : loss 'hostile': port 'student.logits' has the shape 'N C H W K N C H W K'; it must be 'N C'
//= : loss 'hostile': port 0 has no shape
#define PORT_SHAPE (FAULT == 19 ? "N" : FAULT == 20 ? "N C H W K N C H W K" : FAULT == 21 ? 0 : "N C")
//= : loss 'hostile' has no port with RT_PORT_DIFF; a student could not learn from it
//= : loss 'hostile': port 'student.logits' cannot have flags 0x101
#define PORT_FLAGS (FAULT == 22 ? 0 : FAULT == 23 ? 257 : RT_PORT_DIFF)
//= : loss 'hostile' has two ports 'student.logits'
//= : loss 'hostile': port 'teacher.logits' cannot have flags 0x1
#define SECOND (FAULT == 24 ? "student.logits" : "teacher.logits")
#define SECOND_FLAGS (FAULT == 25 ? RT_PORT_DIFF : 0)
//= : loss 'hostile': parameter 'number' takes 8 bytes at 4000; it must lie within the 24 of state_size
//= : loss 'hostile': parameter 'number' takes 8 bytes at 3; it must lie within the 24 of state_size
#define OFFSET (FAULT == 26 ? 4000 : FAULT == 27 ? 3 : 0)
//= : loss 'hostile': parameter 'number' is of type 77, which there is not
#define TYPE (FAULT == 28 ? (rt_param_type)77 : RT_PARAM_FLOAT)
//= : loss 'hostile': parameter 'number' is 9 by default, which is not within 0 to 1
#define DEFAULT (FAULT == 29 ? 9.0 : 0.5)
//= : loss 'hostile': parameter 'number' ranges from 0 to -1
#define MAXIMUM (FAULT == 30 ? -1.0 : 1.0)
//= : loss 'hostile': parameter 0 has a name that cannot be a recipe's key
//= : loss 'hostile': parameter 'weight' has the name of a key that all terms have
#define PARAM_NAME (FAULT == 31 ? "" : FAULT == 32 ? "weight" : "number")
//= : loss 'hostile' has two parameters 'number'
#define SECOND_PARAM (FAULT == 33 ? "number" : "count")
//= : loss 'hostile': parameters 'number' and 'count' share memory
#define SECOND_OFFSET (FAULT == 34 ? 0 : 8)
//= : loss 'hostile': parameter 'choice' has 0 choices, and number 0 by default
//= : loss 'hostile': parameter 'choice' has 2 choices, and number 2 by default
#define CHOICES (FAULT == 35 ? 0 : choices)
#define CHOICE (FAULT == 36 ? 2.0 : 0.0)
//= : loss 'hostile': state_size is 1073741824 bytes; at most 1048576 are allowed
#define STATE_SIZE (FAULT == 37 ? 1 << 30 : sizeof(struct settings))
//= : loss 'hostile': parameter 0 has no help
#define HELP (FAULT == 38 ? 0 : "a number")

static const char *const choices[] = {"this", "that", 0};

static const rt_param params[] = {
    {PARAM_NAME, HELP, TYPE, OFFSET, DEFAULT, 0.0, MAXIMUM, 0, 0, false},
    {SECOND_PARAM, "a count", RT_PARAM_INT, SECOND_OFFSET, 1.0, 0.0, 9.0, 0, 0, false},
    {"choice", "a choice", RT_PARAM_ENUM, offsetof(struct settings, choice), CHOICE, 0.0, 0.0, 0, CHOICES, false},
    RT_PARAM_END,
};

static const rt_port ports[] = {{PORT_NAME, PORT_SHAPE, PORT_FLAGS}, {SECOND, "N C", SECOND_FLAGS}};

static const rt_loss hostile = {
    .abi = ABI,
    .name = NAME,
    .summary = SUMMARY,
    .formula = FORMULA,
    .ports = PORTS,
    .port_count = PORT_COUNT,
    .params = params,
    .state_size = STATE_SIZE,
    .properties = PROPERTIES,
    .run = RUN,
};

static const rt_loss *const losses[] = {FIRST};

#if TABLE_IS_MISSING
const rt_loss *const *some_table = losses;
#else
RT_API extern const rt_plugin rt_plugin_table;
const rt_plugin rt_plugin_table = {TABLE_ABI, TABLE_COUNT, TABLE_LOSSES};
#endif
