#include "broker/core/backoff.h"

#define INTERRUPTION_BASE_MS 500
#define INTERRUPTION_MAX_MS 60000
#define DOUBLINGS_MAX 32

static uint64_t doubled(uint64_t base_ms, uint32_t times, uint64_t max_ms)
{
    uint64_t wait_ms = base_ms << (times < DOUBLINGS_MAX ? times : DOUBLINGS_MAX - 1);

    return times < DOUBLINGS_MAX && wait_ms < max_ms ? wait_ms : max_ms;
}

uint64_t backoff_of_attempt_ms(uint32_t attempts, uint32_t base_ms, uint32_t max_ms)
{
    return doubled(base_ms, attempts > 0 ? attempts - 1 : 0, max_ms);
}

uint64_t backoff_of_interruption_ms(uint32_t interruptions)
{
    return interruptions < 2 ? 0 : doubled(INTERRUPTION_BASE_MS, interruptions - 2, INTERRUPTION_MAX_MS);
}
