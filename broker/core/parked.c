#include "broker/core/parked.h"

#include "broker/core/core.h"
#include "common/base/check.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static void claim_copy(struct command_claim *copy, const struct command_claim *claim)
{
    const char **queues = allocate(claim->queue_count * sizeof *queues);

    for (size_t i = 0; i < claim->queue_count; i++)
        queues[i] = duplicate_text(claim->queues[i]);
    *copy = *claim;
    copy->namespace = duplicate_text(claim->namespace);
    copy->agent_type = duplicate_text(claim->agent_type);
    copy->queues = queues;
}

static void claim_free(struct command_claim *claim)
{
    for (size_t i = 0; i < claim->queue_count; i++)
        free((void *)(uintptr_t)claim->queues[i]);
    free((void *)(uintptr_t)claim->queues);
    free((void *)(uintptr_t)claim->namespace);
    free((void *)(uintptr_t)claim->agent_type);
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

    if (HASH_CNT(by_token, parking->by_token) >= PARKED_MAX || parking->waits + claim->queue_count > WAITS_MAX)
        return error_set(&step->error, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_WAITING",
                         "too many claims are waiting already; claim again later, or without wait_ms");
    struct parked *parked = allocate_zero(1, sizeof *parked);
    parked->token = token;
    parked->arrival = ++parking->arrivals;
    memcpy(parked->agent_id, claim->agent_id, strlen(claim->agent_id) + 1);
    claim_copy(&parked->claim, claim);
    parked->claim.agent_id = parked->agent_id;
    HASH_ADD(by_agent, parking->by_agent, agent_id, strlen(parked->agent_id), parked);
    HASH_ADD(by_token, parking->by_token, token, sizeof parked->token, parked);
    join_lines(broker, parked);
    return STATUS_OK;
}

void parked_remove(struct broker *broker, struct parked *parked)
{
    HASH_DELETE(by_agent, broker->parking.by_agent, parked);
    HASH_DELETE(by_token, broker->parking.by_token, parked);
    for (size_t i = 0; i < parked->wait_count; i++) {
        struct wait *wait = &parked->waits[i];
        DL_DELETE(wait->type->waits, wait);
        lanes_trim(&broker->lanes, wait->type);
    }
    broker->parking.waits -= parked->wait_count;
    claim_free(&parked->claim);
    free(parked->waits);
    free(parked);
}

struct parked *parked_of_agent(const struct parking *parking, const char *agent_id)
{
    struct parked *found = NULL;

    HASH_FIND(by_agent, parking->by_agent, agent_id, strlen(agent_id), found);
    return found;
}

struct parked *parked_of_token(const struct parking *parking, uint64_t token)
{
    struct parked *found = NULL;

    HASH_FIND(by_token, parking->by_token, &token, sizeof token, found);
    return found;
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
    for (const struct queue_type *other = queue->types; other != NULL; other = other->hh.next)
        first = longest(first, other);
    return first;
}

void parking_done(struct broker *broker)
{
    while (broker->parking.by_token != NULL)
        parked_remove(broker, broker->parking.by_token);
}
