/* The epoch: what is above the counter in every number that the store gives.
 *
 * A store that was restored from a backup does not know what the lost one gave after that, so its epoch is raised: new
 * ids, fences and revisions are greater than any before, and runs of an earlier epoch are stale. Their tasks come free
 * when their leases end, charged to nobody: until then their holders have heard of it.
 *
 * A store that was rolled back without that is found out by its peers: they show the latest revision that they have
 * seen of it. One that is above the store's own ends all claims until an operator raises the epoch. */
#pragma once

#include "broker/core/command.h"
#include "common/base/status.h"

#include <stdbool.h>

struct broker;
struct step;

/* Whether a run with this fence was given in the present epoch. */
bool epoch_is_present(const struct broker *broker, uint64_t fence);
/* FAILED_PRECONDITION/STORE_IS_OLDER when the peer has seen this store with a later revision. */
enum status epoch_check(struct step *step, const struct seen_store *seen) NODISCARD;
/* Whether the store was found to be older than what it has given: nothing is claimed then. */
bool epoch_is_doubted(const struct broker *broker);
