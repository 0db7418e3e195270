/* The time of a store: what durations run on. It is saved with the commits, goes on at the opening where it was saved
 * last, and advances with CLOCK_BOOTTIME; so neither a wall clock that jumps nor an hour without the daemon lets
 * anything come due. */
#pragma once

#include <stdint.h>

/* How long it may run on without being saved, while nothing else is: as long as this life of the daemon has been saved
 * already, from 100 ms to 30 s. So a daemon that is killed again and again loses at most half of each of its lives, and
 * what waits for a time still comes to its end. */
uint64_t store_time_unsaved_max_ms(uint64_t opened_ms, uint64_t saved_ms);
