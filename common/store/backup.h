/* Backups: every row of a store as it was at one moment, in one file.
 *
 * A backup is written from a reading transaction, while the store works on, and read into an empty store. The file says
 * what it is (which schema, which tables), has the rows in blocks with a checksum each, and says at its end how many
 * they were: one that was cut off or changed is refused. It depends on no implementation of the store. */
#pragma once

#include "common/store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct backup_figures {
    uint64_t rows;
    uint64_t bytes; /* of the file */
};

/* Told after each block, 256 KiB or one larger row. False stops the work, which is CANCELED/STOPPED then. */
struct backup_watch {
    bool (*on_progress)(const struct backup_figures *figures, void *data); /* NULL = nobody watches */
    void *data;
};

/* Makes the file path, of mode 0600, which appears there whole and synced or not at all; what is written first lies
 * beside it as path.partial, and is replaced when somebody left it there. The transaction may be of another thread,
 * which must not use it meanwhile. ALREADY_EXISTS/BACKUP_EXISTS: there is a file of this name.
 * RESOURCE_EXHAUSTED/DISK_FULL. UNAVAILABLE/BACKUP_FAILED: the system or the store refused; the message says what. */
enum status backup_write(struct store_txn *snapshot, const struct store_schema *schema, const char *path,
                         const struct backup_watch *watch, struct backup_figures *ret_figures, struct error *error)
    NODISCARD;

/* Puts every row of the file into an empty store, in many transactions: after a failure the store is of no use.
 * NOT_FOUND/NO_BACKUP. DATA_LOSS/BAD_BACKUP: no backup, or damaged. FAILED_PRECONDITION/BACKUP_VERSION: of another
 * schema or format. FAILED_PRECONDITION/BACKUP_FAILED: the system refused. RESOURCE_EXHAUSTED/STORE_FULL.
 * UNAVAILABLE/STORE_FAILED. */
enum status backup_read(const char *path, const struct store_schema *schema, struct store *store,
                        const struct backup_watch *watch, struct backup_figures *ret_figures, struct error *error)
    NODISCARD;
