/* The states of a task and the moves between them, as data.
 *
 * The numbers are those of the protocol's TaskState, kept in records. */
#pragma once

#include <stdbool.h>

enum task_state {
    TASK_NONE = 0, /* before its submit, or removed */
    TASK_BLOCKED = 1,
    TASK_SCHEDULED = 2,
    TASK_READY = 3,
    TASK_ASSIGNED = 4,
    TASK_RUNNING = 5,
    TASK_SUSPENDED = 6,
    TASK_COMPLETED = 7,
    TASK_FAILED = 8,
    TASK_CANCELED = 9,
    TASK_EXPIRED = 10,
};
#define TASK_STATES 11

/* Why a task moves. The numbers are kept in events. */
enum task_move {
    MOVE_SUBMIT = 1,
    MOVE_UNBLOCK = 2,      /* the last of its dependencies is done */
    MOVE_FAIL_BLOCKED = 3, /* a dependency did not complete, and the task does not want to run then */
    MOVE_DUE = 4,          /* its time has come */
    MOVE_EXPIRE = 5,       /* it waited past its time */
    MOVE_CLAIM = 6,
    MOVE_START = 7,
    MOVE_COMPLETE = 8,
    MOVE_FAIL = 9,
    MOVE_RELEASE = 10, /* given back by its holder, or taken back from it */
    MOVE_LOSE = 11,    /* its lease ran out; of a supervised one: and it is gone, or the reap grace has passed */
    MOVE_SUSPEND = 12,
    MOVE_RESUME = 13,
    MOVE_CANCEL = 14,
    MOVE_RETRY = 15, /* a new life after the end, by an operator */
    MOVE_ADOPT = 16, /* an operator takes the result of a run that was given up */
    MOVE_REMOVE = 17,
    MOVE_PUT_OFF = 18,  /* its submitter wants it later */
    MOVE_WITHHOLD = 19, /* its turn has come, but the budget that it draws on is used up */
    TASK_MOVES,
};

/* Whether the table has this arrow. */
bool task_move_is_allowed(enum task_move move, enum task_state from, enum task_state to);
/* Whether the table has any arrow of this move from this state. */
bool task_move_begins_at(enum task_move move, enum task_state from);

/* BLOCKED, SCHEDULED, READY: nobody has it, and it has not ended. */
bool task_is_waiting(enum task_state state);
/* ASSIGNED, RUNNING */
bool task_is_held(enum task_state state);
bool task_has_ended(enum task_state state);
/* "READY" */
const char *task_state_name(enum task_state state);
