/* The life of a run in the supervisor's hands.
 *
 *   CLAIMED --take--> STARTING --started--> RUNNING --stop--> STOPPING
 *      |                 |  \----stop----------|----------------^ |
 *      |                 \-------gone----------+-----gone---------+--> REPORTING --answered--> SHIPPING
 *      \--refuse-------------------------------------------------------------^                    |
 *                                                           DONE <--answered-- FINISHING <--shipped
 *
 * Gone: no process of it is left, its slot is free; how it ended is reported at once. Shipped: its output is in the
 * context store, or given up; a broker that waits for that is told. A run that is not ours any more, or whose end waits
 * for no output, is dropped: it is done, and what is left of its output follows by itself. */
#pragma once

enum life {
    LIFE_NONE, /* no such move */
    LIFE_CLAIMED,
    LIFE_STARTING,
    LIFE_RUNNING,
    LIFE_STOPPING,
    LIFE_REPORTING,
    LIFE_SHIPPING,
    LIFE_FINISHING,
    LIFE_DONE,
    LIFE_STATES
};

enum life_event {
    LIFE_TAKE,
    LIFE_REFUSE,
    LIFE_STARTED,
    LIFE_STOP,
    LIFE_GONE,
    LIFE_ANSWERED,
    LIFE_SHIPPED,
    LIFE_DROP,
    LIFE_EVENTS
};

/* LIFE_NONE when the state knows no such event. */
enum life life_after(enum life state, enum life_event event);
const char *life_name(enum life state);
