#include "broker/core/rhythm.h"

#include <stdbool.h>

#define ROUND_PART 4
#define INTERVAL_WEIGHT 8
#define DEVIATION_WEIGHT 4

static int64_t distance(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

void rhythm_beat(struct rhythm *rhythm, uint64_t now_ms, uint32_t told_ms, uint32_t most_ms)
{
    uint64_t gap_ms = now_ms - rhythm->heard_ms;

    if (rhythm->heard_ms != 0 && gap_ms < told_ms / ROUND_PART)
        return;
    bool is_first = rhythm->heard_ms == 0;
    rhythm->heard_ms = now_ms;
    if (is_first)
        return;
    int64_t gap_us = (int64_t)(gap_ms < most_ms ? gap_ms : most_ms) * 1000;
    if (rhythm->beats == 0) {
        rhythm->interval_us = gap_us;
        rhythm->deviation_us = gap_us / 2;
    }
    int64_t late_us = gap_us > rhythm->interval_us ? gap_us - rhythm->interval_us : 0;
    rhythm->deviation_us += (distance(late_us, rhythm->lateness_us) - rhythm->deviation_us) / DEVIATION_WEIGHT;
    rhythm->lateness_us += (late_us - rhythm->lateness_us) / INTERVAL_WEIGHT;
    rhythm->interval_us += (gap_us - rhythm->interval_us) / INTERVAL_WEIGHT;
    if (rhythm->beats < RHYTHM_BEATS_MIN)
        rhythm->beats++;
}

uint64_t rhythm_lease_ms(const struct rhythm *rhythm)
{
    if (rhythm->beats < RHYTHM_BEATS_MIN)
        return 0;
    return (uint64_t)(3 * rhythm->interval_us + rhythm->lateness_us + 4 * rhythm->deviation_us) / 1000;
}
