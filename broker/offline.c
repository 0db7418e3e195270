#include "broker/offline.h"

#include "broker/caller.h"
#include "broker/core/broker.h"
#include "common/base/clock.h"
#include "common/store/backup.h"
#include "common/store/store_lmdb.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define COUNTER_MASK UINT64_C(0xFFFFFFFFFFFF)

static enum status check_store(struct store *store, struct error *error)
{
    CLEANUP(store_end)
    struct store_txn *txn = NULL;
    struct check_report report;

    enum status status = store_begin(store, STORE_READ, &txn);
    if (status == STATUS_OK)
        status = broker_check(txn, NULL, &report);
    if (status != STATUS_OK)
        return error_set(error, status, "STORE_FAILED", "the store cannot be read");
    for (uint64_t i = 0; i < report.problems && i < CHECK_NAMED_MAX; i++)
        printf("problem: %s\n", report.named[i]);
    printf("%" PRIu64 " tasks, %" PRIu64 " problems\n", report.tasks, report.problems);
    if (report.problems > 0)
        return error_set(error, STATUS_DATA_LOSS, "DAMAGED_STORE", "the store has %" PRIu64 " problems",
                         report.problems);
    return STATUS_OK;
}

/* By the core itself, as if an operator had asked a broker. */
static enum status ask_for_epoch(struct broker *broker, struct store_txn *txn, struct effects *effects,
                                 struct error *error)
{
    CLEANUP(callers_done)
    struct callers callers = {0};

    TRY(broker_open(broker, txn, effects, error));
    const struct rpc_caller caller = {.is_local = true, .uid = getuid()};
    const struct broker_time now = {.store_ms = broker_store_ms(broker), .wall_ms = clock_wall_ms()};
    const struct command command = {
        .kind = COMMAND_RAISE_EPOCH,
        .who = caller_name(&callers, &caller),
        .raise_epoch = {.store_id = broker_store_id(broker), .epoch = broker_epoch(broker)}};
    uint64_t revision = broker_revision(broker) & COUNTER_MASK;

    TRY(broker_step(broker, txn, now, &command, effects));
    if (effects->answers->refusal != NULL) {
        *error = *effects->answers->refusal;
        return error->status;
    }
    TRY(broker_settle(broker, txn, now));
    printf("store %s, restored to revision %" PRIu64 ", epoch %u from now on\n", broker_store_id(broker), revision,
           broker_epoch(broker));
    return STATUS_OK;
}

static enum status raise_epoch(struct store *store, struct error *error)
{
    CLEANUP(store_end)
    struct store_txn *txn = NULL;
    CLEANUP(broker_free)
    struct broker *broker = broker_new(&(struct broker_settings){0});
    CLEANUP(effects_done)
    struct effects effects = {0};

    enum status status = store_begin(store, STORE_WRITE, &txn);
    if (status == STATUS_OK)
        status = ask_for_epoch(broker, txn, &effects, error);
    if (status == STATUS_OK)
        status = store_commit(&txn);
    if (status != STATUS_OK && error->status != status)
        return error_set(error, status, "STORE_FAILED", "the store cannot be written: %s", store_failure(store));
    return status;
}

enum status offline_restore(const char *backup, const char *directory, uint64_t map_bytes, struct error *error)
{
    const struct store_lmdb_options options = {.directory = directory, .map_bytes = map_bytes, .restores = true};
    CLEANUP(store_close)
    struct store *store = NULL;
    struct backup_figures figures = {0};

    TRY(store_lmdb_open(&broker_schema, &options, &store, error));
    TRY(backup_read(backup, &broker_schema, store, NULL, &figures, error));
    printf("%" PRIu64 " rows\n", figures.rows);
    TRY(check_store(store, error));
    TRY(raise_epoch(store, error));
    return store_lmdb_restored(store, error);
}

enum status offline_check(const char *directory, uint64_t map_bytes, struct error *error)
{
    const struct store_lmdb_options options = {.directory = directory, .map_bytes = map_bytes, .must_exist = true};
    CLEANUP(store_close)
    struct store *store = NULL;

    TRY(store_lmdb_open(&broker_schema, &options, &store, error));
    return check_store(store, error);
}
