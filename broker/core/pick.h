/* Which lane has the task that goes out next. Each queue that a claim names offers its first one by (priority, turn,
 * id), and of these goes out the first by (priority, id): turns count within a queue, age between queues. */
#pragma once

#include "broker/core/command.h"
#include "broker/core/lane.h"

struct step;

/* The lanes of one queue: a heap by their heads, the least first. */
struct pick_queue {
    struct lane **lanes;
    size_t count;
};

/* In the arena of the effects. */
struct pick {
    struct pick_queue *queues;
    size_t count;
    struct pick_queue *first; /* where the last pick_first found it */
};

/* Gathers the open lanes with READY tasks that the claim may use. */
enum status pick_begin(struct step *step, const struct command_claim *claim, struct pick *ret_pick) NODISCARD;
/* The open lane whose head goes out next; NULL when all are empty or closed. */
struct lane *pick_first(struct step *step, struct pick *pick);
/* The head of that lane was taken: puts the lane where its next head belongs. */
enum status pick_again(struct step *step, struct pick *pick) NODISCARD;
