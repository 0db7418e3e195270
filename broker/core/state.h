/* The states of a task and the moves between them, as data.
 *
 * The numbers are those of the protocol's TaskState, kept in records. BLOCKED (1), SUSPENDED (6) and EXPIRED (10) have
 * their places and no arrows yet. */
#pragma once

#include <stdbool.h>

enum task_state {
    TASK_NONE = 0, /* before its submit, or removed */
    TASK_SCHEDULED = 2,
    TASK_READY = 3,
    TASK_ASSIGNED = 4,
    TASK_RUNNING = 5,
    TASK_COMPLETED = 7,
    TASK_FAILED = 8,
    TASK_CANCELED = 9,
};
#define TASK_STATES 11

/* Why a task moves. */
enum task_move {
    MOVE_SUBMIT,
    MOVE_DUE, /* its time has come */
    MOVE_CLAIM,
    MOVE_START,
    MOVE_COMPLETE,
    MOVE_FAIL,
    MOVE_RELEASE, /* given back by its holder, or taken back from it */
    MOVE_LOSE,    /* its lease ran out */
    MOVE_CANCEL,
    MOVE_RETRY, /* a new life after the end, by an operator */
    MOVE_REMOVE,
    TASK_MOVES,
};

/* Whether the table has this arrow. */
bool task_move_is_allowed(enum task_move move, enum task_state from, enum task_state to);
/* Whether the table has any arrow of this move from this state. */
bool task_move_begins_at(enum task_move move, enum task_state from);

bool task_is_held(enum task_state state);
bool task_has_ended(enum task_state state);
/* "READY" */
const char *task_state_name(enum task_state state);
