#include "formula.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "retort/suggest.h"

/* One formula being read, from left to right, by a function for each level of binding. Once it has failed, they all
 * come back without reading on. */
struct reader {
    rt_formula *formula;
    const char *text, *place;
    int depth;
    rt_status status;
    rt_error *err;
};

static const struct function {
    const char *name;
    rt_formula_kind kind;
} functions[] = {
    {"log", RT_FORMULA_LOG}, {"exp", RT_FORMULA_EXP}, {"sqrt", RT_FORMULA_SQRT},
    {"abs", RT_FORMULA_ABS}, {"min", RT_FORMULA_MIN}, {"max", RT_FORMULA_MAX},
};

enum { FUNCTIONS = sizeof functions / sizeof *functions };

/* Bytes are characters: at the first that is not ASCII reading ends. */
static int character_at(const struct reader *reader, const char *place)
{
    return (int)(place - reader->text) + 1;
}

/* Of what stands at a place: a word, or one character, or the end. */
struct piece {
    char text[48];
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct piece piece_at(const char *place)
{
    struct piece piece = {"the end"};
    size_t length = 0;
    if (*place == '\0')
        return piece;
    if (is_letter(*place))
        while (length < sizeof piece.text - 3 && (is_letter(place[length]) || is_digit(place[length])))
            ++length;
    else
        for (length = 1; length < 4 && ((unsigned char)place[length] & 0xC0) == 0x80;)
            ++length;
    piece.text[0] = '\'';
    memcpy(piece.text + 1, place, length);
    strcpy(piece.text + 1 + length, "'");
    if ((unsigned char)*place < ' ' || *place == 0x7F)
        strcpy(piece.text, "a control character");
    return piece;
}

static int fail(struct reader *reader, const char *place, const char *expected)
{
    if (reader->status == RT_OK)
        reader->status = rt_fail(reader->err, RT_ERROR_USAGE, "character %d: %s expected, not %s",
                                 character_at(reader, place), expected, piece_at(place).text);
    return RT_FORMULA_FULL;
}

static void skip_blanks(struct reader *reader)
{
    while (*reader->place == ' ' || *reader->place == '\t')
        ++reader->place;
}

/* Whether `c` is next; reads it and the blanks behind it. */
static bool take(struct reader *reader, char c)
{
    if (reader->status != RT_OK || *reader->place != c)
        return false;
    ++reader->place;
    skip_blanks(reader);
    return true;
}

static void require(struct reader *reader, char c, const char *expected)
{
    if (!take(reader, c))
        fail(reader, reader->place, expected);
}

/* digits [. digits] [e [+-] digits], with digits before or behind the point */
static int read_number(struct reader *reader)
{
    const char *start = reader->place, *c = start;
    while (is_digit(*c))
        ++c;
    size_t digits = (size_t)(c - start);
    if (*c == '.')
        for (++c; is_digit(*c); ++c)
            ++digits;
    if (digits == 0)
        return fail(reader, c, "a digit");
    if (*c == 'e' || *c == 'E') {
        c += c[1] == '+' || c[1] == '-' ? 2 : 1;
        if (!is_digit(*c))
            return fail(reader, c, "a digit of the exponent");
        while (is_digit(*c))
            ++c;
    }
    if (is_letter(*c) || *c == '.')
        return fail(reader, c, "an operator behind the number");
    double number = strtod(start, NULL);
    reader->place = c;
    skip_blanks(reader);
    return rt_formula_number(reader->formula, number);
}

static int unknown_name(struct reader *reader, const char *name)
{
    const char *names[FUNCTIONS + 1] = {"u"};
    for (size_t i = 0; i < FUNCTIONS; ++i)
        names[i + 1] = functions[i].name;
    const char *nearest = rt_suggest(name, names, FUNCTIONS + 1);
    int character = character_at(reader, reader->place);
    const char *word = piece_at(reader->place).text;
    reader->status = nearest ? rt_fail(reader->err, RT_ERROR_USAGE, "character %d: %s is unknown; did you mean '%s'?",
                                       character, word, nearest)
                             : rt_fail(reader->err, RT_ERROR_USAGE,
                                       "character %d: %s is unknown; known are u, log, exp, sqrt, abs, min and max",
                                       character, word);
    return RT_FORMULA_FULL;
}

static int read_sum(struct reader *reader);

/* u, or a function of one or two formulas */
static int read_name(struct reader *reader)
{
    char name[16] = {0};
    const char *start = reader->place, *end = start;
    while (is_letter(*end) || is_digit(*end))
        ++end;
    size_t length = (size_t)(end - start), i = 0;
    memcpy(name, start, length < sizeof name ? length : sizeof name - 1);
    while (i < FUNCTIONS && strcmp(functions[i].name, name) != 0)
        ++i;
    bool is_u = strcmp(name, "u") == 0;
    if (i == FUNCTIONS && !is_u)
        return unknown_name(reader, name);
    reader->place = end;
    skip_blanks(reader);
    if (is_u)
        return rt_formula_u(reader->formula);
    require(reader, '(', "'(' behind a function's name");
    int left = read_sum(reader), right;
    bool two = functions[i].kind < RT_FORMULA_NEGATE;
    if (two) {
        require(reader, ',', "',' and a second formula");
        right = read_sum(reader);
    }
    require(reader, ')', "')'");
    if (reader->status != RT_OK)
        return RT_FORMULA_FULL;
    return two ? rt_formula_binary(reader->formula, functions[i].kind, left, right)
               : rt_formula_unary(reader->formula, functions[i].kind, left);
}

static int read_atom(struct reader *reader)
{
    char c = *reader->place;
    if (reader->status != RT_OK)
        return RT_FORMULA_FULL;
    if (is_digit(c) || c == '.')
        return read_number(reader);
    if (is_letter(c))
        return read_name(reader);
    if (!take(reader, '('))
        return fail(reader, reader->place, "a number, u, a function or '('");
    int inner = read_sum(reader);
    require(reader, ')', "')'");
    return inner;
}

/* -x, x^y; y may have a sign, and be a power itself. Every way into a deeper level leads through here. */
static int read_power(struct reader *reader)
{
    if (++reader->depth > RT_FORMULA_DEEPEST && reader->status == RT_OK)
        reader->status = rt_fail(reader->err, RT_ERROR_USAGE, "character %d: more than %d levels of nesting",
                                 character_at(reader, reader->place), RT_FORMULA_DEEPEST);
    int result;
    if (take(reader, '-')) {
        result = rt_formula_unary(reader->formula, RT_FORMULA_NEGATE, read_power(reader));
    } else {
        result = read_atom(reader);
        if (take(reader, '^'))
            result = rt_formula_power(reader->formula, result, read_power(reader));
    }
    --reader->depth;
    return result;
}

static int read_product(struct reader *reader)
{
    int result = read_power(reader);
    for (;;) {
        if (take(reader, '*'))
            result = rt_formula_binary(reader->formula, RT_FORMULA_MULTIPLY, result, read_power(reader));
        else if (take(reader, '/'))
            result = rt_formula_binary(reader->formula, RT_FORMULA_DIVIDE, result, read_power(reader));
        else
            return result;
    }
}

static int read_sum(struct reader *reader)
{
    int result = read_product(reader);
    for (;;) {
        if (take(reader, '+'))
            result = rt_formula_binary(reader->formula, RT_FORMULA_ADD, result, read_product(reader));
        else if (take(reader, '-'))
            result = rt_formula_binary(reader->formula, RT_FORMULA_SUBTRACT, result, read_product(reader));
        else
            return result;
    }
}

rt_status rt_formula_parse(rt_formula *formula, const char *text, int *root, rt_error *err)
{
    size_t length = strlen(text);
    if (length > RT_FORMULA_LONGEST)
        return rt_fail(err, RT_ERROR_USAGE, "it has %zu bytes; it may have at most %d", length, RT_FORMULA_LONGEST);
    struct reader reader = {.formula = formula, .text = text, .place = text, .err = err};
    skip_blanks(&reader);
    *root = read_sum(&reader);
    if (reader.status == RT_OK && *reader.place != '\0')
        fail(&reader, reader.place, "an operator or the end");
    if (reader.status == RT_OK && *root == RT_FORMULA_FULL)
        return rt_fail(err, RT_ERROR_USAGE, "it needs more than %d operations", RT_FORMULA_NODES);
    return reader.status;
}
