/* How a run ended, and what the broker is told of it.
 *
 * The supervisor's own intent decides before any exit status: an agent that is asked to end may well exit with 0. */
#pragma once

#include "common/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESULT_MAX_BYTES ((size_t)64 * 1024)
#define TAIL_MAX_BYTES ((size_t)4 * 1024)
#define MESSAGE_SIZE 1024 /* with its NUL */
#define ERROR_TYPE_SIZE 32
#define EXIT_RELEASE 75 /* EX_TEMPFAIL: not now */

/* Why the supervisor ended it; the first one counts. */
enum intent {
    INTENT_NONE,
    INTENT_CANCEL,      /* the broker says stop */
    INTENT_SUSPEND,     /* the broker says that it is to wait */
    INTENT_TIMEOUT,     /* it ran too long */
    INTENT_OUTPUT_FULL, /* it wrote too much */
    INTENT_SHUTDOWN,    /* the supervisor ends */
    INTENT_GIVE_BACK,   /* the broker wants it back: an operator has killed its agent */
    INTENT_STALE,       /* it is not our run any more */
    INTENT_LOST,        /* the broker says kill: its lease was lost */
    INTENT_CUT_OFF,     /* its fence time has come: the broker was not heard for too long */
    INTENTS
};

struct ending {
    enum intent intent;
    uint32_t delay_ms;      /* of one that was refused: before it may be claimed again */
    const char *reason;     /* of the intent or the refusal; NULL = none */
    const char *last_words; /* the last line on stderr; "" = none */
    int exit_status;        /* -1 = none */
    int signal;             /* 0 = none */
    bool refused;           /* it was never started */
    bool refused_for_good;  /* and no further attempt would help */
    bool started;           /* there was a main process */
    bool shim_lost;         /* its shim died, so its exit status is not known */
};

enum decision_kind {
    DECISION_COMPLETE,
    DECISION_FAIL,
    DECISION_RELEASE,
    DECISION_SUSPEND,
    DECISION_LOST,
    DECISION_SILENT
};
enum decision_failure { DECISION_BY_ATTEMPT = 1, DECISION_BY_CRASH = 2, DECISION_BY_TIMEOUT = 3 }; /* as in the proto */

struct decision {
    enum decision_kind kind;
    enum decision_failure failure;
    bool final;
    uint32_t delay_ms; /* of a release */
    char message[MESSAGE_SIZE];
    char error_type[ERROR_TYPE_SIZE]; /* of a failure: what kind, for programs */
};

/* backoff_ms: before a task whose agent asked for a later try may be claimed again. */
void outcome_decide(const struct ending *ending, uint32_t backoff_ms, struct decision *ret_decision);
/* first_ms doubled for each time that it was tried before, at most max_ms; 0 means the protocol's defaults. */
uint32_t outcome_backoff(uint32_t first_ms, uint32_t max_ms, uint32_t times);

/* The result of a run: what was in its result file (file_size is its true size, file holds at most RESULT_MAX_BYTES of
 * it), or else the end of its standard output. Borrowed from the two. */
struct bytes outcome_result(struct bytes file, struct bytes output_tail);
const char *outcome_content_type(struct bytes result);
/* The last line that is not empty, as text that can be shown; at most size - 1 bytes. */
void outcome_last_line(struct bytes tail, char *ret_line, size_t size);
