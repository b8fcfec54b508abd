#include "base/threads.h"

#include <omp.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "base/cpu.h"
#include "retort/loss.h"

static void flush_denormals(bool flush)
{
#if defined(__SSE__)
    const unsigned flush_to_zero = 0x8000, denormals_are_zero = 0x0040;
    const unsigned others = _mm_getcsr() & ~(flush_to_zero | denormals_are_zero);
    _mm_setcsr(flush ? others | flush_to_zero | denormals_are_zero : others);
#elif defined(__aarch64__)
    const unsigned long flush_to_zero = 1ul << 24;
    unsigned long control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    __asm__ volatile("msr fpcr, %0" ::"r"(flush ? control | flush_to_zero : control & ~flush_to_zero));
#else
    (void)flush;
#endif
}

void rt_threads_flush_denormals(bool flush)
{
#pragma omp parallel
    flush_denormals(flush);
}

int rt_threads_start(int threads)
{
    if (threads <= 0)
        threads = rt_cpu_count();
    omp_set_dynamic(0);
    omp_set_num_threads(threads);
    rt_threads_flush_denormals(true);
    return threads;
}

int rt_threads_count(void)
{
    return omp_get_max_threads();
}

void rt_threads_spin_briefly(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT"))
        return;
    /* About 0.1 ms where a pause takes 140 cycles, less elsewhere: longer than a parallel region's usual imbalance. */
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0 || setenv("GOMP_SPINCOUNT", "2000", 1) != 0)
        return;
    program[length] = '\0';
    execv(program, argv); /* on failure the program goes on as it is */
}

void rt_parallel_rows(size_t rows, void (*body)(void *context, size_t row), void *context)
{
#pragma omp parallel for schedule(static)
    for (size_t row = 0; row < rows; ++row)
        body(context, row);
}
