#include "broker/core/parked.h"

#include "broker/core/core.h"
#include "broker/core/own.h"
#include "common/base/check.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static void claim_copy(struct parked *parked, const struct command_claim *claim)
{
    struct command_claim *copy = &parked->claim;

    parked->queues = allocate_zero(claim->queue_count, sizeof parked->queues[0]);
    for (size_t i = 0; i < claim->queue_count; i++)
        parked->queues[i] = duplicate_text(claim->queues[i]);
    *copy = *claim;
    copy->namespace = duplicate_text(claim->namespace);
    copy->agent_type = duplicate_text(claim->agent_type);
    copy->queues = parked->queues;
}

static void claim_free(struct parked *parked)
{
    const struct command_claim *claim = &parked->claim;

    for (size_t i = 0; i < claim->queue_count; i++)
        free_text(claim->queues[i]);
    free(parked->queues);
    free_text(claim->namespace);
    free_text(claim->agent_type);
}

/* One line for each queue suffices, also for tasks of type "any": parked_first looks into all lines of the queue then.
 */
static void join_lines(struct broker *broker, struct parked *parked)
{
    const struct command_claim *claim = &parked->claim;

    parked->waits = allocate_zero(claim->queue_count, sizeof parked->waits[0]);
    parked->wait_count = claim->queue_count;
    for (size_t i = 0; i < claim->queue_count; i++) {
        struct wait *wait = &parked->waits[i];
        wait->parked = parked;
        wait->type = lanes_type(&broker->lanes, claim->namespace, claim->queues[i], claim->agent_type);
        DL_APPEND(wait->type->waits, wait);
    }
    broker->parking.waits += parked->wait_count;
}

enum status parked_add(struct step *step, uint64_t token, const struct command_claim *claim)
{
    struct broker *broker = step->broker;
    struct parking *parking = &broker->parking;

    if (index_count(&parking->by_token) >= PARKED_MAX || parking->waits + claim->queue_count > WAITS_MAX)
        return error_set(&step->error, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_WAITING",
                         "too many claims are waiting already; claim again later, or without wait_ms");
    struct parked *parked = allocate_zero(1, sizeof *parked);
    parked->token = token;
    parked->arrival = ++parking->arrivals;
    memcpy(parked->agent_id, claim->agent_id, strlen(claim->agent_id) + 1);
    claim_copy(parked, claim);
    parked->claim.agent_id = parked->agent_id;
    index_add(&parking->by_agent, &parked->agent_node, parked->agent_id, strlen(parked->agent_id), parked);
    index_add(&parking->by_token, &parked->token_node, &parked->token, sizeof parked->token, parked);
    join_lines(broker, parked);
    return STATUS_OK;
}

static void leave_line(struct broker *broker, struct wait *wait)
{
    DL_DELETE(wait->type->waits, wait);
    lanes_trim(&broker->lanes, wait->type);
}

void parked_remove(struct broker *broker, struct parked *parked)
{
    index_remove(&broker->parking.by_agent, &parked->agent_node);
    index_remove(&broker->parking.by_token, &parked->token_node);
    for (size_t i = 0; i < parked->wait_count; i++)
        leave_line(broker, &parked->waits[i]);
    broker->parking.waits -= parked->wait_count;
    claim_free(parked);
    free(parked->waits);
    free(parked);
}

struct parked *parked_of_agent(const struct parking *parking, const char *agent_id)
{
    return index_find(&parking->by_agent, agent_id, strlen(agent_id));
}

struct parked *parked_of_token(const struct parking *parking, uint64_t token)
{
    return index_find(&parking->by_token, &token, sizeof token);
}

static struct parked *longest(struct parked *first, const struct queue_type *type)
{
    if (type == NULL || type->waits == NULL)
        return first;
    struct parked *other = type->waits->parked;
    return first == NULL || other->arrival < first->arrival ? other : first;
}

struct parked *parked_first(const struct lane *lane)
{
    const struct queue_type *type = lane->type;
    const struct queue *queue = type->queue;
    struct parked *first = NULL;

    if (strcmp(type->agent_type, ANY_TYPE) != 0)
        return longest(longest(NULL, type), queue_find_type(queue, ""));
    for (const struct queue_type *other = index_first(&queue->types); other != NULL; other = index_next(&other->node))
        first = longest(first, other);
    return first;
}

void parking_done(struct broker *broker)
{
    struct parked *next;

    for (struct parked *parked = index_first(&broker->parking.by_token); parked != NULL; parked = next) {
        next = index_next(&parked->token_node);
        parked_remove(broker, parked);
    }
}
