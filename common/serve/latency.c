#include "common/serve/latency.h"

#include <stdlib.h>
#include <string.h>

void latency_add(struct latency *latency, uint64_t taken_us)
{
    latency->taken_us[latency->count % LATENCY_COUNT] = taken_us < UINT32_MAX ? (uint32_t)taken_us : UINT32_MAX;
    latency->count++;
}

static int compare_times(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return left < right ? -1 : left > right;
}

uint64_t latency_percentile_us(const struct latency *latency, uint32_t percent)
{
    uint32_t sorted[LATENCY_COUNT];
    size_t count = latency->count < LATENCY_COUNT ? (size_t)latency->count : LATENCY_COUNT;

    if (count == 0)
        return 0;
    memcpy(sorted, latency->taken_us, count * sizeof sorted[0]);
    qsort(sorted, count, sizeof sorted[0], compare_times);
    size_t rank = (count * percent + 99) / 100;
    return sorted[rank > 0 ? rank - 1 : 0];
}
