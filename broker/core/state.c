#include "broker/core/state.h"

#include <stddef.h>
#include <stdint.h>

#define IN(state) (1U << TASK_##state)

/* [move][from] = where it may lead. What is not here is refused and changes nothing. */
static const uint16_t arrows[TASK_MOVES][TASK_STATES] = {
    [MOVE_SUBMIT] = {[TASK_NONE] = IN(BLOCKED) | IN(SCHEDULED) | IN(READY)},
    [MOVE_UNBLOCK] = {[TASK_BLOCKED] = IN(SCHEDULED) | IN(READY)},
    [MOVE_FAIL_BLOCKED] = {[TASK_BLOCKED] = IN(FAILED) | IN(CANCELED)},
    [MOVE_DUE] = {[TASK_SCHEDULED] = IN(READY)},
    [MOVE_EXPIRE] = {[TASK_BLOCKED] = IN(EXPIRED), [TASK_SCHEDULED] = IN(EXPIRED), [TASK_READY] = IN(EXPIRED)},
    [MOVE_CLAIM] = {[TASK_READY] = IN(ASSIGNED)},
    [MOVE_START] = {[TASK_ASSIGNED] = IN(RUNNING)},
    [MOVE_COMPLETE] = {[TASK_RUNNING] = IN(COMPLETED)},
    [MOVE_FAIL] = {[TASK_RUNNING] = IN(SCHEDULED) | IN(FAILED)},
    [MOVE_RELEASE] = {[TASK_ASSIGNED] = IN(READY) | IN(SCHEDULED) | IN(FAILED),
                      [TASK_RUNNING] = IN(READY) | IN(SCHEDULED) | IN(FAILED)},
    [MOVE_LOSE] =
        {[TASK_ASSIGNED] = IN(READY) | IN(FAILED), [TASK_RUNNING] = IN(SCHEDULED) | IN(SUSPENDED) | IN(FAILED)},
    [MOVE_SUSPEND] = {[TASK_RUNNING] = IN(SUSPENDED)},
    [MOVE_RESUME] = {[TASK_SUSPENDED] = IN(READY)},
    [MOVE_CANCEL] = {[TASK_BLOCKED] = IN(CANCELED),
                     [TASK_SCHEDULED] = IN(CANCELED),
                     [TASK_READY] = IN(CANCELED),
                     [TASK_ASSIGNED] = IN(CANCELED),
                     [TASK_RUNNING] = IN(CANCELED),
                     [TASK_SUSPENDED] = IN(CANCELED)},
    [MOVE_RETRY] = {[TASK_COMPLETED] = IN(READY),
                    [TASK_FAILED] = IN(READY),
                    [TASK_CANCELED] = IN(READY),
                    [TASK_EXPIRED] = IN(READY)},
    [MOVE_ADOPT] = {[TASK_SCHEDULED] = IN(COMPLETED),
                    [TASK_READY] = IN(COMPLETED),
                    [TASK_SUSPENDED] = IN(COMPLETED),
                    [TASK_FAILED] = IN(COMPLETED),
                    [TASK_CANCELED] = IN(COMPLETED),
                    [TASK_EXPIRED] = IN(COMPLETED)},
    [MOVE_PUT_OFF] = {[TASK_READY] = IN(SCHEDULED)},
    [MOVE_WITHHOLD] = {[TASK_READY] = IN(SUSPENDED)},
    [MOVE_REMOVE] =
        {[TASK_COMPLETED] = IN(NONE), [TASK_FAILED] = IN(NONE), [TASK_CANCELED] = IN(NONE), [TASK_EXPIRED] = IN(NONE)},
};

bool task_move_is_allowed(enum task_move move, enum task_state from, enum task_state to)
{
    return (size_t)move < TASK_MOVES && (size_t)from < TASK_STATES && (size_t)to < TASK_STATES &&
           (arrows[move][from] >> to & 1U) != 0;
}

bool task_move_begins_at(enum task_move move, enum task_state from)
{
    return (size_t)move < TASK_MOVES && (size_t)from < TASK_STATES && arrows[move][from] != 0;
}

bool task_is_waiting(enum task_state state)
{
    return state == TASK_BLOCKED || state == TASK_SCHEDULED || state == TASK_READY;
}

bool task_is_held(enum task_state state)
{
    return state == TASK_ASSIGNED || state == TASK_RUNNING;
}

bool task_has_ended(enum task_state state)
{
    return state == TASK_COMPLETED || state == TASK_FAILED || state == TASK_CANCELED || state == TASK_EXPIRED;
}

const char *task_state_name(enum task_state state)
{
    static const char *const names[TASK_STATES] = {
        [TASK_NONE] = "NONE",           [TASK_BLOCKED] = "BLOCKED",     [TASK_SCHEDULED] = "SCHEDULED",
        [TASK_READY] = "READY",         [TASK_ASSIGNED] = "ASSIGNED",   [TASK_RUNNING] = "RUNNING",
        [TASK_SUSPENDED] = "SUSPENDED", [TASK_COMPLETED] = "COMPLETED", [TASK_FAILED] = "FAILED",
        [TASK_CANCELED] = "CANCELED",   [TASK_EXPIRED] = "EXPIRED",
    };

    return (size_t)state < TASK_STATES && names[state] != NULL ? names[state] : "UNKNOWN";
}
