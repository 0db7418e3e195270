#include "worker/core/claims.h"

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static bool order(const struct claimant *claimant, size_t index, enum claim_state state, uint32_t max,
                  struct claim_order *ret_order)
{
    struct claim *claim = claimant->claim;

    claim->state = state;
    claim->max = least(max, CLAIM_MAX);
    *ret_order = (struct claim_order){
        .index = index,
        .sequence = claim->sequence,
        .max = claim->max,
        .wait_ms = state == CLAIM_WAITING ? CLAIM_WAIT_MS : 0,
    };
    return true;
}

static bool may_ask(const struct claimant *claimant, uint64_t now_ms)
{
    return claimant->claim->state == CLAIM_IDLE && claimant->usable > 0 && claimant->claim->not_before_ms <= now_ms;
}

/* A waiting claim must not be answered with more than can be started. */
static bool recall_next(const struct claimant *claimants, size_t count, struct claim_order *ret_order)
{
    for (size_t i = 0; i < count; i++) {
        struct claim *claim = claimants[i].claim;
        if (claim->state != CLAIM_WAITING || claim->max <= claimants[i].usable)
            continue;
        claim->nothing_ready = false;
        return order(&claimants[i], i, CLAIM_RECALLED, claimants[i].usable > 0 ? claimants[i].usable : 1, ret_order);
    }
    return false;
}

static bool ask_next(const struct claimant *claimants, size_t count, size_t *turn, uint64_t now_ms,
                     struct claim_order *ret_order)
{
    for (size_t i = 0; i < count; i++) {
        size_t index = (*turn + i) % count;
        struct claim *claim = claimants[index].claim;
        if (!may_ask(&claimants[index], now_ms) || claim->nothing_ready)
            continue;
        *turn = (index + 1) % count;
        if (!claim->unsettled)
            claim->sequence++;
        return order(&claimants[index], index, CLAIM_ASKED, claimants[index].usable, ret_order);
    }
    return false;
}

/* Each waits for its share only, so that many tasks at once are not claimed for the same slots. */
static bool wait_next(const struct claimant *claimants, size_t count, uint64_t now_ms, struct claim_order *ret_order)
{
    uint32_t sharers = 0;

    for (size_t i = 0; i < count; i++)
        if (claimants[i].usable > 0)
            sharers++;
    for (size_t i = 0; i < count; i++) {
        if (!may_ask(&claimants[i], now_ms))
            continue;
        claimants[i].claim->sequence++;
        uint32_t share = claimants[i].usable / sharers;
        return order(&claimants[i], i, CLAIM_WAITING, share > 0 ? share : 1, ret_order);
    }
    return false;
}

bool claims_next(const struct claimant *claimants, size_t count, size_t *turn, uint64_t now_ms,
                 struct claim_order *ret_order)
{
    bool asking = false;

    for (size_t i = 0; i < count; i++) {
        struct claim *claim = claimants[i].claim;
        /* While no slot was free, nobody looked: what was known of the queue is old. */
        if (claim->state == CLAIM_IDLE && claimants[i].usable == 0)
            claim->nothing_ready = false;
        asking = asking || claim->state == CLAIM_ASKED || claim->state == CLAIM_RECALLED;
    }
    if (recall_next(claimants, count, ret_order))
        return true;
    if (asking || count == 0)
        return false;
    return ask_next(claimants, count, turn, now_ms, ret_order) || wait_next(claimants, count, now_ms, ret_order);
}

void claim_answered(struct claim *claim, size_t assignment_count)
{
    claim->nothing_ready = assignment_count == 0 && claim->state != CLAIM_RECALLED;
    claim->state = CLAIM_IDLE;
    claim->unsettled = false;
}

void claim_lost(struct claim *claim, uint64_t now_ms, uint32_t pause_ms)
{
    claim->state = CLAIM_IDLE;
    claim->unsettled = true;
    claim->nothing_ready = false;
    claim->not_before_ms = now_ms + pause_ms;
}

void claim_refused(struct claim *claim, uint64_t now_ms, uint32_t pause_ms)
{
    claim_lost(claim, now_ms, pause_ms);
    claim->unsettled = false;
}

uint64_t claims_deadline(const struct claimant *claimants, size_t count, uint64_t now_ms)
{
    uint64_t deadline_ms = UINT64_MAX;

    for (size_t i = 0; i < count; i++) {
        const struct claim *claim = claimants[i].claim;
        if (claim->state == CLAIM_IDLE && claimants[i].usable > 0 && claim->not_before_ms > now_ms &&
            claim->not_before_ms < deadline_ms)
            deadline_ms = claim->not_before_ms;
    }
    return deadline_ms;
}
