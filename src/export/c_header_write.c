#include <ctype.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/version.h"
#include "export/c_header.h"

rt_status rt_c_name_make(const char *path, rt_c_name *name, rt_error *err)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
    size_t length = dot ? (size_t)(dot - base) : strlen(base);
    *name = (rt_c_name){0};
    if (length == 0 || length >= sizeof name->small || isdigit((unsigned char)*base))
        return rt_fail(err, RT_ERROR_USAGE,
                       "'%s' cannot name what is in a C header: it must begin with a letter and be shorter than %zu",
                       path, sizeof name->small);
    for (size_t i = 0; i < length; ++i) {
        bool good = (base[i] & 0x80) == 0 && isalnum((unsigned char)base[i]);
        name->small[i] = good ? base[i] : '_';
        name->large[i] = good ? (char)toupper((unsigned char)base[i]) : '_';
    }
    return RT_OK;
}

/* The shortest decimal that reads back as the same float, as a C constant. */
static void write_float(FILE *file, float value)
{
    char text[40];
    for (int precision = 6; precision <= 9; ++precision) {
        snprintf(text, sizeof text, "%.*g", precision, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    fprintf(file, "%s%s", text, strpbrk(text, ".e") ? "f" : "");
}

static void write_about(FILE *file, const rt_c_name *name, const rt_lowered *l, const rt_text_pair *about, size_t count)
{
    fprintf(file,
            "/* %s: an image classifier, written by Retort " RT_VERSION
            " for retort_infer.h, which says how to run it.\n",
            name->small);
    fprintf(file, " * An image is %zu x %zu x %zu floats: channels, height, width. There are %zu classes.\n *\n",
            l->channels, l->height, l->width, l->classes);
    for (size_t i = 0; i < count; ++i) {
        fprintf(file, " *     %-16s ", about[i].key);
        for (const char *letter = about[i].value; *letter; ++letter) /* nothing may end the comment */
            fputc(*letter == '*' || *letter == '\n' || *letter == '\r' ? '?' : *letter, file);
        fputc('\n', file);
    }
    fprintf(file, " */\n#ifndef %s_H\n#define %s_H\n\n#include \"retort_infer.h\"\n\n", name->large, name->large);
    fprintf(file, "#define %s_CHANNELS %zu\n#define %s_HEIGHT %zu\n#define %s_WIDTH %zu\n#define %s_CLASSES %zu\n",
            name->large, l->channels, name->large, l->height, name->large, l->width, name->large, l->classes);
    fprintf(file, "#define %s_ARENA %zu\n\n", name->large, l->network.arena_count);
}

static void write_weights(FILE *file, const rt_c_name *name, const rt_lowered *l)
{
    size_t count = l->network.weight_count;
    fprintf(file, "static const float %s_weights[%zu] = {", name->small, count ? count : 1);
    for (size_t i = 0; i < (count ? count : 1); ++i) {
        fputs(i % 8 ? " " : "\n    ", file);
        write_float(file, l->weights[i]);
        fputc(',', file);
    }
    fputs("\n};\n\n", file);
}

static void write_steps(FILE *file, const rt_c_name *name, const rt_lowered *l)
{
    if (l->network.step_count == 0)
        return;
    fprintf(file, "static const signed char %s_steps[%zu] = {", name->small, l->network.step_count);
    for (size_t i = 0; i < l->network.step_count; ++i)
        fprintf(file, "%s%d,", i % 24 ? "" : "\n    ", l->steps[i]);
    fputs("\n};\n\n", file);
}

static void write_tables(FILE *file, const rt_c_name *name, const rt_lowered *l)
{
    const retort_network *n = &l->network;
    fprintf(file, "static const retort_tensor %s_tensors[%d] = {\n", name->small, n->tensor_count);
    for (int i = 0; i < n->tensor_count; ++i) {
        const retort_tensor *t = &n->tensors[i];
        fprintf(file, "    {{%ld, %ld, %ld, %ld, %ld}, %d, %zu},\n", t->dims[0], t->dims[1], t->dims[2], t->dims[3],
                t->dims[4], t->constant, t->offset);
    }
    fprintf(file, "};\n\nstatic const retort_operator %s_operators[%d] = {\n", name->small, n->operator_count);
    for (int i = 0; i < n->operator_count; ++i) {
        const retort_operator *op = &n->operators[i];
        fprintf(file, "    {%d, %d, %d, {", op->kind, op->output, op->input_count);
        for (int k = 0; k < RETORT_INPUTS; ++k)
            fprintf(file, "%s%d", k ? ", " : "", op->inputs[k]);
        fputs("}, {", file);
        for (int k = 0; k < RETORT_NUMBERS; ++k)
            fprintf(file, "%s%ld", k ? ", " : "", op->numbers[k]);
        fputs("}, {", file);
        write_float(file, op->reals[0]);
        fputs(", ", file);
        write_float(file, op->reals[1]);
        fputs("}},\n", file);
    }
    fprintf(file, "};\n\nstatic const retort_network %s = {\n    %s_tensors, %s_operators, %s_weights, ", name->small,
            name->small, name->small, name->small);
    fprintf(file, n->step_count ? "%s_steps,\n" : "NULL,\n", name->small);
    fprintf(file, "    %d, %d, %d, %d, %zu, %zu, %zu,\n};\n\n#endif\n", n->tensor_count, n->operator_count, n->input,
            n->output, n->weight_count, n->step_count, n->arena_count);
}

rt_status rt_c_header_write(const char *path, const rt_c_name *name, const rt_lowered *lowered,
                            const rt_text_pair *about, size_t about_count, rt_error *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    if (!file)
        return rt_fail(err, RT_ERROR_MEMORY, "cannot write '%s': no memory", path);
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0), before = c ? uselocale(c) : (locale_t)0;
    write_about(file, name, lowered, about, about_count);
    write_weights(file, name, lowered);
    write_steps(file, name, lowered);
    write_tables(file, name, lowered);
    if (c) {
        uselocale(before);
        freelocale(c);
    }
    bool failed = ferror(file) != 0;
    failed |= fclose(file) != 0;
    rt_status status = failed ? rt_fail(err, RT_ERROR_MEMORY, "cannot write '%s': no memory", path)
                              : rt_file_write(path, &(rt_piece){text, size}, 1, err);
    free(text);
    return status;
}
