#include "broker/core/pick.h"

#include "broker/core/core.h"
#include "broker/core/gate.h"

#include <string.h>

static void sift_down(struct pick_queue *pick, size_t at)
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

static void drop_first(struct pick_queue *pick)
{
    pick->lanes[0] = pick->lanes[--pick->count];
    sift_down(pick, 0);
}

typedef enum status visit_fn(struct step *step, struct lane *lane, struct pick_queue *pick);

static enum status add_lane(struct step *step, struct lane *lane, struct pick_queue *pick)
{
    if (lane->counts[TASK_READY] == 0 || !gate_is_open(lane, &step->now))
        return STATUS_OK;
    TRY(lane_find_head(step->txn, lane));
    if (lane->head.priority > 0)
        pick->lanes[pick->count++] = lane;
    return STATUS_OK;
}

static enum status count_lane(struct step *step, struct lane *lane, struct pick_queue *pick)
{
    (void)step;
    pick->count += lane->counts[TASK_READY] > 0;
    return STATUS_OK;
}

static enum status visit_type(struct step *step, const struct queue_type *type, struct pick_queue *pick,
                              visit_fn *visit)
{
    if (type == NULL)
        return STATUS_OK;
    for (struct lane *lane = type->lanes; lane != NULL; lane = lane->next_of_type)
        TRY(visit(step, lane, pick));
    return STATUS_OK;
}

static enum status visit_queue(struct step *step, const struct queue *queue, const char *agent_type,
                               struct pick_queue *pick, visit_fn *visit)
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

static enum status add_queue(struct step *step, const struct queue *queue, const char *agent_type, struct pick *pick)
{
    struct pick_queue lanes = {0};

    TRY(visit_queue(step, queue, agent_type, &lanes, count_lane));
    lanes.lanes = arena_zero(&step->effects->arena, lanes.count, sizeof(struct lane *));
    lanes.count = 0;
    TRY(visit_queue(step, queue, agent_type, &lanes, add_lane));
    for (size_t at = lanes.count / 2; at-- > 0;)
        sift_down(&lanes, at);
    if (lanes.count > 0)
        pick->queues[pick->count++] = lanes;
    return STATUS_OK;
}

enum status pick_begin(struct step *step, const struct command_claim *claim, struct pick *ret_pick)
{
    struct pick pick = {.queues = arena_zero(&step->effects->arena, claim->queue_count, sizeof(struct pick_queue))};

    for (size_t i = 0; i < claim->queue_count; i++) {
        const struct queue *queue = lanes_queue(&step->broker->lanes, claim->namespace, claim->queues[i]);
        if (queue != NULL && !is_named_before(claim, i))
            TRY(add_queue(step, queue, claim->agent_type, &pick));
    }
    *ret_pick = pick;
    return STATUS_OK;
}

static bool is_older(const struct rank *a, const struct rank *b)
{
    return a->priority != b->priority ? a->priority < b->priority : a->id < b->id;
}

struct lane *pick_first(struct step *step, struct pick *pick)
{
    pick->first = NULL;
    for (size_t i = 0; i < pick->count; i++) {
        struct pick_queue *queue = &pick->queues[i];
        /* What this very claim took may have closed lanes. */
        while (queue->count > 0 && !gate_is_open(queue->lanes[0], &step->now))
            drop_first(queue);
        if (queue->count > 0 && (pick->first == NULL || is_older(&queue->lanes[0]->head, &pick->first->lanes[0]->head)))
            pick->first = queue;
    }
    return pick->first != NULL ? pick->first->lanes[0] : NULL;
}

enum status pick_again(struct step *step, struct pick *pick)
{
    struct pick_queue *queue = pick->first;

    TRY(lane_find_head(step->txn, queue->lanes[0]));
    if (queue->lanes[0]->head.priority == 0)
        drop_first(queue);
    else
        sift_down(queue, 0);
    return STATUS_OK;
}
