#include "base/fma_peak.h"

#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/cpu.h"

/* A multiply-add takes 4 or 5 cycles and two can start in each, so that ten sums in turn keep both units busy; twelve,
 * the factor and the term still fit into the 16 registers of AVX2. */
enum { SUMS = 12, ROUNDS = 10, TRIES = 3 };
static const double round_seconds = 0.005;

/* x = FACTOR x + TERM goes to 1: neither denormals nor infinities on the way. */
#define FACTOR 0.999f
#define TERM 0.001f

/* Does `turns` multiply-adds to each of its sums and returns what came out. */
typedef float fma_loop(uint64_t turns);

static float add_portable(uint64_t turns)
{
    enum { LANES = 4 };
    float sums[SUMS * LANES] = {0.0f}, total = 0.0f;
    for (uint64_t turn = 0; turn < turns; ++turn)
        for (size_t i = 0; i < SUMS * LANES; ++i)
#if defined(__FP_FAST_FMAF)
            sums[i] = __builtin_fmaf(sums[i], FACTOR, TERM);
#else
            sums[i] = sums[i] * FACTOR + TERM;
#endif
    for (size_t i = 0; i < SUMS * LANES; ++i)
        total += sums[i];
    return total;
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static float add_avx2(uint64_t turns)
{
    const __m256 factor = _mm256_set1_ps(FACTOR), term = _mm256_set1_ps(TERM);
    __m256 sums[SUMS];
    for (size_t i = 0; i < SUMS; ++i)
        sums[i] = _mm256_setzero_ps();
    for (uint64_t turn = 0; turn < turns; ++turn)
        for (size_t i = 0; i < SUMS; ++i)
            sums[i] = _mm256_fmadd_ps(sums[i], factor, term);
    __m256 total = sums[0];
    for (size_t i = 1; i < SUMS; ++i)
        total = _mm256_add_ps(total, sums[i]);
    return _mm_cvtss_f32(_mm256_castps256_ps128(total));
}

__attribute__((target("avx512f"))) static float add_avx512(uint64_t turns)
{
    const __m512 factor = _mm512_set1_ps(FACTOR), term = _mm512_set1_ps(TERM);
    __m512 sums[SUMS];
    for (size_t i = 0; i < SUMS; ++i)
        sums[i] = _mm512_setzero_ps();
    for (uint64_t turn = 0; turn < turns; ++turn)
        for (size_t i = 0; i < SUMS; ++i)
            sums[i] = _mm512_fmadd_ps(sums[i], factor, term);
    __m512 total = sums[0];
    for (size_t i = 1; i < SUMS; ++i)
        total = _mm512_add_ps(total, sums[i]);
    return _mm_cvtss_f32(_mm512_castps512_ps128(total));
}
#endif

static const struct loop {
    const char *isa;
    fma_loop *run;
    size_t lanes;
} portable = {"portable", add_portable, 4};

static struct loop choose(size_t lanes)
{
#if defined(__x86_64__)
    static const struct loop avx2 = {"AVX2", add_avx2, 8}, avx512 = {"AVX-512", add_avx512, 16};
    if (lanes >= 16 && __builtin_cpu_supports("avx512f"))
        return avx512;
    if (lanes >= 8 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return avx2;
#endif
    (void)lanes;
    return portable;
}

/* The loop as work that must be done between two looks at the clock: a compiler sees that it touches no memory and
 * would move it or do it once for all, so its count comes from a volatile and its sum goes into one. */
static void work(const struct loop *loop, const volatile uint64_t *turns)
{
    volatile float sum = loop->run(*turns);
    (void)sum;
}

/* Seconds for all threads to be done, and how many they were. */
static double run_together(const struct loop *loop, const volatile uint64_t *turns, int *threads)
{
    int count = 0;
    double started = rt_seconds();
#pragma omp parallel reduction(+ : count)
    {
        ++count;
        work(loop, turns);
    }
    double seconds = rt_seconds() - started;
    *threads = count;
    return seconds;
}

/* Seconds on this thread: the best of several, since one that was interrupted would make the rounds too short. */
static double run_alone(const struct loop *loop, const volatile uint64_t *turns)
{
    double best = 0.0;
    for (int i = 0; i < TRIES; ++i) {
        double started = rt_seconds();
        work(loop, turns);
        double seconds = rt_seconds() - started;
        best = i == 0 || seconds < best ? seconds : best;
    }
    return best;
}

rt_fma_peak rt_fma_peak_measure(size_t lanes)
{
    const struct loop loop = choose(lanes);
    volatile uint64_t turns = 10000;
    while (run_alone(&loop, &turns) < round_seconds && turns < UINT64_C(1) << 32)
        turns = 2 * turns;
    double best = 0.0;
    for (int round = 0; round < ROUNDS; ++round) {
        int threads;
        double seconds = run_together(&loop, &turns, &threads);
        double gflops = 2e-9 * (double)turns * SUMS * (double)loop.lanes * threads / seconds;
        best = gflops > best ? gflops : best;
    }
    return (rt_fma_peak){best, loop.isa};
}
