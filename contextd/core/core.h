/* The context store's decisions, without any I/O: commands and the time come in, effects come out, state lives behind
 * the store's transaction.
 *
 *     TRY(contextd_open(&core, txn, &now, &effects)); // once, and after a transaction that was given up
 *     TRY(contextd_begin(&core, txn));
 *     TRY(contextd_tick(&core, txn, &now, &effects));
 *     TRY(contextd_step(&core, txn, &now, &command, &effects)); // for each command of the batch
 *     contextd_finish(&core, txn, &now);
 *     TRY(store_commit(&txn));
 *
 * A returned status that is not OK means that the store failed, and nothing else: refusals are effects. Between batches
 * the core remembers nothing but locks (locks.h), which are read again when it is opened. */
#pragma once

#include "contextd/core/command.h"
#include "contextd/core/counters.h"
#include "contextd/core/tables.h"

struct contextd {
    struct counters counters; /* of the open transaction */
    bool changed;
    struct locks locks;
    uint64_t opened_ms;     /* store time */
    uint64_t expiry_due_ms; /* store time: the first row of the expiry table; UINT64_MAX = there is none */
};

struct contextd_now {
    uint64_t unix_ms;
    uint64_t boot_ms;       /* BOOTTIME, for what is only in memory */
    uint64_t store_ms;      /* the store's own time (common/base/store_time.h), for what is kept */
    bool store_nearly_full; /* what only adds is refused: RESOURCE_EXHAUSTED/STORE_FULL */
};

/* Reads what it keeps in memory. Those who waited for a lock are told UNAVAILABLE/STORE_FULL in the effects. DATA_LOSS
 * with a message when the store cannot be used. */
enum status contextd_open(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                          struct effects *effects) NODISCARD;
void contextd_done(struct contextd *core);

/* DATA_LOSS when the counters are damaged. */
enum status contextd_begin(struct contextd *core, struct store_txn *txn, struct error *error) NODISCARD;
enum status contextd_step(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                          const struct command *command, struct effects *effects) NODISCARD;
/* Nobody waits for the answer to this call any more: it is not answered. Outside of a transaction. */
void contextd_forget(struct contextd *core, const struct contextd_now *now, uint64_t token);
/* What is due by now: locks that were not renewed. */
enum status contextd_tick(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                          struct effects *effects) NODISCARD;
/* BOOTTIME at which contextd_tick, or contextd_finish, has something to do; UINT64_MAX = never. */
uint64_t contextd_next_ms(const struct contextd *core, const struct contextd_now *now);
/* The store's time at the last commit. */
uint64_t contextd_store_ms(const struct contextd *core);
/* Writes the counters when a step changed them, or the store's time is to be saved. */
void contextd_finish(struct contextd *core, struct store_txn *txn, const struct contextd_now *now);

/* Reads every row: all checksums, no chunk missing or left over, every counter as a full count has it. DATA_LOSS with
 * what is wrong. In the time of a whole scan; between begin and finish. */
enum status contextd_check(const struct contextd *core, struct store_txn *txn, struct error *error) NODISCARD;
