#include "common/base/clock.h"
#include "common/rpc/envelope.h"
#include "tests/rpc/fixture.h"

#include <criterion/criterion.h>

static struct fixture fixture;

static void set_up(void)
{
    fixture_init(&fixture, NULL);
}

static void tear_down(void)
{
    fixture_done(&fixture);
}

TestSuite(calls, .init = set_up, .fini = tear_down);

Test(calls, a_unary_call_gets_its_answer)
{
    struct result result = {0};

    fixture.revision = 42;
    say(fixture.client, "Say", "hello", 5000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_eq(result.status, STATUS_OK);
    cr_expect_str_eq(result.text, "hello");
    cr_expect_eq(result.revision, 42);
    cr_expect_eq(result.replies, 1);
}

Test(calls, a_refusal_carries_status_reason_message_and_detail)
{
    struct result result = {0};

    say(fixture.client, "Say", "refuse", 5000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_eq(result.status, STATUS_ABORTED);
    cr_expect_str_eq(result.reason, "STALE_FENCE");
    cr_expect_str_eq(result.message, "the fence is stale");
    cr_expect_eq(result.detail_size, strlen("detail"));
}

Test(calls, a_kept_call_is_answered_later)
{
    struct result result = {0};

    say(fixture.client, "Park", "later", 5000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    cr_expect_eq(rpc_server_stats(fixture.server).open_calls, 1);
    cr_expect_not(result.end);
    answer(fixture.parked[0], "now");
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_str_eq(result.text, "now");
    cr_expect_eq(rpc_server_stats(fixture.server).open_calls, 0);
    cr_expect_eq(fixture.ended, 0);
}
