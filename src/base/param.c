#include "retort/param.h"

#include <string.h>

void rt_param_defaults(const rt_param *params, void *target)
{
    for (const rt_param *p = params; p && p->name; ++p) {
        void *field = (char *)target + p->offset;
        switch (p->type) {
        case RT_PARAM_INT:
            *(int64_t *)field = (int64_t)p->default_number;
            break;
        case RT_PARAM_FLOAT:
            *(double *)field = p->default_number;
            break;
        case RT_PARAM_BOOL:
            *(bool *)field = p->default_number != 0.0;
            break;
        case RT_PARAM_ENUM:
            *(int *)field = (int)p->default_number;
            break;
        case RT_PARAM_STRING:
            *(const char **)field = p->default_string;
            break;
        case RT_PARAM_INT_LIST:
            memset(field, 0, sizeof(rt_int_list));
            break;
        case RT_PARAM_FLOAT_LIST:
            memset(field, 0, sizeof(rt_float_list));
            break;
        }
    }
}

const rt_param *rt_param_find(const rt_param *params, const char *name)
{
    for (const rt_param *p = params; p && p->name; ++p)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}
