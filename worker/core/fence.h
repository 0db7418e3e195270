/* The fence time of a supervised run: when its supervisor must end it by itself, for the broker may believe then that
 * it is gone and give its task to another. */
#pragma once

#include <stdint.h>

/* What is left, beyond the time that it takes to end the run, when that begins at the fence time. */
#define FENCE_MARGIN_MS 5000

/* What the broker tells its holders to count with; 0 = it says nothing of that. */
struct fence_terms {
    uint32_t reap_grace_ms;
    uint32_t terminate_ms;
};

/* sent_ms: when the heartbeat was sent that renewed the lease. UINT64_MAX when there is none to keep. */
uint64_t fence_time_ms(uint64_t sent_ms, uint32_t lease_ms, struct fence_terms terms);
