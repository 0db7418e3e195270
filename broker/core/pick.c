#include "broker/core/pick.h"

#include "broker/core/core.h"
#include "broker/core/gate.h"

#include <string.h>

static void sift_down(struct pick *pick, size_t at)
{
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < pick->count; child++)
            if (rank_is_before(&pick->lanes[child]->head, &pick->lanes[least]->head))
                least = child;
        if (least == at)
            return;
        struct lane *lane = pick->lanes[at];
        pick->lanes[at] = pick->lanes[least];
        pick->lanes[least] = lane;
        at = least;
    }
}

typedef enum status visit_fn(struct step *step, struct lane *lane, struct pick *pick);

static enum status add_lane(struct step *step, struct lane *lane, struct pick *pick)
{
    if (lane->counts[TASK_READY] == 0 || !gate_is_open(lane, &step->now))
        return STATUS_OK;
    TRY(lane_find_head(step->txn, lane));
    if (lane->head.priority > 0)
        pick->lanes[pick->count++] = lane;
    return STATUS_OK;
}

static enum status count_lane(struct step *step, struct lane *lane, struct pick *pick)
{
    (void)step;
    pick->count += lane->counts[TASK_READY] > 0;
    return STATUS_OK;
}

static enum status visit_type(struct step *step, const struct queue_type *type, struct pick *pick, visit_fn *visit)
{
    if (type == NULL)
        return STATUS_OK;
    for (struct lane *lane = type->lanes; lane != NULL; lane = lane->next_of_type)
        TRY(visit(step, lane, pick));
    return STATUS_OK;
}

static enum status visit_queue(struct step *step, const struct queue *queue, const char *agent_type, struct pick *pick,
                               visit_fn *visit)
{
    if (agent_type[0] == '\0') {
        for (const struct queue_type *type = index_first(&queue->types); type != NULL; type = index_next(&type->node))
            TRY(visit_type(step, type, pick, visit));
        return STATUS_OK;
    }
    TRY(visit_type(step, queue_find_type(queue, agent_type), pick, visit));
    return strcmp(agent_type, ANY_TYPE) == 0 ? STATUS_OK
                                             : visit_type(step, queue_find_type(queue, ANY_TYPE), pick, visit);
}

static bool is_named_before(const struct command_claim *claim, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(claim->queues[i], claim->queues[index]) == 0)
            return true;
    return false;
}

static enum status visit_all(struct step *step, const struct command_claim *claim, struct pick *pick, visit_fn *visit)
{
    for (size_t i = 0; i < claim->queue_count; i++) {
        const struct queue *queue = lanes_queue(&step->broker->lanes, claim->namespace, claim->queues[i]);
        if (queue != NULL && !is_named_before(claim, i))
            TRY(visit_queue(step, queue, claim->agent_type, pick, visit));
    }
    return STATUS_OK;
}

enum status pick_begin(struct step *step, const struct command_claim *claim, struct pick *ret_pick)
{
    struct pick pick = {0};

    TRY(visit_all(step, claim, &pick, count_lane));
    pick.lanes = arena_zero(&step->effects->arena, pick.count, sizeof(struct lane *));
    pick.count = 0;
    TRY(visit_all(step, claim, &pick, add_lane));
    for (size_t at = pick.count / 2; at-- > 0;)
        sift_down(&pick, at);
    *ret_pick = pick;
    return STATUS_OK;
}

static void drop_first(struct pick *pick)
{
    pick->lanes[0] = pick->lanes[--pick->count];
    sift_down(pick, 0);
}

struct lane *pick_first(struct step *step, struct pick *pick)
{
    /* What this very claim took may have closed lanes. */
    while (pick->count > 0 && !gate_is_open(pick->lanes[0], &step->now))
        drop_first(pick);
    return pick->count > 0 ? pick->lanes[0] : NULL;
}

enum status pick_again(struct step *step, struct pick *pick)
{
    TRY(lane_find_head(step->txn, pick->lanes[0]));
    if (pick->lanes[0]->head.priority == 0)
        drop_first(pick);
    else
        sift_down(pick, 0);
    return STATUS_OK;
}
