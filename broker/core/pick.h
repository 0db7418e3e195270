/* Which lane has the task that goes out next: a heap of the lanes that a claim may use, by their heads. */
#pragma once

#include "broker/core/command.h"
#include "broker/core/lane.h"

struct step;

struct pick {
    struct lane **lanes; /* in the arena of the effects; the least head first */
    size_t count;
};

/* Gathers the open lanes with READY tasks that the claim may use. */
enum status pick_begin(struct step *step, const struct command_claim *claim, struct pick *ret_pick) NODISCARD;
/* The open lane with the least head; NULL when all are empty or closed. */
struct lane *pick_first(struct step *step, struct pick *pick);
/* The head of the first lane was taken: puts the lane where its next head belongs. */
enum status pick_again(struct step *step, struct pick *pick) NODISCARD;
