#include "bench/sample.h"

#include "common/base/check.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

void sample_add(struct sample *sample, uint64_t taken_us)
{
    if (sample->count == sample->capacity) {
        sample->capacity = sample->capacity == 0 ? 65536 : sample->capacity * 2;
        sample->taken_us = reallocate(sample->taken_us, sample->capacity * sizeof(*sample->taken_us));
    }
    sample->taken_us[sample->count++] = taken_us < UINT32_MAX ? (uint32_t)taken_us : UINT32_MAX;
}

static int compare_times(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

double median_of(double *values, size_t count)
{
    qsort(values, count, sizeof(values[0]), compare_doubles);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

struct latencies sample_latencies(struct sample *sample)
{
    if (sample->count == 0)
        return (struct latencies){0};
    qsort(sample->taken_us, sample->count, sizeof(*sample->taken_us), compare_times);
    size_t at_p50 = sample->count / 2;
    size_t at_p99 = sample->count - 1 - sample->count / 100;
    return (struct latencies){.p50_us = sample->taken_us[at_p50],
                              .p99_us = sample->taken_us[at_p99],
                              .most_us = sample->taken_us[sample->count - 1]};
}

void sample_done(struct sample *sample)
{
    free(sample->taken_us);
    *sample = (struct sample){0};
}

double cpu_of_process_us(pid_t pid)
{
    clockid_t clock;
    struct timespec time;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0)
        return 0;
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

double cpu_of_self_us(void)
{
    struct rusage usage = {0};

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}
