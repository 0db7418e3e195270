/* Idempotency keys: the submitter's own names for pieces of work. A key holds while its task lives, and for a window of
 * store time from the submit in any case.
 *
 * Rows lie in eight buckets by time, so that what is written together lies together. A new bucket begins when an eighth
 * (a seventh of the window) has passed, but not before the oldest one is empty: rows of tasks that live are carried
 * from there into the newest, the others are dropped. Every bucket is looked at for a key. */
#pragma once

#include "broker/core/task.h"

#define UNIQUE_BUCKETS 8
#define IDEMPOTENCY_KEY_MAX 127

struct counters;

/* What has a key. */
struct key_owner {
    uint64_t task_id; /* 0 = nobody */
    uint64_t bucket;
};

/* DATA_LOSS when the row is damaged. */
enum status unique_find(struct store_txn *txn, const struct counters *counters, const char *namespace, const char *key,
                        struct key_owner *ret_owner) NODISCARD;
/* What becomes of a submit with this key: ret_existing is the task to answer with, ret_replaced the one to cancel, both
 * 0 when the key is free. ALREADY_EXISTS/KEY_TAKEN, DATA_LOSS/DAMAGED_RECORD. */
enum status unique_decide(struct step *step, const struct task_spec *spec, const char *namespace,
                          uint64_t *ret_existing, uint64_t *ret_replaced, struct error *error) NODISCARD;
/* The key is the new task's from now on; the older one that had it is canceled, if it waits. */
enum status unique_take(struct step *step, const struct task *task, const char *namespace, const char *key,
                        uint64_t replaced_id) NODISCARD;

/* A task that has ended lives again, and has its key again. ALREADY_EXISTS/KEY_TAKEN when that is another task's by
 * now. */
enum status unique_retake(struct step *step, const struct task *task, const struct task_spec *spec) NODISCARD;

/* Moves on with the buckets, looking at most at max rows. */
enum status uniques_tick(struct step *step, uint32_t max) NODISCARD;
/* How long until there is something to do; UINT64_MAX = never. */
enum status uniques_next_ms(struct step *step, uint64_t *ret_ms) NODISCARD;

/* The task that a row names; false when it is damaged. */
bool unique_read(struct bytes value, uint64_t *ret_task_id);
