/* The judge itself: a history without fault passes, and each kind of fault is seen. */
#include "tests/torture/checker.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* time invoked actor operation round kind call task fence value reason. Task 7 is work 1: claimed with fence 10 at 200
 * for 1 ms, completed at 400. */
#define SUBMIT "100 90 a 1 0 ok submit 7 0 1 -\n"
#define CLAIM "200 190 b 1 0 ok claim 7 10 1 -\n"
#define COMPLETE "390 390 b 2 0 invoke complete 7 10 0 -\n400 390 b 2 0 ok complete 7 10 0 -\n"
#define STATES "900 890 c 1 0 ok state 7 10 1 COMPLETED\n990 980 c 2 1 ok state 7 10 1 COMPLETED\n"
#define CLAIM_AGAIN "1600 1590 d 1 0 ok claim 7 11 1 -\n"
#define COMPLETE_AGAIN "1700 1700 d 2 0 invoke complete 7 11 0 -\n1800 1700 d 2 0 ok complete 7 11 0 -\n"
#define STATES_AGAIN "1900 1890 c 1 0 ok state 7 11 1 COMPLETED\n1990 1980 c 2 1 ok state 7 11 1 COMPLETED\n"

static struct verdict judge(const char *text)
{
    struct history history = {0};
    struct verdict verdict;
    char *copy = strdup(text);
    char *rest = copy;
    char *line = NULL;

    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        struct history_event event;

        cr_assert(history_parse(line, &event), "not an event: %s", line);
        history_add(&history, &event);
    }
    checker_run(&history, &verdict);
    free(history.events);
    free(copy);
    return verdict;
}

/* It is found, once, and nothing else is. */
static void expect_only(const char *text, enum violation violation)
{
    struct verdict verdict = judge(text);

    for (size_t i = 0; i < VIOLATIONS; i++) {
        uint64_t expected = i == violation;

        cr_expect(verdict.violations[i] == expected, "%s: %lu, expected %lu (%s)", violation_name((enum violation)i),
                  verdict.violations[i], expected, verdict.examples[i]);
    }
}

static void expect_none(const char *text)
{
    struct verdict verdict = judge(text);

    for (size_t i = 0; i < VIOLATIONS; i++)
        cr_expect(verdict.violations[i] == 0, "%s: %s", violation_name((enum violation)i), verdict.examples[i]);
}

Test(checker, finds_nothing_in_a_good_history)
{
    struct verdict verdict = judge(SUBMIT CLAIM COMPLETE STATES);

    expect_none(SUBMIT CLAIM COMPLETE STATES);
    cr_expect(verdict.tasks == 1);
    cr_expect(verdict.runs == 1);
    cr_expect(verdict.completed == 1);
}

Test(checker, accepts_a_second_holder_after_the_lease)
{
    expect_none(SUBMIT CLAIM CLAIM_AGAIN COMPLETE_AGAIN STATES_AGAIN);
}

Test(checker, accepts_a_second_holder_after_the_first_failed)
{
    expect_none(SUBMIT CLAIM "300 300 b 2 0 invoke fail 7 10 0 -\n350 300 b 2 0 ok fail 7 10 2 -\n"
                             "500 450 d 1 0 ok claim 7 11 1 -\n" COMPLETE_AGAIN STATES_AGAIN);
}

Test(checker, accepts_a_late_completion_that_is_refused)
{
    struct verdict verdict = judge(SUBMIT CLAIM CLAIM_AGAIN
                                   "1650 1650 b 2 0 invoke complete 7 10 0 -\n"
                                   "1660 1650 b 2 0 refused complete 7 10 0 STALE_FENCE\n" COMPLETE_AGAIN STATES_AGAIN);

    cr_expect(verdict_violations(&verdict) == 0);
    cr_expect(verdict.late_refused == 1);
}

Test(checker, accepts_a_completion_whose_answer_was_lost)
{
    struct verdict verdict = judge(SUBMIT CLAIM "390 390 b 2 0 invoke complete 7 10 0 -\n" STATES);

    cr_expect(verdict_violations(&verdict) == 0);
    cr_expect(verdict.completed_unseen == 1);
}

Test(checker, sees_a_lost_task)
{
    expect_only(SUBMIT, VIOLATION_LOST);
    expect_only(SUBMIT CLAIM COMPLETE "900 890 c 1 0 ok state 7 10 1 COMPLETED\n", VIOLATION_LOST);
}

Test(checker, sees_a_task_that_did_not_end)
{
    expect_only(SUBMIT CLAIM "900 890 c 1 0 ok state 7 10 1 RUNNING\n990 980 c 2 1 ok state 7 10 1 RUNNING\n",
                VIOLATION_NOT_COMPLETED);
}

Test(checker, sees_two_tasks_for_one_work)
{
    expect_only(SUBMIT CLAIM COMPLETE STATES "105 90 a 2 0 ok submit 8 0 1 -\n"
                                             "300 300 b 3 0 ok claim 8 12 1 -\n310 305 b 4 0 invoke complete 8 12 0 -\n"
                                             "900 890 c 1 0 ok state 8 12 1 COMPLETED\n"
                                             "990 980 c 2 1 ok state 8 12 1 COMPLETED\n",
                VIOLATION_DUPLICATE_TASK);
}

Test(checker, sees_one_id_for_two_works)
{
    expect_only(SUBMIT "105 95 e 1 0 ok submit 7 0 2 -\n" CLAIM COMPLETE "900 890 c 1 0 ok state 7 10 2 COMPLETED\n"
                       "990 980 c 2 1 ok state 7 10 2 COMPLETED\n",
                VIOLATION_DUPLICATE_ID);
}

Test(checker, sees_a_task_that_nobody_submitted)
{
    expect_only(CLAIM COMPLETE STATES, VIOLATION_NOT_SUBMITTED);
}

Test(checker, sees_two_completions)
{
    struct verdict verdict = judge(SUBMIT CLAIM CLAIM_AGAIN COMPLETE_AGAIN STATES_AGAIN
                                   "1500 1500 b 2 0 invoke complete 7 10 0 -\n1850 1500 b 2 0 ok complete 7 10 0 -\n");

    cr_expect(verdict.violations[VIOLATION_TWO_COMPLETIONS] == 1);
}

Test(checker, sees_a_completion_that_was_lost)
{
    expect_only(SUBMIT CLAIM
                "1500 1500 b 2 0 invoke complete 7 10 0 -\n1550 1500 b 2 0 ok complete 7 10 0 -\n"
                "1600 1540 d 1 0 ok claim 7 11 1 -\n1700 1700 d 2 0 invoke complete 7 11 0 -\n" STATES_AGAIN,
                VIOLATION_COMPLETION_LOST);
}

Test(checker, sees_a_completion_that_nobody_asked_for)
{
    expect_only(SUBMIT CLAIM STATES, VIOLATION_NEVER_COMPLETED);
}

Test(checker, sees_two_live_holders)
{
    expect_only(SUBMIT CLAIM "500 450 d 1 0 ok claim 7 11 1 -\n" COMPLETE_AGAIN STATES_AGAIN, VIOLATION_TWO_HOLDERS);
}

Test(checker, sees_two_live_holders_where_a_heartbeat_renewed_the_lease)
{
    expect_only(SUBMIT CLAIM "1110 1100 b 2 0 ok heartbeat 7 10 1 GO_ON\n" CLAIM_AGAIN COMPLETE_AGAIN STATES_AGAIN,
                VIOLATION_TWO_HOLDERS);
}

Test(checker, accepts_a_second_holder_after_the_first_ones_process_died)
{
    expect_none("300 0 10001 9 0 invoke death 0 0 0 -\n" SUBMIT "200 190 10002 1 0 ok claim 7 10 1 -\n"
                "500 450 d 1 0 ok claim 7 11 1 -\n" COMPLETE_AGAIN STATES_AGAIN);
    expect_only("300 0 20001 9 0 invoke death 0 0 0 -\n" SUBMIT "200 190 10002 1 0 ok claim 7 10 1 -\n"
                "500 450 d 1 0 ok claim 7 11 1 -\n" COMPLETE_AGAIN STATES_AGAIN,
                VIOLATION_TWO_HOLDERS);
}

Test(checker, sees_one_fence_for_two_claims)
{
    expect_only(SUBMIT CLAIM "210 190 d 1 0 ok claim 7 10 1 -\n" COMPLETE STATES, VIOLATION_FENCE_TWICE);
}

Test(checker, sees_a_fence_that_goes_back)
{
    expect_only(SUBMIT CLAIM "1600 1590 d 1 0 ok claim 7 9 1 -\n1700 1700 d 2 0 invoke complete 7 9 0 -\n"
                             "1900 1890 c 1 0 ok state 7 9 1 COMPLETED\n1990 1980 c 2 1 ok state 7 9 1 COMPLETED\n",
                VIOLATION_FENCE_BACK);
}

Test(checker, sees_an_answer_for_a_run_that_was_never_claimed)
{
    expect_only(SUBMIT CLAIM COMPLETE STATES "350 340 d 1 0 ok start 7 99 1 -\n", VIOLATION_NO_SUCH_CLAIM);
}

Test(checker, sees_a_claim_of_a_task_that_has_ended)
{
    expect_only(SUBMIT CLAIM COMPLETE STATES "700 690 d 1 0 ok claim 7 11 1 -\n", VIOLATION_CLAIMED_AFTER_END);
}

Test(checker, sees_a_late_completion_that_is_accepted)
{
    struct verdict verdict = judge(SUBMIT CLAIM CLAIM_AGAIN STATES "1650 1650 b 2 0 invoke complete 7 10 0 -\n"
                                                                   "1660 1650 b 2 0 ok complete 7 10 0 -\n");

    cr_expect(verdict.violations[VIOLATION_STALE_ACCEPTED] == 1);
}

Test(checker, sees_a_late_heartbeat_that_is_accepted)
{
    struct verdict verdict =
        judge(SUBMIT CLAIM CLAIM_AGAIN "1650 1640 b 2 0 ok heartbeat 7 10 0 GO_ON\n" COMPLETE_AGAIN STATES_AGAIN);

    cr_expect(verdict.violations[VIOLATION_STALE_ACCEPTED] == 1);
    cr_expect(verdict.violations[VIOLATION_TWO_HOLDERS] == 1);
}

Test(checker, sees_a_live_run_refused)
{
    expect_only(SUBMIT CLAIM
                "300 300 b 2 0 invoke complete 7 10 0 -\n"
                "310 300 b 2 0 refused complete 7 10 0 STALE_FENCE\n" CLAIM_AGAIN COMPLETE_AGAIN STATES_AGAIN,
                VIOLATION_REFUSED_ALIVE);
}

Test(checker, sees_a_refusal_for_another_reason)
{
    expect_only(SUBMIT CLAIM CLAIM_AGAIN
                "1650 1650 b 2 0 invoke complete 7 10 0 -\n"
                "1660 1650 b 2 0 refused complete 7 10 0 NO_SUCH_TASK\n" COMPLETE_AGAIN STATES_AGAIN,
                VIOLATION_WRONG_REFUSAL);
}

Test(checker, sees_repeats_that_differ)
{
    expect_only(SUBMIT CLAIM COMPLETE STATES "1500 390 b 2 1 refused complete 7 10 0 STALE_FENCE\n",
                VIOLATION_REPEAT_DIFFERS);
    expect_only(SUBMIT CLAIM "250 190 b 1 1 ok claim 7 10 1 -\n" COMPLETE STATES
                             "260 190 b 1 2 ok claim 8 13 1 -\n110 90 a 2 0 ok submit 8 0 2 -\n"
                             "300 290 b 8 0 invoke complete 8 13 0 -\n900 890 c 1 0 ok state 8 13 2 COMPLETED\n"
                             "990 980 c 2 1 ok state 8 13 2 COMPLETED\n",
                VIOLATION_REPEAT_DIFFERS);
}

Test(checker, sees_a_repeated_submit_with_another_id)
{
    struct verdict verdict = judge(SUBMIT "120 90 a 1 1 ok submit 8 0 1 -\n" CLAIM COMPLETE STATES);

    cr_expect(verdict.violations[VIOLATION_REPEAT_DIFFERS] == 1);
    cr_expect(verdict.violations[VIOLATION_DUPLICATE_TASK] == 1);
}

Test(checker, sees_a_restart_that_changes_a_task)
{
    struct verdict verdict = judge(SUBMIT CLAIM COMPLETE "900 890 c 1 0 ok state 7 10 1 COMPLETED\n"
                                                         "990 980 c 2 1 ok state 7 10 1 READY\n");

    cr_expect(verdict.violations[VIOLATION_RESTART_DIFFERS] == 1);
}

Test(checker, passes_on_what_a_client_saw)
{
    expect_only(SUBMIT CLAIM COMPLETE STATES "300 0 b 2 0 broken claim 7 10 0 ANOTHER_PAYLOAD\n",
                VIOLATION_SEEN_BY_CLIENT);
}

Test(history, reads_only_whole_events)
{
    struct history_event event;

    cr_expect(history_parse("1 2 a 3 0 ok claim 7 10 1 -\n", &event));
    cr_expect(event.actor == 10 && event.fence == 10 && event.call == CALL_CLAIM);
    cr_expect(!history_parse("1 2 a 3 0 ok claim 7 10\n", &event));
    cr_expect(!history_parse("1 2 a 3 0 ok jump 7 10 1 -\n", &event));
    cr_expect(!history_parse("1 2 a x 0 ok claim 7 10 1 -\n", &event));
    cr_expect(!history_parse("", &event));
}
