#include "common/base/store_time.h"

#define UNSAVED_LEAST_MS 100
#define UNSAVED_MOST_MS 30000

uint64_t store_time_unsaved_max_ms(uint64_t opened_ms, uint64_t saved_ms)
{
    uint64_t lived_ms = saved_ms - opened_ms;

    if (lived_ms < UNSAVED_LEAST_MS)
        return UNSAVED_LEAST_MS;
    return lived_ms < UNSAVED_MOST_MS ? lived_ms : UNSAVED_MOST_MS;
}
