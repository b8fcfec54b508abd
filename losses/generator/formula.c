#include "formula.h"

#include <math.h>
#include <stdbool.h>

static int append(rt_formula *formula, rt_formula_node node)
{
    for (int i = 0; i < formula->count; ++i) {
        const rt_formula_node *old = &formula->nodes[i];
        if (old->kind == node.kind && old->left == node.left && old->right == node.right && old->number == node.number)
            return i;
    }
    if (formula->count == RT_FORMULA_NODES)
        return RT_FORMULA_FULL;
    formula->nodes[formula->count] = node;
    return formula->count++;
}

int rt_formula_number(rt_formula *formula, double number)
{
    return append(formula, (rt_formula_node){RT_FORMULA_NUMBER, 0, 0, number});
}

int rt_formula_u(rt_formula *formula)
{
    return append(formula, (rt_formula_node){RT_FORMULA_U, 0, 0, 0.0});
}

static bool is_number(const rt_formula *formula, int node)
{
    return formula->nodes[node].kind == RT_FORMULA_NUMBER;
}

static bool is(const rt_formula *formula, int node, double number)
{
    return is_number(formula, node) && formula->nodes[node].number == number;
}

static double fold_unary(rt_formula_kind kind, double x)
{
    switch (kind) {
    case RT_FORMULA_NEGATE:
        return -x;
    case RT_FORMULA_LOG:
        return log(x);
    case RT_FORMULA_EXP:
        return exp(x);
    case RT_FORMULA_SQRT:
        return sqrt(x);
    case RT_FORMULA_ABS:
        return fabs(x);
    default:
        return (double)(x > 0.0) - (double)(x < 0.0);
    }
}

static double fold_binary(rt_formula_kind kind, double x, double y)
{
    switch (kind) {
    case RT_FORMULA_ADD:
        return x + y;
    case RT_FORMULA_SUBTRACT:
        return x - y;
    case RT_FORMULA_MULTIPLY:
        return x * y;
    case RT_FORMULA_DIVIDE:
        return x / y;
    case RT_FORMULA_MIN:
        return x < y ? x : y;
    case RT_FORMULA_MAX:
        return x > y ? x : y;
    default:
        return x == 0.0 ? 0.0 : x * y;
    }
}

int rt_formula_unary(rt_formula *formula, rt_formula_kind kind, int operand)
{
    if (operand == RT_FORMULA_FULL)
        return RT_FORMULA_FULL;
    const rt_formula_node *node = &formula->nodes[operand];
    if (node->kind == RT_FORMULA_NUMBER)
        return rt_formula_number(formula, fold_unary(kind, node->number));
    if (kind == RT_FORMULA_NEGATE && node->kind == RT_FORMULA_NEGATE)
        return node->left;
    return append(formula, (rt_formula_node){kind, operand, 0, 0.0});
}

/* What x op y is without a new node, or RT_FORMULA_FULL where it needs one. */
static int known(rt_formula *formula, rt_formula_kind kind, int x, int y)
{
    const rt_formula_node *nodes = formula->nodes;
    switch (kind) {
    case RT_FORMULA_ADD:
        return is(formula, x, 0.0) ? y : is(formula, y, 0.0) ? x : RT_FORMULA_FULL;
    case RT_FORMULA_SUBTRACT:
        return is(formula, y, 0.0) ? x : x == y ? rt_formula_number(formula, 0.0) : RT_FORMULA_FULL;
    case RT_FORMULA_MULTIPLY:
        if (is(formula, x, 1.0) || is(formula, y, 0.0))
            return y;
        if (is(formula, y, 1.0) || is(formula, x, 0.0))
            return x;
        if (nodes[y].kind == RT_FORMULA_DIVIDE && nodes[y].right == x) /* x (a / x) */
            return nodes[y].left;
        if (nodes[x].kind == RT_FORMULA_DIVIDE && nodes[x].right == y)
            return nodes[x].left;
        return RT_FORMULA_FULL;
    case RT_FORMULA_GATE:
        return is(formula, y, 1.0) ? x : is(formula, y, 0.0) ? y : RT_FORMULA_FULL;
    case RT_FORMULA_DIVIDE:
        if (is(formula, y, 1.0) || (is(formula, x, 0.0) && !is_number(formula, y)))
            return x;
        return x == y ? rt_formula_number(formula, 1.0) : RT_FORMULA_FULL;
    default:
        return x == y ? x : RT_FORMULA_FULL;
    }
}

int rt_formula_binary(rt_formula *formula, rt_formula_kind kind, int left, int right)
{
    if (left == RT_FORMULA_FULL || right == RT_FORMULA_FULL)
        return RT_FORMULA_FULL;
    if (is_number(formula, left) && is_number(formula, right))
        return rt_formula_number(formula, fold_binary(kind, formula->nodes[left].number, formula->nodes[right].number));
    int result = known(formula, kind, left, right);
    if (result != RT_FORMULA_FULL)
        return result;
    if (kind == RT_FORMULA_SUBTRACT && is(formula, left, 0.0))
        return rt_formula_unary(formula, RT_FORMULA_NEGATE, right);
    return append(formula, (rt_formula_node){kind, left, right, 0.0});
}

/* base^exponent, exponent >= 1, by squaring. */
static int whole_power(rt_formula *formula, int base, int exponent)
{
    if (exponent == 1)
        return base;
    int half = whole_power(formula, base, exponent / 2);
    int square = rt_formula_binary(formula, RT_FORMULA_MULTIPLY, half, half);
    return exponent % 2 ? rt_formula_binary(formula, RT_FORMULA_MULTIPLY, base, square) : square;
}

int rt_formula_power(rt_formula *formula, int base, int exponent)
{
    const int most = 64; /* more multiplications would be dearer than a logarithm and an exponential */
    if (base == RT_FORMULA_FULL || exponent == RT_FORMULA_FULL)
        return RT_FORMULA_FULL;
    double number = formula->nodes[exponent].number, size = fabs(number);
    if (is_number(formula, exponent)) {
        int power = RT_FORMULA_FULL;
        if (is_number(formula, base))
            return rt_formula_number(formula, pow(formula->nodes[base].number, number));
        if (number == 0.0)
            return rt_formula_number(formula, 1.0);
        if (size == 0.5)
            power = rt_formula_unary(formula, RT_FORMULA_SQRT, base);
        else if (size <= most && size == floor(size))
            power = whole_power(formula, base, (int)size);
        if (power != RT_FORMULA_FULL && number > 0.0)
            return power;
        if (power != RT_FORMULA_FULL)
            return rt_formula_binary(formula, RT_FORMULA_DIVIDE, rt_formula_number(formula, 1.0), power);
    }
    int logarithm = rt_formula_unary(formula, RT_FORMULA_LOG, base);
    return rt_formula_unary(formula, RT_FORMULA_EXP,
                            rt_formula_binary(formula, RT_FORMULA_MULTIPLY, exponent, logarithm));
}
