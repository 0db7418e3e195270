/* A history without fault passes, and whatever contradicts the order of revisions is refused. */
#include "tests/history/replay.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* time invoked actor operation round kind call task fence value reason revision. Task 7 is submitted at revision 1,
 * claimed with fence 10 at revision 2, completed at revision 3. */
#define SUBMIT "100 100 a 1 0 invoke submit 0 0 0 -\n110 100 a 1 0 ok submit 7 0 1 - 1\n"
#define CLAIM "200 200 b 1 0 invoke claim 0 0 0 -\n210 200 b 1 0 ok claim 7 10 1 - 2\n"
#define COMPLETE "300 300 b 2 0 invoke complete 7 10 0 -\n310 300 b 2 0 ok complete 7 10 0 - 3\n"
#define CLAIM_AGAIN(revision) "400 400 d 1 0 invoke claim 0 0 0 -\n410 400 d 1 0 ok claim 7 11 1 - " revision "\n"

static struct replay_report replay(const char *text)
{
    struct history history = {0};
    struct replay_report report;
    char *copy = strdup(text);
    char *rest = copy;
    char *line = NULL;

    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        struct history_event event;

        cr_assert(history_parse(line, &event), "not an event: %s", line);
        history_add(&history, &event);
    }
    replay_run(&history, &report);
    free(history.events);
    free(copy);
    return report;
}

/* It is found, once, and nothing else is. */
static void expect_only(const char *text, enum replay_violation violation)
{
    struct replay_report report = replay(text);

    for (size_t i = 0; i < REPLAY_VIOLATIONS; i++) {
        uint64_t expected = i == violation;

        cr_expect_eq(report.violations[i], expected, "%s: %lu, expected %lu (%s)",
                     replay_violation_name((enum replay_violation)i), report.violations[i], expected,
                     report.examples[i]);
    }
}

static void expect_none(const char *text)
{
    expect_only(text, REPLAY_VIOLATIONS);
}

Test(replay, finds_nothing_in_a_good_history)
{
    struct replay_report report = replay(SUBMIT CLAIM COMPLETE);

    expect_none(SUBMIT CLAIM COMPLETE);
    cr_expect_eq(report.replies, 3);
    cr_expect_eq(report.runs, 1);
}

Test(replay, takes_replies_of_one_batch_in_any_order)
{
    expect_none("100 100 a 1 0 invoke submit 0 0 0 -\n101 101 b 1 0 invoke claim 0 0 0 -\n"
                "110 101 b 1 0 ok claim 7 10 1 - 5\n120 100 a 1 0 ok submit 7 0 1 - 5\n");
}

Test(replay, lets_replies_overtake_each_other)
{
    expect_none("100 100 a 1 0 invoke other 0 0 0 -\n101 101 b 1 0 invoke other 0 0 0 -\n"
                "110 101 b 1 0 ok other 0 0 0 - 9\n120 100 a 1 0 ok other 0 0 0 - 5\n");
}

Test(replay, refuses_a_revision_below_one_that_was_seen_before_the_request)
{
    expect_only("100 100 a 1 0 invoke other 0 0 0 -\n110 100 a 1 0 ok other 0 0 0 - 9\n"
                "120 120 b 1 0 invoke other 0 0 0 -\n130 120 b 1 0 ok other 0 0 0 - 8\n",
                REPLAY_INVERSION);
}

Test(replay, refuses_it_in_a_refusal_as_well)
{
    expect_only("100 100 a 1 0 invoke other 0 0 0 -\n110 100 a 1 0 ok other 0 0 0 - 9\n"
                "120 120 b 1 0 invoke other 0 0 0 -\n130 120 b 1 0 refused other 0 0 0 NO_SUCH_TASK 8\n",
                REPLAY_INVERSION);
}

Test(replay, measures_a_repeat_by_its_own_sending)
{
    expect_none("100 100 a 1 0 invoke other 0 0 0 -\n200 100 a 1 1 invoke other 0 0 0 -\n"
                "150 140 b 1 0 ok other 0 0 0 - 9\n210 100 a 1 1 ok other 0 0 0 - 9\n");
    expect_only("100 100 a 1 0 invoke other 0 0 0 -\n200 100 a 1 1 invoke other 0 0 0 -\n"
                "150 140 b 1 0 ok other 0 0 0 - 9\n210 100 a 1 1 ok other 0 0 0 - 8\n",
                REPLAY_INVERSION);
}

Test(replay, ignores_replies_without_a_revision)
{
    expect_none("100 100 a 1 0 invoke other 0 0 0 -\n110 100 a 1 0 ok other 0 0 0 - 9\n"
                "120 120 b 1 0 invoke other 0 0 0 -\n130 120 b 1 0 refused other 0 0 0 OVERLOADED\n");
}

Test(replay, refuses_one_id_for_two_submits)
{
    expect_only(SUBMIT "120 120 a 2 0 invoke submit 0 0 0 -\n130 120 a 2 0 ok submit 7 0 2 - 2\n", REPLAY_ONE_ID);
}

Test(replay, takes_the_same_id_for_a_repeated_submit)
{
    expect_none(SUBMIT "120 100 a 1 1 invoke submit 0 0 0 -\n130 100 a 1 1 ok submit 7 0 1 - 2\n");
}

Test(replay, refuses_a_claim_before_the_submit)
{
    /* Answered at revision 4 to somebody else, before the submit was even sent. */
    expect_only("10 10 b 1 0 invoke claim 0 0 0 -\n20 10 b 1 0 ok claim 7 10 1 - 4\n"
                "100 100 a 1 0 invoke submit 0 0 0 -\n110 100 a 1 0 ok submit 7 0 1 - 5\n",
                REPLAY_BEFORE_SUBMIT);
}

Test(replay, refuses_a_smaller_fence_after_a_greater_one)
{
    expect_only("10 10 b 1 0 invoke claim 0 0 0 -\n20 10 b 1 0 ok claim 7 10 1 - 4\n"
                "30 30 c 1 0 invoke claim 0 0 0 -\n40 30 c 1 0 ok claim 8 9 1 - 5\n",
                REPLAY_FENCE_ORDER);
}

Test(replay, lets_fences_of_overlapping_claims_be)
{
    expect_none("10 10 b 1 0 invoke claim 0 0 0 -\n15 15 c 1 0 invoke claim 0 0 0 -\n"
                "20 10 b 1 0 ok claim 7 10 1 - 5\n40 15 c 1 0 ok claim 8 9 1 - 5\n");
}

Test(replay, refuses_a_word_that_was_taken_before_the_claim)
{
    /* Somebody guessed the fence: its answer was there before the claim was sent. */
    expect_only(SUBMIT "120 120 c 1 0 invoke heartbeat 7 10 0 -\n130 120 c 1 0 ok heartbeat 7 10 1 GO_ON 1\n" CLAIM,
                REPLAY_BEFORE_CLAIM);
}

Test(replay, refuses_a_word_that_was_taken_after_a_later_claim)
{
    expect_only(SUBMIT CLAIM CLAIM_AGAIN("4") "500 500 b 2 0 invoke heartbeat 7 10 0 -\n"
                                              "510 500 b 2 0 ok heartbeat 7 10 1 GO_ON 5\n",
                REPLAY_STALE_ACCEPTED);
}

Test(replay, takes_the_refusal_of_a_late_word)
{
    expect_none(SUBMIT CLAIM CLAIM_AGAIN("4") "500 500 b 2 0 invoke heartbeat 7 10 0 -\n"
                                              "510 500 b 2 0 ok heartbeat 7 10 0 STALE 5\n");
}

Test(replay, takes_a_word_whose_answer_came_late)
{
    /* Sent before the later claim: it may have been decided before it as well. */
    expect_none(SUBMIT CLAIM "390 390 b 2 0 invoke heartbeat 7 10 0 -\n" CLAIM_AGAIN(
        "4") "510 390 b 2 0 ok heartbeat 7 10 1 GO_ON 4\n");
}

Test(replay, refuses_a_claim_of_a_completed_task)
{
    expect_only(SUBMIT CLAIM COMPLETE CLAIM_AGAIN("4"), REPLAY_CLAIMED_ENDED);
}

Test(replay, takes_it_when_somebody_asked_for_a_retry)
{
    expect_none(SUBMIT CLAIM COMPLETE "350 350 e 1 0 invoke retry 7 0 0 -\n" CLAIM_AGAIN("4"));
}

Test(replay, refuses_two_runs_that_complete_one_task)
{
    expect_only(SUBMIT CLAIM "250 250 d 1 0 invoke claim 0 0 0 -\n"
                             "300 300 b 2 0 invoke complete 7 10 0 -\n310 300 b 2 0 ok complete 7 10 0 - 4\n"
                             "320 250 d 1 0 ok claim 7 11 1 - 4\n"
                             "330 330 d 2 0 invoke complete 7 11 0 -\n340 330 d 2 0 ok complete 7 11 0 - 5\n",
                REPLAY_COMPLETED_TWICE);
}
