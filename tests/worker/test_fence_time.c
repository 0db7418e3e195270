#include "worker/core/fence.h"

#include <criterion/criterion.h>

Test(fence_time, is_the_sending_and_lease_and_reap_grace_without_terminate_grace_and_five_seconds)
{
    cr_assert_eq(fence_time_ms(1000, 30000, (struct fence_terms){600000, 10000}), 1000 + 30000 + 600000 - 10000 - 5000);
}

Test(fence_time, is_at_once_when_the_broker_leaves_no_time)
{
    cr_assert_eq(fence_time_ms(1000, 100, (struct fence_terms){4899, 0}), 1000);
    cr_assert_eq(fence_time_ms(1000, 100, (struct fence_terms){4901, 0}), 1001);
}

Test(fence_time, is_never_where_the_broker_does_not_reap)
{
    cr_assert_eq(fence_time_ms(1000, 30000, (struct fence_terms){0, 10000}), UINT64_MAX);
}
