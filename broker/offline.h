/* What ganger-broker does with a store that no broker has open: restoring a backup, and checking.
 *
 * Both print what they found and say in error why not. */
#pragma once

#include "common/base/status.h"

#include <stdint.h>

/* Makes a store of the backup in the directory, which has none yet, checks it, and raises its epoch: whatever the lost
 * store gave after the backup was made, this one gives nothing that could be taken for it. FAILED_PRECONDITION,
 * NOT_FOUND or DATA_LOSS as store_lmdb_open and backup_read say, DATA_LOSS/DAMAGED_STORE when the check finds problems.
 */
enum status offline_restore(const char *backup, const char *directory, uint64_t map_bytes, struct error *error)
    NODISCARD;
/* DATA_LOSS/DAMAGED_STORE when there are problems, which are printed. */
enum status offline_check(const char *directory, uint64_t map_bytes, struct error *error) NODISCARD;
