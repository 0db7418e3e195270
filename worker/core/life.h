/* The life of a run in the supervisor's hands.
 *
 *   CLAIMED --take--> STARTING --started--> RUNNING --stop--> STOPPING
 *      |                 |  \----stop----------|----------------^ |
 *      |                 \-------gone----------+-----gone---------+--> SHIPPING --shipped--> REPORTING --answered-->
 * DONE
 *      \--refuse-------------------------------------------------------------------------------^
 *
 * Gone: no process of it is left, its slot is free. Shipped: its output is in the context store, or that took too long
 * and the rest follows behind the report. A run that is not ours any more (drop) ends without a report. */
#pragma once

enum life {
    LIFE_NONE, /* no such move */
    LIFE_CLAIMED,
    LIFE_STARTING,
    LIFE_RUNNING,
    LIFE_STOPPING,
    LIFE_SHIPPING,
    LIFE_REPORTING,
    LIFE_DONE,
    LIFE_STATES
};

enum life_event {
    LIFE_TAKE,
    LIFE_REFUSE,
    LIFE_STARTED,
    LIFE_STOP,
    LIFE_GONE,
    LIFE_SHIPPED,
    LIFE_ANSWERED,
    LIFE_DROP,
    LIFE_EVENTS
};

/* LIFE_NONE when the state knows no such event. */
enum life life_after(enum life state, enum life_event event);
const char *life_name(enum life state);
