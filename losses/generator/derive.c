#include "formula.h"

#include <stdbool.h>

/* Of min and max: the derivative of the one that is chosen, gated, since the other's may be too large for any sum. At a
 * kink both gates are at one half. */
static int derive_choice(rt_formula *formula, const rt_formula_node *node, int left, int right)
{
    int half = rt_formula_number(formula, 0.5);
    int sign = rt_formula_unary(formula, RT_FORMULA_SIGN,
                                rt_formula_binary(formula, RT_FORMULA_SUBTRACT, node->left, node->right));
    int side = rt_formula_binary(formula, RT_FORMULA_MULTIPLY, half, sign);
    int of_larger = rt_formula_binary(formula, RT_FORMULA_ADD, half, side);
    int of_smaller = rt_formula_binary(formula, RT_FORMULA_SUBTRACT, half, side);
    bool max = node->kind == RT_FORMULA_MAX;
    return rt_formula_binary(formula, RT_FORMULA_ADD,
                             rt_formula_binary(formula, RT_FORMULA_GATE, max ? of_larger : of_smaller, left),
                             rt_formula_binary(formula, RT_FORMULA_GATE, max ? of_smaller : of_larger, right));
}

/* Where node `number` is exp(a * log(x)), which is how x^a is written: a x^(a - 1) x', which at x = 0 is a number where
 * the derivative of the exponential is 0 / 0. Else RT_FORMULA_FULL. */
static int derive_power(rt_formula *formula, int number, const int *derivatives)
{
    const rt_formula_node *product = &formula->nodes[formula->nodes[number].left];
    if (product->kind != RT_FORMULA_MULTIPLY || formula->nodes[product->left].kind != RT_FORMULA_NUMBER ||
        formula->nodes[product->right].kind != RT_FORMULA_LOG)
        return RT_FORMULA_FULL;
    int exponent = product->left, x = formula->nodes[product->right].left;
    int lower = rt_formula_number(formula, formula->nodes[exponent].number - 1.0);
    int slope = rt_formula_binary(formula, RT_FORMULA_MULTIPLY, exponent, rt_formula_power(formula, x, lower));
    return rt_formula_binary(formula, RT_FORMULA_MULTIPLY, slope, derivatives[x]);
}

/* The derivative of node `number`, from those of the nodes before it. */
static int derive(rt_formula *formula, int number, const int *derivatives)
{
    const rt_formula_node node = formula->nodes[number];
    int x = node.left, y = node.right, left = derivatives[x], right = derivatives[y], power;
    switch (node.kind) {
    case RT_FORMULA_U:
        return rt_formula_number(formula, 1.0);
    case RT_FORMULA_ADD:
    case RT_FORMULA_SUBTRACT:
        return rt_formula_binary(formula, node.kind, left, right);
    case RT_FORMULA_MULTIPLY:
        return rt_formula_binary(formula, RT_FORMULA_ADD, rt_formula_binary(formula, RT_FORMULA_MULTIPLY, left, y),
                                 rt_formula_binary(formula, RT_FORMULA_MULTIPLY, x, right));
    case RT_FORMULA_DIVIDE: { /* (x' - (x / y) y') / y: y^2 could overflow */
        int other = rt_formula_binary(formula, RT_FORMULA_MULTIPLY, number, right);
        return rt_formula_binary(formula, RT_FORMULA_DIVIDE,
                                 rt_formula_binary(formula, RT_FORMULA_SUBTRACT, left, other), y);
    }
    case RT_FORMULA_GATE:
        return rt_formula_binary(formula, RT_FORMULA_GATE, x, right);
    case RT_FORMULA_MIN:
    case RT_FORMULA_MAX:
        return derive_choice(formula, &node, left, right);
    case RT_FORMULA_NEGATE:
        return rt_formula_unary(formula, RT_FORMULA_NEGATE, left);
    case RT_FORMULA_LOG:
        return rt_formula_binary(formula, RT_FORMULA_DIVIDE, left, x);
    case RT_FORMULA_EXP:
        power = derive_power(formula, number, derivatives);
        return power != RT_FORMULA_FULL ? power : rt_formula_binary(formula, RT_FORMULA_MULTIPLY, number, left);
    case RT_FORMULA_SQRT:
        return rt_formula_binary(formula, RT_FORMULA_DIVIDE,
                                 rt_formula_binary(formula, RT_FORMULA_MULTIPLY, rt_formula_number(formula, 0.5), left),
                                 number);
    case RT_FORMULA_ABS:
        return rt_formula_binary(formula, RT_FORMULA_MULTIPLY, rt_formula_unary(formula, RT_FORMULA_SIGN, x), left);
    default: /* a number, or a sign, which is constant but for its jumps */
        return rt_formula_number(formula, 0.0);
    }
}

int rt_formula_derive(rt_formula *formula, int root)
{
    bool needed[RT_FORMULA_NODES] = {false};
    int derivatives[RT_FORMULA_NODES] = {0};
    if (root == RT_FORMULA_FULL)
        return RT_FORMULA_FULL;
    needed[root] = true;
    for (int i = root; i > 0; --i) { /* operands stand before their node */
        const rt_formula_node *node = &formula->nodes[i];
        if (needed[i] && node->kind >= RT_FORMULA_ADD)
            needed[node->left] = true;
        if (needed[i] && node->kind >= RT_FORMULA_ADD && node->kind <= RT_FORMULA_GATE)
            needed[node->right] = true;
    }
    for (int i = 0; i <= root; ++i)
        if (needed[i])
            derivatives[i] = derive(formula, i, derivatives);
    return derivatives[root];
}
