#include <stdlib.h>
#include <string.h>

#include "export/lowering.h"
#include "graph/memory.h"

typedef struct placing {
    rt_buffer *buffers; /* of each value */
    int *tensors;       /* of each value: its number among tensors, -1 for integers */
} placing;

static size_t value_floats(const rt_sizes *sizes)
{
    size_t count;
    return rt_sizes_count(sizes, &count) ? count : 0;
}

/* Numbers the float values; sizes of constants and the input come from the program. */
static int number_tensors(const rt_program *program, placing *p)
{
    int count = 0;
    for (size_t i = 0; i < program->value_count; ++i)
        p->tensors[i] = program->values[i].integer ? -1 : count++;
    return count;
}

static void find_lives(const rt_lowering *l, placing *p)
{
    const rt_program *program = l->program;
    int end = (int)program->operator_count + 1;
    for (size_t i = 0; i < program->value_count; ++i)
        p->buffers[i] = (rt_buffer){
            .bytes = program->values[i].data ? 0 : value_floats(&l->sizes[i]) * sizeof(float), .first = 0, .last = 0};
    for (int step = 1; step < end; ++step) {
        const rt_operator *op = &program->operators[step - 1];
        for (size_t k = 0; k < op->input_count; ++k)
            p->buffers[op->inputs[k]].last = step;
        p->buffers[op->output].first = p->buffers[op->output].last = step;
    }
    p->buffers[program->output].last = end;
}

static void fill_tensor(retort_tensor *tensor, const rt_sizes *sizes, int constant, size_t offset)
{
    *tensor = (retort_tensor){.dims = {1, 1, 1, 1, 1}, .constant = constant, .offset = offset};
    for (size_t d = 0; d < sizes->count; ++d)
        tensor->dims[RETORT_DIMS - sizes->count + d] = sizes->dims[d];
}

/* Whether a value is a constant of the wanted kind. */
static bool is_constant(const rt_value *value, bool narrow)
{
    return value->data && !value->integer && value->narrow == narrow;
}

static rt_status fill(const rt_lowering *l, const placing *p, int tensor_count, size_t arena, rt_lowered *to,
                      rt_error *err)
{
    const rt_program *program = l->program;
    size_t counts[2] = {0}, offsets[2] = {0}; /* weights, and steps */
    for (size_t i = 0; i < program->value_count; ++i)
        for (int narrow = 0; narrow < 2; ++narrow)
            counts[narrow] += is_constant(&program->values[i], narrow) ? value_floats(&l->sizes[i]) : 0;
    to->tensors = calloc((size_t)tensor_count, sizeof *to->tensors);
    to->weights = calloc(counts[0] + 1, sizeof *to->weights);
    to->steps = calloc(counts[1] + 1, sizeof *to->steps);
    if (!to->tensors || !to->weights || !to->steps)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for %zu weights", counts[0] + counts[1]);
    for (size_t i = 0; i < program->value_count; ++i) {
        const rt_value *value = &program->values[i];
        size_t count = value_floats(&l->sizes[i]);
        if (p->tensors[i] < 0)
            continue;
        fill_tensor(&to->tensors[p->tensors[i]], &l->sizes[i],
                    !value->data    ? RETORT_COMPUTED
                    : value->narrow ? RETORT_STEPS
                                    : RETORT_WEIGHTS,
                    value->data ? offsets[value->narrow] : p->buffers[i].offset / sizeof(float));
        if (value->data) {
            size_t *offset = &offsets[value->narrow];
            memcpy(value->narrow ? (void *)(to->steps + *offset) : (void *)(to->weights + *offset), value->data,
                   count * rt_value_size(value));
            *offset += count;
        }
    }
    const rt_sizes *input = &l->sizes[program->input];
    to->channels = (size_t)input->dims[1];
    to->height = (size_t)input->dims[2];
    to->width = (size_t)input->dims[3];
    to->classes = program->classes;
    to->network = (retort_network){.tensors = to->tensors,
                                   .operators = to->operators,
                                   .weights = to->weights,
                                   .steps = to->steps,
                                   .tensor_count = tensor_count,
                                   .operator_count = (int)program->operator_count,
                                   .input = p->tensors[program->input],
                                   .output = p->tensors[program->output],
                                   .weight_count = counts[0],
                                   .step_count = counts[1],
                                   .arena_count = arena / sizeof(float)};
    return RT_OK;
}

static rt_status lower(rt_lowering *l, placing *p, rt_lowered *to, rt_error *err)
{
    const rt_program *program = l->program;
    size_t arena;
    int tensor_count = number_tensors(program, p);
    for (size_t i = 0; i < program->value_count; ++i)
        l->sizes[i] = program->values[i].sizes;
    for (size_t i = 0; i < program->operator_count; ++i) {
        const rt_operator *op = &program->operators[i];
        rt_lower_operator(l, op, &to->operators[i]);
        if (l->error.status != RT_OK)
            return rt_fail(err, l->error.status, "%s", l->error.message);
        to->operators[i].output = p->tensors[op->output];
        for (int k = 0; k < to->operators[i].input_count; ++k)
            to->operators[i].inputs[k] = p->tensors[op->inputs[k]];
    }
    if (value_floats(&l->sizes[program->output]) != program->classes)
        return rt_fail(err, RT_ERROR_FORMAT, "its output has %zu numbers; it must have one for each of %zu classes",
                       value_floats(&l->sizes[program->output]), program->classes);
    find_lives(l, p);
    RT_TRY(rt_memory_plan(p->buffers, program->value_count, &arena, err));
    return fill(l, p, tensor_count, arena, to, err);
}

rt_status rt_lowered_make(const rt_program *program, rt_lowered *lowered, rt_error *err)
{
    *lowered = (rt_lowered){0};
    rt_lowering l = {.program = program};
    placing p = {0};
    l.sizes = calloc(program->value_count + 1, sizeof *l.sizes);
    p.buffers = calloc(program->value_count + 1, sizeof *p.buffers);
    p.tensors = calloc(program->value_count + 1, sizeof *p.tensors);
    lowered->operators = calloc(program->operator_count + 1, sizeof *lowered->operators);
    rt_status status = l.sizes && p.buffers && p.tensors && lowered->operators
                           ? lower(&l, &p, lowered, err)
                           : rt_fail(err, RT_ERROR_MEMORY, "no memory for %zu operators", program->operator_count);
    free(l.sizes);
    free(p.buffers);
    free(p.tensors);
    if (status != RT_OK)
        rt_lowered_free(lowered);
    return status;
}

void rt_lowered_free(rt_lowered *lowered)
{
    free(lowered->tensors);
    free(lowered->operators);
    free(lowered->weights);
    free(lowered->steps);
    *lowered = (rt_lowered){0};
}

rt_status rt_lowered_run(const rt_lowered *lowered, const float *images, size_t count, float *logits, rt_error *err)
{
    size_t image = lowered->channels * lowered->height * lowered->width;
    bool failed = false;
#pragma omp parallel reduction(|| : failed)
    {
        float *arena = malloc((lowered->network.arena_count + 1) * sizeof *arena);
        failed = !arena;
#pragma omp for schedule(dynamic)
        for (size_t i = 0; i < count; ++i)
            if (arena)
                retort_infer(&lowered->network, images + i * image, arena, logits + i * lowered->classes);
        free(arena);
    }
    return failed ? rt_fail(err, RT_ERROR_MEMORY, "no memory for an arena of %zu numbers", lowered->network.arena_count)
                  : RT_OK;
}
