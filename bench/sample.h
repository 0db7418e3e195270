/* The times of many operations, for percentiles, and the CPU time that processes took. */
#pragma once

#include "bench/bench.h"

struct sample {
    uint32_t *taken_us;
    size_t count;
    size_t capacity;
};

void sample_add(struct sample *sample, uint64_t taken_us);
/* Sorts it. Zeros when it is empty. */
struct latencies sample_latencies(struct sample *sample);
void sample_done(struct sample *sample);

/* User and system time so far, in microseconds; 0 when there is no such process. */
double cpu_of_process_us(pid_t pid);
double cpu_of_self_us(void);

/* Sorts them. */
double median_of(double *values, size_t count);
