/* Claims: who gets which task next.
 *
 * Among the lanes that a claim may use, the task with the least (priority, id) goes out first. What an agent was given
 * by its last claim is remembered, so that a claim whose answer was lost can be repeated. */
#pragma once

#include "broker/core/command.h"
#include "common/base/arena.h"
#include "common/base/status.h"

#define CLAIM_IDLE_MAX_MS (24ULL * 60 * 60 * 1000)
#define CLAIM_BYTES_MAX ((size_t)960 * 1024) /* of all its tasks, so that they fit one frame */

struct step;
struct timer;

/* The memory of an agent's last claim. */
struct claim_memory {
    bool exists;
    uint64_t incarnation;
    uint64_t claim_seq;
    uint64_t used_ms; /* store time */
    struct run_name *runs;
    size_t run_count;
};

/* In the arena of the effects. DATA_LOSS/DAMAGED_RECORD. */
enum status claim_recall(struct step *step, const char *agent_id, struct claim_memory *ret_memory) NODISCARD;
/* Gives what became ready in this step to the claims that wait for it. */
enum status claims_wake(struct step *step) NODISCARD;
/* The answer to a claim that gets nothing. */
void claim_answer_nothing(struct step *step, uint64_t token);
/* The timer of a memory has come due. */
enum status claim_due(struct step *step, const struct timer *timer) NODISCARD;
