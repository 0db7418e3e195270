#include "common/serve/latency.h"

#include <criterion/criterion.h>

Test(latency, of_nothing_is_zero)
{
    static const struct latency latency;

    cr_assert_eq(latency_percentile_us(&latency, 50), 0);
    cr_assert_eq(latency_percentile_us(&latency, 99), 0);
}

Test(latency, percentile_is_the_time_that_so_many_did_not_pass)
{
    static struct latency latency;

    for (uint64_t i = 100; i > 0; i--)
        latency_add(&latency, i * 10);
    cr_assert_eq(latency_percentile_us(&latency, 0), 10);
    cr_assert_eq(latency_percentile_us(&latency, 50), 500);
    cr_assert_eq(latency_percentile_us(&latency, 99), 990);
    cr_assert_eq(latency_percentile_us(&latency, 100), 1000);
}

Test(latency, ring_forgets_the_oldest_but_counts_them)
{
    static struct latency latency;

    for (int i = 0; i < 10; i++)
        latency_add(&latency, 1000000);
    for (int i = 0; i < LATENCY_COUNT; i++)
        latency_add(&latency, 7);
    cr_assert_eq(latency.count, LATENCY_COUNT + 10);
    cr_assert_eq(latency_percentile_us(&latency, 100), 7);
    latency_add(&latency, UINT64_MAX);
    cr_assert_eq(latency_percentile_us(&latency, 100), UINT32_MAX);
}
