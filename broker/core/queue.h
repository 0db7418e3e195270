/* What operators say about a queue: whether it takes and hands out tasks, how many may wait in it, and what its tasks
 * get when their submitters do not say.
 *
 * A queue of which something was said has a row and is known also when it has no task. While it is paused "in", submits
 * to it are refused; while it is paused "out", its lanes are closed (gate.h) and nothing in them moves. */
#pragma once

#include "broker/core/command.h"
#include "broker/core/effect.h"
#include "common/base/bytes.h"
#include "common/base/status.h"
#include "common/store/store.h"

#include <stdbool.h>
#include <stdint.h>

#define QUEUES_SET_MAX 4096
#define QUEUE_RETRY_AFTER_MS 1000 /* what whoever met a full queue is told to wait */

struct broker;
struct lanes;
struct queue;
struct step;

/* Zeros say nothing. */
struct queue_settings {
    bool paused_in;
    bool paused_out;
    char *paused_by; /* NULL = nobody */
    char *pause_reason;
    uint64_t length_max; /* tasks that may wait: BLOCKED, SCHEDULED and READY */
    struct queue_defaults defaults;
};

void queue_settings_done(struct queue_settings *settings);

/* After the lanes. DATA_LOSS when a row is damaged. */
enum status queues_load(struct lanes *lanes, struct store_txn *txn) NODISCARD;
/* Writes what has changed since the last time. */
void queues_settle(struct lanes *lanes, struct store_txn *txn);

/* Whether the queue takes one more task beside as many that are about to be added; NULL is one of which nothing was
 * said. FAILED_PRECONDITION/QUEUE_PAUSED, RESOURCE_EXHAUSTED/QUEUE_FULL. */
enum status queue_admits(const struct queue *queue, uint64_t adding, struct error *error) NODISCARD;
/* What the submitter left open. */
void queue_complete_spec(const struct queue *queue, struct task_spec *spec);
/* All about it, in the arena of the effects. */
enum status queue_describe(struct step *step, const struct queue *queue, struct queue_view *ret_view) NODISCARD;
