/* How long a task waits before it is tried again. */
#pragma once

#include <stdint.h>

/* The most that a failed attempt may wait: base, doubled for each attempt after the first, at most max. The wait itself
 * is drawn from 1 to this (full jitter), so that tasks that failed together do not come back together. */
uint64_t backoff_of_attempt_ms(uint32_t attempts, uint32_t base_ms, uint32_t max_ms);

/* After a run that was given back: nothing the first time, then 500 ms, doubled each time, at most a minute. */
uint64_t backoff_of_interruption_ms(uint32_t interruptions);
