/* What is known of a task: the highest fence that wrote in its name, and how many streams it has. A run that is over
 * has a lower fence than the next one, so what it still writes is refused. */
#pragma once

#include "contextd/core/core.h"

/* All zero for a task that was never seen. */
enum status context_task_find(struct store_txn *txn, uint64_t task_id, struct task *ret_task, struct error *error)
    NODISCARD;

/* ABORTED/STALE_FENCE for a writer that is not the newest of its task. Writes nothing: fence_remember does, once it is
 * sure that the command is carried out. */
enum status fence_check(struct store_txn *txn, const struct writer *writer, struct task *ret_task, struct error *error)
    NODISCARD;
void fence_remember(struct contextd *core, struct store_txn *txn, const struct writer *writer, const struct task *task);

/* A stream of that run was made. Raises the fence as well: its output shows that the run exists. */
enum status context_task_count_stream(struct contextd *core, struct store_txn *txn, const struct stream_name *name,
                                      struct error *error) NODISCARD;
