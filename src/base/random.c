#include "retort/random.h"

#include <math.h>

#include "retort/exponential.h"
#include "retort/logarithm.h"
#include "retort/vector.h"

enum { ROUNDS = 10, BLOCKS = 64 };

static inline void philox(const rt_key *key, uint32_t block, uint32_t words[4])
{
    /* The multipliers and Weyl constants of the paper's Philox4x32. */
    const uint64_t multiplier_a = 0xD2511F53u, multiplier_b = 0xCD9E8D57u;
    uint32_t key_a = (uint32_t)key->seed, key_b = (uint32_t)(key->seed >> 32);
    uint32_t a = block, b = (key->stream << 24) ^ key->epoch;
    uint32_t c = (uint32_t)key->index, d = (uint32_t)(key->index >> 32);
#pragma GCC unroll 10
    for (int round = 0; round < ROUNDS; ++round) {
        uint64_t product_a = multiplier_a * a, product_b = multiplier_b * c;
        a = (uint32_t)(product_b >> 32) ^ b ^ key_a;
        c = (uint32_t)(product_a >> 32) ^ d ^ key_b;
        b = (uint32_t)product_b;
        d = (uint32_t)product_a;
        key_a += 0x9E3779B9u;
        key_b += 0xBB67AE85u;
    }
    words[0] = a, words[1] = b, words[2] = c, words[3] = d;
}

void rt_random_block(const rt_key *key, uint32_t block, uint32_t words[4])
{
    philox(key, block, words);
}

/* Blocks first to first + BLOCKS - 1, side by side: a vector has a block in each of its lanes. */
RT_WIDE static void many_blocks(const rt_key *key, uint32_t first, uint32_t words[4][BLOCKS])
{
    const rt_key copy = *key; /* which `words` cannot change */
    for (uint32_t i = 0; i < BLOCKS; ++i) {
        uint32_t block[4];
        philox(&copy, first + i, block);
        words[0][i] = block[0], words[1][i] = block[1], words[2][i] = block[2], words[3][i] = block[3];
    }
}

uint32_t rt_random_word(const rt_key *key, uint64_t draw)
{
    uint32_t words[4];
    rt_random_block(key, (uint32_t)(draw / 4), words);
    return words[draw % 4];
}

static uint64_t two_words(const rt_key *key, uint32_t draw)
{
    uint32_t words[4];
    rt_random_block(key, draw, words);
    return (uint64_t)words[0] << 32 | words[1];
}

uint32_t rt_random_below(const rt_key *key, uint32_t draw, uint32_t bound)
{
    return (uint32_t)((unsigned __int128)two_words(key, draw) * bound >> 64);
}

double rt_random_uniform(const rt_key *key, uint32_t draw)
{
    return (double)(two_words(key, draw) >> 11) * 0x1p-53;
}

void rt_random_normal_from(const rt_key *key, size_t first, double *values, size_t count)
{
    const double two_pi = 6.283185307179586;
    uint32_t words[4][BLOCKS];
    for (size_t i = 0; i < count; i += 2) {
        const size_t b = i / 2 % BLOCKS;
        if (b == 0)
            many_blocks(key, (uint32_t)((first + i) / 2), words);
        /* Half a unit in the last place keeps the logarithm's argument away from zero. */
        double u = ((double)((uint64_t)words[0][b] << 21 ^ words[1][b] >> 11) + 0.5) * 0x1p-53;
        double v = (double)((uint64_t)words[2][b] << 21 ^ words[3][b] >> 11) * 0x1p-53;
        double radius = sqrt(-2.0 * log(u));
        values[i] = radius * cos(two_pi * v);
        if (i + 1 < count)
            values[i + 1] = radius * sin(two_pi * v);
    }
}

void rt_random_normal(const rt_key *key, double *values, size_t count)
{
    enum { PIECE = 2 * BLOCKS };
#pragma omp parallel for schedule(static) if (count > 4096)
    for (size_t first = 0; first < count; first += PIECE)
        rt_random_normal_from(key, first, values + first, count - first < PIECE ? count - first : PIECE);
}

/* Two uniform numbers in (0, 1), from one block: half a unit in the last place keeps them off the ends. */
static void two_uniforms(const rt_key *key, uint32_t draw, double uniforms[2])
{
    uint32_t words[4];
    rt_random_block(key, draw, words);
    for (size_t i = 0; i < 2; ++i)
        uniforms[i] = ((double)(((uint64_t)words[2 * i] << 32 | words[2 * i + 1]) >> 12) + 0.5) * 0x1p-52;
}

/* Standard normal, by Marsaglia's polar method: no sine, whose bits are each C library's own. */
static double polar_normal(const rt_key *key, uint32_t *draw)
{
    for (;;) {
        double point[2];
        two_uniforms(key, (*draw)++, point);
        const double x = 2.0 * point[0] - 1.0, y = 2.0 * point[1] - 1.0, square = x * x + y * y;
        if (square < 1.0 && square > 0.0)
            return x * sqrt(-2.0 * rt_log(square) / square);
    }
}

/* The logarithm of a variate of Gamma(shape). Below 1, Gamma(shape) is Gamma(shape + 1) times u^(1 / shape). */
static double log_gamma_variate(const rt_key *key, uint32_t *draw, double shape)
{
    const double d = (shape < 1.0 ? shape + 1.0 : shape) - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        double uniforms[2];
        const double x = polar_normal(key, draw), root = 1.0 + c * x, v = root * root * root;
        two_uniforms(key, (*draw)++, uniforms);
        if (v <= 0.0 || rt_log(uniforms[0]) >= 0.5 * x * x + d - d * v + d * rt_log(v))
            continue;
        return rt_log(d) + rt_log(v) + (shape < 1.0 ? rt_log(uniforms[1]) / shape : 0.0);
    }
}

double rt_random_beta(const rt_key *key, uint32_t *draw, double a, double b)
{
    const double log_x = log_gamma_variate(key, draw, a), log_y = log_gamma_variate(key, draw, b);
    return 1.0 / (1.0 + rt_exp(log_y - log_x));
}

void rt_random_permutation(const rt_key *key, uint32_t *order, size_t count)
{
    for (size_t i = 0; i < count; ++i)
        order[i] = (uint32_t)i;
    for (size_t i = count; i > 1; --i) {
        size_t j = rt_random_below(key, (uint32_t)i, (uint32_t)i);
        uint32_t swapped = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swapped;
    }
}
