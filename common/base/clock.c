#include "common/base/clock.h"

#include "common/base/check.h"

#include <time.h>

static uint64_t clock_us(clockid_t clock)
{
    struct timespec now;

    CHECK(clock_gettime(clock, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000U + (uint64_t)now.tv_nsec / 1000U;
}

uint64_t clock_boot_ms(void)
{
    return clock_us(CLOCK_BOOTTIME) / 1000U;
}

uint64_t clock_boot_us(void)
{
    return clock_us(CLOCK_BOOTTIME);
}

uint64_t clock_wall_ms(void)
{
    return clock_us(CLOCK_REALTIME) / 1000U;
}
