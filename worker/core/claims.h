/* Which claim to make next, so that types that share slots get their turn and no more is claimed than can be started.
 *
 * While there is work, types ask one after the other without waiting, each for what may still be started: nothing is
 * claimed twice for one slot. When all have been told that there is nothing, they wait at the broker side by side. A
 * waiting claim that asks for more than may still be started is recalled: the same claim_seq is asked again without
 * waiting, and its answer is final. Only two tasks that appear in the same moment can meet one slot twice; the run that
 * is too much is given back.
 *
 * An answer that was lost is asked for again with the same claim_seq, so that no claimed run is forgotten. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLAIM_WAIT_MS 20000
#define CLAIM_MAX 256

enum claim_state {
    CLAIM_IDLE,
    CLAIM_ASKED,    /* without waiting */
    CLAIM_WAITING,  /* at the broker */
    CLAIM_RECALLED, /* asked again: the answer of the waiting one does not count */
};

/* Of one type. The zero value has asked nothing yet. */
struct claim {
    enum claim_state state;
    uint64_t sequence;
    uint32_t max;       /* of the open request */
    bool unsettled;     /* the last answer was lost: ask for it again */
    bool nothing_ready; /* the last answer was empty, and slots were free all the time since */
    uint64_t not_before_ms;
};

struct claimant {
    struct claim *claim;
    uint32_t usable; /* how many may be started now; 0 also when nothing shall be claimed */
};

struct claim_order {
    size_t index; /* of the claimant */
    uint64_t sequence;
    uint32_t max;
    uint32_t wait_ms;
};

/* false when nothing is to be asked now. *turn remembers who is next; begin with 0. */
bool claims_next(const struct claimant *claimants, size_t count, size_t *turn, uint64_t now_ms,
                 struct claim_order *ret_order);
/* The answer to the latest order of this claim has come. */
void claim_answered(struct claim *claim, size_t assignment_count);
/* It has not: what became of it is not known. */
void claim_lost(struct claim *claim, uint64_t now_ms, uint32_t pause_ms);
/* It was refused, nothing was claimed. */
void claim_refused(struct claim *claim, uint64_t now_ms, uint32_t pause_ms);
/* When claims_next may say more by time alone; UINT64_MAX = never. */
uint64_t claims_deadline(const struct claimant *claimants, size_t count, uint64_t now_ms);
