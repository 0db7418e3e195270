#include "broker/core/drain.h"

#include "broker/core/claim.h"
#include "broker/core/core.h"
#include "broker/core/ending.h"
#include "broker/core/holding.h"
#include "broker/core/limits.h"
#include "broker/core/record.h"
#include "common/base/check.h"

#include <stdlib.h>
#include <string.h>

#define DRAIN_VERSION 1
#define KILLED_MAX 1000 /* runs that are ended at once; the holders of others hear it with their next heartbeat */

static struct drain *drain_of(const struct drains *drains, const char *agent_id)
{
    return index_find(&drains->by_agent, agent_id, strlen(agent_id));
}

const struct drain *drains_find(const struct drains *drains, const char *agent_id)
{
    char above[AGENT_ID_MAX + 1];
    const struct drain *drain = drain_of(drains, agent_id);
    char *slash;

    if (drain != NULL || index_count(&drains->by_agent) == 0)
        return drain;
    memcpy(above, agent_id, strlen(agent_id) + 1);
    while (drain == NULL && (slash = strrchr(above, '/')) != NULL) {
        *slash = '\0';
        drain = drain_of(drains, above);
    }
    return drain;
}

static void drain_add(struct drains *drains, const char *agent_id, bool kills, const char *by, const char *reason)
{
    struct drain *drain = allocate_zero(1, sizeof *drain);

    memcpy(drain->agent_id, agent_id, strlen(agent_id) + 1);
    drain->kills = kills;
    drain->by = duplicate_text(by);
    drain->reason = duplicate_text(reason);
    index_add(&drains->by_agent, &drain->node, drain->agent_id, strlen(drain->agent_id), drain);
}

static void drain_free(struct drains *drains, struct drain *drain)
{
    index_remove(&drains->by_agent, &drain->node);
    free(drain->by);
    free(drain->reason);
    free(drain);
}

void drains_done(struct drains *drains)
{
    for (struct drain *drain; (drain = index_first(&drains->by_agent)) != NULL;)
        drain_free(drains, drain);
}

enum status drains_load(struct drains *drains, struct store_txn *txn)
{
    struct bytes key;
    struct bytes value;
    struct reader reader;
    char agent_id[AGENT_ID_MAX + 1];
    enum status status = store_seek(txn, TABLE_AGENT, (struct bytes){0}, &key, &value);

    for (; status == STATUS_OK; status = store_next(txn, TABLE_AGENT, &key, &value)) {
        if (key.size > AGENT_ID_MAX || !record_open(value, DRAIN_VERSION, 0, &reader))
            return STATUS_DATA_LOSS;
        memcpy(agent_id, key.data, key.size);
        agent_id[key.size] = '\0';
        bool kills = reader_u8(&reader) != 0;
        const char *by = record_text(&reader);
        const char *reason = record_text(&reader);
        if (reader.failed)
            return STATUS_DATA_LOSS;
        drain_add(drains, agent_id, kills, by, reason);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Claims of the agent and of those below it are answered with nothing: the next ones are told what holds now. */
static void answer_parked(struct step *step, const char *agent_id)
{
    struct parked *next;

    for (struct parked *parked = index_first(&step->broker->parking.by_token); parked != NULL; parked = next) {
        next = index_next(&parked->token_node);
        if (strcmp(parked->agent_id, agent_id) != 0 && !agent_is_below(parked->agent_id, agent_id))
            continue;
        claim_answer_nothing(step, parked->token);
        parked_remove(step->broker, parked);
    }
}

static void drain_begin(struct step *step, const struct command_drain *command)
{
    struct drains *drains = &step->broker->drains;
    struct drain *older = drain_of(drains, command->agent_id);
    struct buffer *buffer = &step->broker->scratch;

    if (older != NULL)
        drain_free(drains, older);
    drain_add(drains, command->agent_id, command->kills, step->who, command->reason);
    record_begin(buffer, DRAIN_VERSION);
    buffer_add_u8(buffer, command->kills);
    record_add_text(buffer, step->who);
    record_add_text(buffer, command->reason);
    store_put(step->txn, TABLE_AGENT, bytes_of_text(command->agent_id), record_seal(buffer, 0));
    event_note(step, command->kills ? EVENT_AGENT_KILLED : EVENT_AGENT_DRAINED, command->agent_id, command->reason);
}

static void drain_end(struct step *step, struct drain *drain)
{
    store_delete(step->txn, TABLE_AGENT, bytes_of_text(drain->agent_id));
    event_note(step, EVENT_AGENT_RESUMED, drain->agent_id, "");
    drain_free(&step->broker->drains, drain);
}

/* A supervisor has processes to end before anybody else may have the task. */
static enum status end_run(struct step *step, uint64_t task_id, struct answer *answer)
{
    struct task task;

    TRY(task_load(step, task_id, &task));
    struct run_name run = {.task_id = task.id, .fence = task.fence};
    if (!task_is_at_work(&task))
        return STATUS_OK;
    if (task.supervised && task.now.state == TASK_RUNNING) {
        effects_push(step->effects, task.now.agent_id, run, VERDICT_GIVE_BACK, DRAIN_KILLS_BECAUSE);
        answer->ended.told++;
        return STATUS_OK;
    }
    answer->ended.released++;
    return run_released(step, &task, DRAIN_KILLS_BECAUSE, 0);
}

static enum status end_runs(struct step *step, const char *agent_id, struct answer *answer)
{
    struct holding holding = {.max = KILLED_MAX};

    holding.task_ids = arena_zero(&step->effects->arena, holding.max, sizeof *holding.task_ids);
    TRY(holding_find(step, agent_id, &holding));
    for (size_t i = 0; i < holding.count; i++) {
        enum status status = end_run(step, holding.task_ids[i], answer);
        if (status != STATUS_OK && status != STATUS_DATA_LOSS && status != STATUS_NOT_FOUND)
            return status;
    }
    return STATUS_OK;
}

enum status step_drain(struct step *step, const struct command *command)
{
    const struct command_drain *drain = &command->drain;
    struct drains *drains = &step->broker->drains;

    TRY(limits_check_drain(drain, &step->error));
    struct drain *present = drain_of(drains, drain->agent_id);
    if (drain->ends && present == NULL)
        return error_set(&step->error, STATUS_NOT_FOUND, "NOT_DRAINING", "%s is not draining", drain->agent_id);
    if (!drain->ends && present == NULL && index_count(&drains->by_agent) >= DRAINS_MAX)
        return error_set(&step->error, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_DRAINS",
                         "%d agents are draining already; end some of it", DRAINS_MAX);
    if (drain->ends)
        drain_end(step, present);
    else
        drain_begin(step, drain);
    answer_parked(step, drain->agent_id);
    effects_push(step->effects, drain->agent_id, (struct run_name){0}, drain->ends ? VERDICT_GO_ON : VERDICT_DRAIN,
                 drain->reason);
    struct answer *answer = effects_answer(step->effects, command->token, command->kind);
    return drain->kills && !drain->ends ? end_runs(step, drain->agent_id, answer) : STATUS_OK;
}
