/* Replays a history in the order of revisions, and refuses what no order of events can explain.
 *
 * Every reply carries the revision of the broker's store at which it was made. So whatever a request did was done after
 * the greatest revision that anybody had seen when it was sent (its floor), and not after that of its reply; between
 * the two it may have been at any. What is reported is certain: it contradicts every choice. Leases play no part here,
 * and neither do clocks beyond before and after: tests/torture/checker.h judges by time. */
#pragma once

#include "tests/history/history.h"

enum replay_violation {
    REPLAY_INVERSION,       /* a smaller revision than one that was seen before the request was sent */
    REPLAY_ONE_ID,          /* two submits were given one id */
    REPLAY_BEFORE_SUBMIT,   /* claimed before it was submitted */
    REPLAY_FENCE_ORDER,     /* a greater fence was given before a smaller one */
    REPLAY_BEFORE_CLAIM,    /* a word about a run was taken before the run was claimed */
    REPLAY_STALE_ACCEPTED,  /* a word about a run was taken after a later claim of its task */
    REPLAY_CLAIMED_ENDED,   /* claimed after it was completed, and nobody asked for a retry */
    REPLAY_COMPLETED_TWICE, /* by two runs, and nobody asked for a retry */
    REPLAY_VIOLATIONS
};

struct replay_report {
    uint64_t violations[REPLAY_VIOLATIONS];
    char examples[REPLAY_VIOLATIONS][160]; /* of each kind the first one found */
    uint64_t replies;                      /* that had a revision */
    uint64_t runs;
};

void replay_run(const struct history *history, struct replay_report *ret_report);

uint64_t replay_violations(const struct replay_report *report);
const char *replay_violation_name(enum replay_violation violation);
