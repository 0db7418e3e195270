/* The rhythm of a holder's heartbeats, and how long a silence it excuses.
 *
 * All of it is in memory: after a restart of the broker, or of the holder, it is learned anew. */
#pragma once

#include <stdint.h>

#define RHYTHM_BEATS_MIN 8 /* before a lease is made of it */

/* The zero value knows nothing. Moving averages, in microseconds. */
struct rhythm {
    uint64_t heard_ms; /* store time of the last heartbeat, 0 = none yet */
    uint32_t beats;    /* intervals that were seen, up to RHYTHM_BEATS_MIN */
    int64_t interval_us;
    int64_t lateness_us;  /* beyond the interval */
    int64_t deviation_us; /* of the lateness from its mean */
};

/* A heartbeat. Ones that come within a part of the interval that holders are told to keep belong to one round: a holder
 * of many runs needs several requests. most_ms: what a longer silence counts as. */
void rhythm_beat(struct rhythm *rhythm, uint64_t now_ms, uint32_t told_ms, uint32_t most_ms);
/* Three intervals, the mean lateness and four deviations; 0 while too little is known. */
uint64_t rhythm_lease_ms(const struct rhythm *rhythm);
