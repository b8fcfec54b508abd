#include "recipe/descriptor.h"

#include <stdalign.h>
#include <string.h>

#include "recipe/recipe.h"

enum { MOST_NAME = 48, MOST_PARAMS = 64, MOST_CHOICES = 64, MOST_STATE = 1 << 20 };

bool rt_descriptor_is_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_0123456789";
    size_t length = name ? strnlen(name, MOST_NAME + 1) : 0;
    return length > 0 && length <= MOST_NAME && name[0] >= 'a' && name[0] <= 'z' && strspn(name, letters) == length;
}

/* What feeds a port, and in which shapes: letters that are sizes of one meaning stand for themselves, '?' for any. */
static const struct feed {
    const char *name, *shapes[2];
    unsigned flags; /* that it may have, beside RT_PORT_OPTIONAL */
    bool index;
} feeds[] = {
    {"student.logits", {"N C"}, RT_PORT_DIFF, false},
    {"teacher.logits", {"N C"}, 0, false},
    {"teachers.logits", {"M N C"}, 0, false},
    {"labels", {"N"}, RT_PORT_INDEX, true},
    {"mixed.labels", {"N"}, RT_PORT_INDEX, true},
    {"mixed.shares", {"N"}, 0, false},
    {"indices", {"N"}, RT_PORT_INDEX, true},
    {"student.features", {"N ?", "N ? ? ?"}, RT_PORT_DIFF | RT_PORT_ADAPTED, false},
    {"teacher.features", {"N ?", "N ? ? ?"}, 0, false},
};
enum { FEEDS = sizeof feeds / sizeof *feeds };

static bool matches(const char *shape, const char *pattern)
{
    if (!pattern || strlen(shape) != strlen(pattern))
        return false;
    for (; *shape; ++shape, ++pattern) {
        bool free_letter = *shape >= 'A' && *shape <= 'Z' && *shape != 'N' && *shape != 'M';
        if (*pattern == '?' ? !free_letter : *shape != *pattern)
            return false;
    }
    return true;
}

static rt_status check_port(const rt_loss *loss, size_t number, rt_error *err)
{
    const rt_port *port = &loss->ports[number];
    const struct feed *feed = feeds;
    if (!port->name || !port->shape)
        return rt_fail(err, RT_ERROR_FORMAT, "loss '%s': port %zu has no %s", loss->name, number,
                       port->name ? "shape" : "name");
    while (feed < feeds + FEEDS && strcmp(feed->name, port->name) != 0)
        ++feed;
    if (feed == feeds + FEEDS)
        return rt_fail(err, RT_ERROR_FORMAT,
                       "loss '%s': nothing feeds a port '%.64s'; retort/loss.h lists those that are", loss->name,
                       port->name);
    if (!matches(port->shape, feed->shapes[0]) && !matches(port->shape, feed->shapes[1]))
        return rt_fail(err, RT_ERROR_FORMAT, "loss '%s': port '%s' has the shape '%.32s'; it must be '%s'%s%s%s",
                       loss->name, port->name, port->shape, feed->shapes[0], feed->shapes[1] ? " or '" : "",
                       feed->shapes[1] ? feed->shapes[1] : "", feed->shapes[1] ? "', with ? any letter but M, N" : "");
    if ((port->flags & ~(feed->flags | RT_PORT_OPTIONAL)) || !(port->flags & RT_PORT_INDEX) == feed->index)
        return rt_fail(err, RT_ERROR_FORMAT, "loss '%s': port '%s' cannot have flags %#x", loss->name, port->name,
                       port->flags);
    for (size_t i = 0; i < number; ++i)
        if (strcmp(loss->ports[i].name, port->name) == 0)
            return rt_fail(err, RT_ERROR_FORMAT, "loss '%s' has two ports '%s'", loss->name, port->name);
    return RT_OK;
}

static rt_status check_ports(const rt_loss *loss, rt_error *err)
{
    bool differentiable = false;
    if (!loss->ports || loss->port_count < 1 || loss->port_count > RT_LOSS_MAX_PORTS)
        return rt_fail(err, RT_ERROR_FORMAT, "loss '%s' has %zu ports; it must have 1 to %d", loss->name,
                       loss->ports ? loss->port_count : 0, RT_LOSS_MAX_PORTS);
    for (size_t i = 0; i < loss->port_count; ++i) {
        RT_TRY(check_port(loss, i, err));
        differentiable = differentiable || (loss->ports[i].flags & RT_PORT_DIFF);
    }
    return differentiable ? RT_OK
                          : rt_fail(err, RT_ERROR_FORMAT,
                                    "loss '%s' has no port with RT_PORT_DIFF; a student could not "
                                    "learn from it",
                                    loss->name);
}

/* The size of a parameter's field, and in *alignment its alignment; 0 for a type that there is not. */
static size_t field_size(rt_param_type type, size_t *alignment)
{
    switch (type) {
    case RT_PARAM_INT:
        *alignment = alignof(int64_t);
        return sizeof(int64_t);
    case RT_PARAM_FLOAT:
        *alignment = alignof(double);
        return sizeof(double);
    case RT_PARAM_BOOL:
        *alignment = alignof(bool);
        return sizeof(bool);
    case RT_PARAM_ENUM:
        *alignment = alignof(int);
        return sizeof(int);
    case RT_PARAM_STRING:
        *alignment = alignof(const char *);
        return sizeof(const char *);
    case RT_PARAM_INT_LIST:
        *alignment = alignof(rt_int_list);
        return sizeof(rt_int_list);
    case RT_PARAM_FLOAT_LIST:
        *alignment = alignof(rt_float_list);
        return sizeof(rt_float_list);
    }
    return 0;
}

static rt_status check_values(const rt_loss *loss, const rt_param *param, rt_error *err)
{
    bool number = param->type == RT_PARAM_INT || param->type == RT_PARAM_FLOAT,
         list = param->type == RT_PARAM_INT_LIST || param->type == RT_PARAM_FLOAT_LIST;
    size_t choices = 0;
    if ((number || list) && !(param->minimum <= param->maximum))
        return rt_fail(err, RT_ERROR_FORMAT, "loss '%s': parameter '%s' ranges from %g to %g", loss->name, param->name,
                       param->minimum, param->maximum);
    if (number && !param->required &&
        !(param->default_number >= param->minimum && param->default_number <= param->maximum))
        return rt_fail(err, RT_ERROR_FORMAT, "loss '%s': parameter '%s' is %g by default, which is not within %g to %g",
                       loss->name, param->name, param->default_number, param->minimum, param->maximum);
    if (param->type != RT_PARAM_ENUM)
        return RT_OK;
    while (param->choices && choices < MOST_CHOICES && param->choices[choices])
        ++choices;
    if (choices == 0 || choices == MOST_CHOICES || !(param->default_number >= 0.0) ||
        param->default_number >= (double)choices)
        return rt_fail(
            err, RT_ERROR_FORMAT,
            "loss '%s': parameter '%s' has %zu choices, and number %g by default; it must have 1 to %d, and one "
            "of them",
            loss->name, param->name, choices, param->default_number, MOST_CHOICES - 1);
    return RT_OK;
}

static rt_status check_field(const rt_loss *loss, const rt_param *param, rt_error *err)
{
    size_t alignment = 1, size = field_size(param->type, &alignment);
    if (size == 0)
        return rt_fail(err, RT_ERROR_FORMAT, "loss '%s': parameter '%s' is of type %d, which there is not", loss->name,
                       param->name, (int)param->type);
    if (size > loss->state_size || param->offset > loss->state_size - size || param->offset % alignment != 0)
        return rt_fail(err, RT_ERROR_FORMAT,
                       "loss '%s': parameter '%s' takes %zu bytes at %zu; it must lie within the %zu of state_size, "
                       "aligned to %zu",
                       loss->name, param->name, size, param->offset, loss->state_size, alignment);
    for (const rt_param *other = loss->params; other < param; ++other) {
        size_t other_alignment, other_size = field_size(other->type, &other_alignment);
        if (strcmp(other->name, param->name) == 0)
            return rt_fail(err, RT_ERROR_FORMAT, "loss '%s' has two parameters '%s'", loss->name, param->name);
        if (param->offset < other->offset + other_size && other->offset < param->offset + size)
            return rt_fail(err, RT_ERROR_FORMAT, "loss '%s': parameters '%s' and '%s' share memory", loss->name,
                           other->name, param->name);
    }
    return check_values(loss, param, err);
}

static rt_status check_params(const rt_loss *loss, rt_error *err)
{
    if (loss->state_size > MOST_STATE)
        return rt_fail(err, RT_ERROR_FORMAT, "loss '%s': state_size is %zu bytes; at most %d are allowed", loss->name,
                       loss->state_size, MOST_STATE);
    for (const rt_param *param = loss->params; param && param->name; ++param) {
        if (param - loss->params == MOST_PARAMS)
            return rt_fail(err, RT_ERROR_FORMAT,
                           "loss '%s' has more than %d parameters; does the table end in "
                           "RT_PARAM_END?",
                           loss->name, MOST_PARAMS);
        if (!rt_descriptor_is_name(param->name) || !param->help)
            return rt_fail(err, RT_ERROR_FORMAT, "loss '%s': parameter %zu has %s", loss->name,
                           (size_t)(param - loss->params),
                           param->help ? "a name that cannot be a recipe's key" : "no help");
        if (rt_param_find(rt_recipe_params_term, param->name))
            return rt_fail(err, RT_ERROR_FORMAT, "loss '%s': parameter '%s' has the name of a key that all terms have",
                           loss->name, param->name);
        RT_TRY(check_field(loss, param, err));
    }
    return RT_OK;
}

rt_status rt_descriptor_check(const rt_loss *loss, rt_error *err)
{
    const unsigned properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT;
    if (loss->abi != RT_LOSS_ABI)
        return rt_fail(err, RT_ERROR_FORMAT, "a loss is made for interface %u; this Retort has %d", loss->abi,
                       RT_LOSS_ABI);
    if (!rt_descriptor_is_name(loss->name))
        return rt_fail(err, RT_ERROR_FORMAT,
                       "a loss has %s; a name is made of a-z, 0-9 and _, begins with a letter and "
                       "has at most %d",
                       loss->name && *loss->name ? "a name that cannot be a recipe's key" : "no name", MOST_NAME);
    if (!loss->run || !loss->summary || !loss->formula)
        return rt_fail(err, RT_ERROR_FORMAT, "loss '%s' has no %s", loss->name,
                       !loss->run       ? "run()"
                       : !loss->summary ? "summary"
                                        : "formula");
    if (loss->properties & ~properties)
        return rt_fail(err, RT_ERROR_FORMAT, "loss '%s': properties are %#x, of which %#x mean nothing", loss->name,
                       loss->properties, loss->properties & ~properties);
    RT_TRY(check_ports(loss, err));
    return check_params(loss, err);
}
