/* How long the last operations took: a ring of the newest LATENCY_COUNT, and percentiles of them on demand. */
#pragma once

#include <stdint.h>

#define LATENCY_COUNT 1024

/* The zero value is empty. */
struct latency {
    uint32_t taken_us[LATENCY_COUNT];
    uint64_t count; /* of all operations, also of those that the ring has lost */
};

void latency_add(struct latency *latency, uint64_t taken_us);
/* The time that this share of the kept operations did not pass; 0 when there are none. percent is 0 to 100. */
uint64_t latency_percentile_us(const struct latency *latency, uint32_t percent);
