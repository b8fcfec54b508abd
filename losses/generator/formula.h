/* A formula in one variable u, as a tree whose equal parts are one: text in, simplified nodes out, and derivatives.
 *
 *     rt_formula formula = {0};
 *     int f, slope;
 *     RT_TRY(rt_formula_parse(&formula, "u*log(u)", &f, err));
 *     slope = rt_formula_derive(&formula, f);                     // log(u) + 1
 *
 * Nodes are numbers into formula.nodes, and a node's operands stand before it. Whoever builds a node gets an old one
 * where the same was built before or the result is known: 2 * 3 is 6, x + 0 is x, u / u is 1. Powers do not exist as
 * nodes: u^2 is u * u, u^0.5 is sqrt(u), u^0.3 is exp(0.3 * log(u)). When a formula is full, or any operand is
 * RT_FORMULA_FULL, so is the result; ask once at the end. */
#ifndef LOSSES_GENERATOR_FORMULA_H
#define LOSSES_GENERATOR_FORMULA_H

#include "retort/error.h"

enum { RT_FORMULA_FULL = -1, RT_FORMULA_NODES = 512, RT_FORMULA_LONGEST = 400, RT_FORMULA_DEEPEST = 50 };

typedef enum rt_formula_kind {
    RT_FORMULA_NUMBER,
    RT_FORMULA_U,
    RT_FORMULA_ADD,
    RT_FORMULA_SUBTRACT,
    RT_FORMULA_MULTIPLY,
    RT_FORMULA_DIVIDE,
    RT_FORMULA_MIN,
    RT_FORMULA_MAX,
    RT_FORMULA_GATE, /* 0 where the left operand is, whatever the right one is; else their product. Of derivatives
                      * alone. Up to here with two operands, from here on with one */
    RT_FORMULA_NEGATE,
    RT_FORMULA_LOG,
    RT_FORMULA_EXP,
    RT_FORMULA_SQRT,
    RT_FORMULA_ABS,
    RT_FORMULA_SIGN /* -1, 0 or 1: the derivative of abs */
} rt_formula_kind;

typedef struct rt_formula_node {
    rt_formula_kind kind;
    int left, right; /* 0 where there is no such operand */
    double number;   /* 0 but for RT_FORMULA_NUMBER */
} rt_formula_node;

/* Zero-initialise. Holds several formulas at once. */
typedef struct rt_formula {
    rt_formula_node nodes[RT_FORMULA_NODES];
    int count;
} rt_formula;

int rt_formula_number(rt_formula *formula, double number);
int rt_formula_u(rt_formula *formula);
int rt_formula_unary(rt_formula *formula, rt_formula_kind kind, int operand);
int rt_formula_binary(rt_formula *formula, rt_formula_kind kind, int left, int right);
int rt_formula_power(rt_formula *formula, int base, int exponent);

/* Reads a text: u, numbers, + - * / ^ and unary minus, parentheses, log, exp, sqrt, abs, min, max. ^ binds tightest and
 * to the right, -u^2 is -(u^2). Errors name the character, counted from 1. */
rt_status rt_formula_parse(rt_formula *formula, const char *text, int *root, rt_error *err);

/* The derivative with respect to u. Where min, max or abs have a kink, the mean of both sides. */
int rt_formula_derive(rt_formula *formula, int root);

#endif
