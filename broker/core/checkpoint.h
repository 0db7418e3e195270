/* What a run leaves for the next one of its task: a checkpoint, opaque to the broker, and what whoever resumed the task
 * has to say. One row per task that has either, until the task is retried or removed. */
#pragma once

#include "broker/core/task.h"

#define CHECKPOINT_MAX 4096
#define ANSWER_MAX 4096

struct checkpoint {
    struct bytes content;
    struct bytes answer;
};

/* Borrowed from the store until the next write; empty when the task has none. DATA_LOSS when it is damaged. */
enum status checkpoint_load(struct step *step, const struct task *task, struct checkpoint *ret_checkpoint) NODISCARD;
/* An empty content leaves the old one. Writes the row only when it differs, and says so; has_checkpoint is set in hand.
 * A damaged row is replaced. */
enum status checkpoint_keep(struct step *step, struct task *task, struct bytes content, bool *ret_changed) NODISCARD;
/* An answer takes the place of the older one; an empty one only forgets that. */
enum status checkpoint_answer(struct step *step, struct task *task, struct bytes answer) NODISCARD;
void checkpoint_drop(struct step *step, struct task *task);
bool checkpoint_read(struct bytes value, uint64_t id, struct checkpoint *ret_checkpoint);
