/* Judges the history of a torture run: whether the broker kept its promises.
 *
 * Everything that it concludes is certain: a reply's decision was made somewhere between the first sending of its
 * operation and the arrival of the reply, and a violation is reported only when no moment in there would excuse it. */
#pragma once

#include "tests/history/history.h"

#include <stdint.h>

enum violation {
    VIOLATION_LOST,            /* acknowledged, but the broker does not have it at the end */
    VIOLATION_NOT_COMPLETED,   /* at the end in another state than COMPLETED */
    VIOLATION_DUPLICATE_TASK,  /* one work, two tasks */
    VIOLATION_DUPLICATE_ID,    /* one id, two works */
    VIOLATION_NOT_SUBMITTED,   /* at the end there, but nobody got an acknowledgement for it */
    VIOLATION_TWO_COMPLETIONS, /* completed by two fences */
    VIOLATION_COMPLETION_LOST, /* at the end completed by another fence than the one that was acknowledged */
    VIOLATION_NEVER_COMPLETED, /* at the end completed by a fence that nobody tried to complete */
    VIOLATION_TWO_HOLDERS,     /* handed out again while the earlier holder's lease was alive */
    VIOLATION_FENCE_TWICE,     /* the same fence for two claims */
    VIOLATION_FENCE_BACK,      /* a later claim got a lower fence */
    VIOLATION_NO_SUCH_CLAIM,   /* something was accepted for a fence that no claim gave */
    VIOLATION_CLAIMED_AFTER_END,
    VIOLATION_STALE_ACCEPTED,  /* something was accepted for a run after a later claim of the task */
    VIOLATION_REFUSED_ALIVE,   /* STALE_FENCE although the lease was alive */
    VIOLATION_WRONG_REFUSAL,   /* refused, but not with STALE_FENCE */
    VIOLATION_REPEAT_DIFFERS,  /* a repeat got another answer than the first */
    VIOLATION_RESTART_DIFFERS, /* the last restart changed something */
    VIOLATION_SEEN_BY_CLIENT,  /* a client got what it must not get */
    VIOLATIONS
};

struct verdict {
    uint64_t violations[VIOLATIONS];
    char examples[VIOLATIONS][160]; /* of each kind the first one found */
    uint64_t tasks;                 /* acknowledged */
    uint64_t runs;                  /* distinct fences handed out */
    uint64_t completed;             /* by exactly one fence, as the broker says at the end */
    uint64_t completed_unseen;      /* of them: the acknowledgement never reached the client */
    uint64_t replaced_runs;         /* whose task was handed out again */
    uint64_t late_refused;          /* STALE_FENCE for the word of a holder that had lost its run */
    uint64_t repeats;               /* answered repeats of submits, claims, and ends of runs */
    uint64_t calls[HISTORY_CALLS][HISTORY_KINDS];
};

/* Sorts the history. */
void checker_run(struct history *history, struct verdict *ret_verdict);

uint64_t verdict_violations(const struct verdict *verdict);
const char *violation_name(enum violation violation);
