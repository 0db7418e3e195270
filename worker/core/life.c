#include "worker/core/life.h"

static const enum life moves[LIFE_STATES][LIFE_EVENTS] = {
    [LIFE_CLAIMED] = {[LIFE_TAKE] = LIFE_STARTING, [LIFE_REFUSE] = LIFE_REPORTING, [LIFE_DROP] = LIFE_DONE},
    [LIFE_STARTING] = {[LIFE_STARTED] = LIFE_RUNNING, [LIFE_STOP] = LIFE_STOPPING, [LIFE_GONE] = LIFE_REPORTING},
    [LIFE_RUNNING] = {[LIFE_STOP] = LIFE_STOPPING, [LIFE_GONE] = LIFE_REPORTING},
    [LIFE_STOPPING] = {[LIFE_STOP] = LIFE_STOPPING, [LIFE_STARTED] = LIFE_STOPPING, [LIFE_GONE] = LIFE_REPORTING},
    [LIFE_REPORTING] = {[LIFE_ANSWERED] = LIFE_SHIPPING, [LIFE_DROP] = LIFE_DONE},
    [LIFE_SHIPPING] = {[LIFE_SHIPPED] = LIFE_FINISHING, [LIFE_DROP] = LIFE_DONE},
    [LIFE_FINISHING] = {[LIFE_ANSWERED] = LIFE_DONE, [LIFE_DROP] = LIFE_DONE},
};

static const char *const names[LIFE_STATES] = {
    [LIFE_NONE] = "none",         [LIFE_CLAIMED] = "claimed",     [LIFE_STARTING] = "starting",
    [LIFE_RUNNING] = "running",   [LIFE_STOPPING] = "stopping",   [LIFE_REPORTING] = "reporting",
    [LIFE_SHIPPING] = "shipping", [LIFE_FINISHING] = "finishing", [LIFE_DONE] = "done",
};

enum life life_after(enum life state, enum life_event event)
{
    return moves[state][event];
}

const char *life_name(enum life state)
{
    return names[state];
}
