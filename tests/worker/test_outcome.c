#include "worker/core/life.h"
#include "worker/core/outcome.h"
#include "worker/core/slots.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define BACKOFF_MS 7000

static struct decision decide(struct ending ending)
{
    struct decision decision;
    outcome_decide(&ending, BACKOFF_MS, &decision);
    return decision;
}

Test(outcome, follows_the_exit_status)
{
    static const struct {
        int exit_status;
        int signal;
        enum decision_kind kind;
        enum decision_failure failure;
        const char *error_type;
    } cases[] = {
        {0, 0, DECISION_COMPLETE, 0, ""},
        {1, 0, DECISION_FAIL, DECISION_BY_ATTEMPT, "exit-1"},
        {74, 0, DECISION_FAIL, DECISION_BY_ATTEMPT, "exit-74"},
        {75, 0, DECISION_RELEASE, 0, ""},
        {76, 0, DECISION_FAIL, DECISION_BY_ATTEMPT, "exit-76"},
        {255, 0, DECISION_FAIL, DECISION_BY_ATTEMPT, "exit-255"},
        {-1, 9, DECISION_FAIL, DECISION_BY_CRASH, "signal-9"},
        {-1, 15, DECISION_FAIL, DECISION_BY_CRASH, "signal-15"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct decision decision =
            decide((struct ending){.started = true, .exit_status = cases[i].exit_status, .signal = cases[i].signal});
        cr_expect_eq(decision.kind, cases[i].kind, "status %d", cases[i].exit_status);
        cr_expect_eq(decision.failure, cases[i].failure, "status %d", cases[i].exit_status);
        cr_expect_not(decision.final);
        cr_expect_str_eq(decision.error_type, cases[i].error_type);
        cr_expect_eq(decision.delay_ms, cases[i].kind == DECISION_RELEASE ? BACKOFF_MS : 0);
    }
}

Test(outcome, is_decided_by_the_supervisors_own_intent_before_any_exit_status)
{
    static const struct {
        enum intent intent;
        enum decision_kind kind;
        enum decision_failure failure;
        const char *error_type;
    } cases[] = {
        {INTENT_CANCEL, DECISION_FAIL, DECISION_BY_ATTEMPT, "canceled"},
        {INTENT_SUSPEND, DECISION_SUSPEND, 0, ""},
        {INTENT_TIMEOUT, DECISION_FAIL, DECISION_BY_TIMEOUT, "timeout"},
        {INTENT_OUTPUT_FULL, DECISION_FAIL, DECISION_BY_ATTEMPT, "output-full"},
        {INTENT_SHUTDOWN, DECISION_RELEASE, 0, ""},
        {INTENT_GIVE_BACK, DECISION_RELEASE, 0, ""},
        {INTENT_STALE, DECISION_SILENT, 0, ""},
    };
    static const struct ending ends[] = {{.started = true, .exit_status = 0},
                                         {.started = true, .exit_status = 75},
                                         {.started = true, .exit_status = -1, .signal = 9},
                                         {.started = false, .exit_status = -1},
                                         {.started = true, .shim_lost = true}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t j = 0; j < sizeof ends / sizeof ends[0]; j++) {
            struct ending ending = ends[j];
            ending.intent = cases[i].intent;
            ending.reason = "because";
            struct decision decision = decide(ending);
            cr_expect_eq(decision.kind, cases[i].kind);
            cr_expect_eq(decision.failure, cases[i].failure);
            cr_expect_str_eq(decision.error_type, cases[i].error_type);
            cr_expect_not(decision.final);
        }
}

Test(outcome, of_a_run_that_never_began_charges_no_attempt)
{
    struct decision decision = decide((struct ending){.refused = true, .reason = "no slot"});
    cr_expect_eq(decision.kind, DECISION_RELEASE);
    cr_expect_eq(decision.delay_ms, 0);
    cr_expect_str_eq(decision.message, "no slot");
    decision = decide((struct ending){.started = false, .exit_status = -1, .reason = "no such program"});
    cr_expect_eq(decision.kind, DECISION_RELEASE);
    cr_expect_gt(decision.delay_ms, 0);
}

Test(outcome, that_no_further_attempt_would_change_is_final)
{
    struct decision decision = decide((struct ending){.refused_for_good = true, .reason = "NUL"});
    cr_expect_eq(decision.kind, DECISION_FAIL);
    cr_expect(decision.final);
    cr_expect_str_eq(decision.error_type, "refused");
}

Test(outcome, of_a_lost_shim_is_a_crash)
{
    struct decision decision = decide((struct ending){.started = true, .exit_status = -1, .shim_lost = true});
    cr_expect_eq(decision.kind, DECISION_FAIL);
    cr_expect_eq(decision.failure, DECISION_BY_CRASH);
    cr_expect_str_eq(decision.error_type, "shim-died");
}

Test(outcome, quotes_the_last_words_of_the_agent)
{
    char line[64];
    outcome_last_line(bytes_of_text("first\nsyntax error near \x1b[31m;\n\n"), line, sizeof line);
    struct decision decision = decide((struct ending){.started = true, .exit_status = 1, .last_words = line});
    cr_expect_str_eq(decision.message, "exit status 1: \"syntax error near ?[31m;\"");
}

Test(outcome, cuts_a_message_at_a_character)
{
    char reason[2 * MESSAGE_SIZE];
    for (size_t i = 0; i < sizeof reason - 2; i += 2)
        memcpy(reason + i, "\xC3\xA9", 2);
    reason[sizeof reason - 2] = '\0';
    struct decision decision = decide((struct ending){.refused = true, .reason = reason});
    cr_expect_eq(strlen(decision.message), MESSAGE_SIZE - 2);
    cr_expect(text_is_valid(bytes_of_text(decision.message)));
}

Test(outcome, keeps_broken_text_out_of_messages)
{
    char line[16];
    outcome_last_line(bytes_of_text("ok \xFF\xC3"), line, sizeof line);
    cr_expect(text_is_valid(bytes_of_text(line)), "%s", line);
    outcome_last_line((struct bytes){0}, line, sizeof line);
    cr_expect_str_eq(line, "");
    outcome_last_line(bytes_of_text("0123456789012345678901234567890"), line, sizeof line);
    cr_expect_str_eq(line, "012345678901234");
}

Test(outcome, backs_off_twice_as_long_each_time_up_to_the_limit)
{
    cr_expect_eq(outcome_backoff(0, 0, 0), 10000);
    cr_expect_eq(outcome_backoff(0, 0, 2), 40000);
    cr_expect_eq(outcome_backoff(0, 0, 4000000000U), 300000);
    cr_expect_eq(outcome_backoff(4000000000U, 4294967295U, 5), 4294967295U);
    cr_expect_eq(outcome_backoff(10, 5, 0), 5);
}

Test(result, is_the_file_before_the_output_and_both_are_bounded)
{
    static uint8_t big[RESULT_MAX_BYTES + 10];
    memset(big, 'x', sizeof big);
    struct bytes file = bytes_of_text("result");
    struct bytes output = {.data = big, .size = sizeof big};

    cr_expect(bytes_equal(outcome_result(file, output), file));
    cr_expect_eq(outcome_result((struct bytes){0}, output).size, TAIL_MAX_BYTES);
    cr_expect_eq(outcome_result(output, file).size, RESULT_MAX_BYTES);
    cr_expect_eq(outcome_result((struct bytes){0}, (struct bytes){0}).size, 0);
    big[RESULT_MAX_BYTES - 1] = 0xC3;
    big[RESULT_MAX_BYTES] = 0xA9;
    cr_expect_eq(outcome_result(output, file).size, RESULT_MAX_BYTES - 1, "no half character at the cut");
}

Test(result, says_what_it_is)
{
    cr_expect_str_eq(outcome_content_type(bytes_of_text("gr\xC3\xBC\xC3\x9F dich")), "text/plain; charset=utf-8");
    cr_expect_str_eq(outcome_content_type(bytes_of_text("\xFF\xFE")), "application/octet-stream");
}

Test(life, knows_no_way_back_and_ends)
{
    for (enum life state = LIFE_CLAIMED; state < LIFE_STATES; state++) {
        bool ways = false;
        for (enum life_event event = 0; event < LIFE_EVENTS; event++) {
            enum life after = life_after(state, event);
            cr_expect(after == LIFE_NONE || after >= state, "%s", life_name(state));
            ways = ways || (after != LIFE_NONE && after != state);
        }
        cr_expect_eq(ways, state != LIFE_DONE, "%s", life_name(state));
    }
}

Test(slots, are_never_more_than_the_total_and_the_maximum_of_the_type)
{
    struct slots slots = {.total = 5};
    struct type_slots a = {.max = 3};
    struct type_slots b = {0};

    for (uint32_t i = 1; i <= 3; i++)
        cr_expect_eq(slots_take(&slots, &a), i);
    cr_expect_eq(slots_take(&slots, &a), 0, "the type is at its maximum");
    cr_expect_eq(slots_free(&slots, &b), 2);
    cr_expect_eq(slots_take(&slots, &b), 1);
    cr_expect_eq(slots_take(&slots, &b), 2);
    cr_expect_eq(slots_take(&slots, &b), 0, "all are taken");
    slots_give(&slots, &a, 2);
    cr_expect_eq(slots_take(&slots, &a), 2, "the least free number");
}

Test(slots, stay_taken_when_the_maximum_becomes_smaller)
{
    struct slots slots = {.total = 4};
    struct type_slots type = {.max = 4};

    for (int i = 0; i < 4; i++)
        cr_assert_neq(slots_take(&slots, &type), 0);
    type.max = 2;
    slots.total = 1;
    cr_expect_eq(slots_free(&slots, &type), 0);
    slots_give(&slots, &type, 1);
    slots_give(&slots, &type, 2);
    slots_give(&slots, &type, 3);
    cr_expect_eq(slots_free(&slots, &type), 0);
    slots_give(&slots, &type, 4);
    cr_expect_eq(slots_free(&slots, &type), 1);
}

Test(slots, reach_their_limit)
{
    struct slots slots = {.total = SLOTS_MAX};
    struct type_slots type = {0};

    for (uint32_t i = 1; i <= SLOTS_MAX; i++)
        cr_assert_eq(slots_take(&slots, &type), i);
    cr_expect_eq(slots_take(&slots, &type), 0);
}
