/* The context store's decisions, without any I/O: commands and the time come in, effects come out, state lives behind
 * the store's transaction.
 *
 *     TRY(contextd_begin(&core, txn));
 *     TRY(contextd_step(&core, txn, &now, &command, &effects)); // for each command of the batch
 *     contextd_finish(&core, txn);
 *     TRY(store_commit(&txn));
 *
 * A returned status that is not OK means that the store failed, and nothing else: refusals are effects. Between batches
 * the core remembers nothing, so an aborted transaction needs no undoing. */
#pragma once

#include "contextd/core/command.h"
#include "contextd/core/counters.h"
#include "contextd/core/tables.h"

struct contextd {
    struct counters counters; /* of the open transaction */
    bool changed;
};

struct contextd_now {
    uint64_t unix_ms;
    bool store_nearly_full; /* what only adds is refused: RESOURCE_EXHAUSTED/STORE_FULL */
};

/* DATA_LOSS when the counters are damaged. */
enum status contextd_begin(struct contextd *core, struct store_txn *txn, struct error *error) NODISCARD;
enum status contextd_step(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                          const struct command *command, struct effects *effects) NODISCARD;
/* Writes the counters when a step changed them. */
void contextd_finish(struct contextd *core, struct store_txn *txn);

/* Reads every row: all checksums, no chunk missing or left over, every counter as a full count has it. DATA_LOSS with
 * what is wrong. In the time of a whole scan; between begin and finish. */
enum status contextd_check(const struct contextd *core, struct store_txn *txn, struct error *error) NODISCARD;
