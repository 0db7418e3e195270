#include "worker/core/fence.h"

uint64_t fence_time_ms(uint64_t sent_ms, uint32_t lease_ms, struct fence_terms terms)
{
    uint64_t last_ms = sent_ms + lease_ms + terms.reap_grace_ms;
    uint64_t needed_ms = (uint64_t)terms.terminate_ms + FENCE_MARGIN_MS;

    if (terms.reap_grace_ms == 0)
        return UINT64_MAX;
    return last_ms > sent_ms + needed_ms ? last_ms - needed_ms : sent_ms;
}
