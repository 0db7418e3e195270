#include "broker/core/claim.h"
#include "broker/core/core.h"
#include "broker/core/ending.h"
#include "broker/core/epoch.h"
#include "broker/core/holding.h"
#include "broker/core/lease.h"
#include "broker/core/limits.h"

#include <stdlib.h>
#include <string.h>

#define LIST_BYTES_MAX ((size_t)768 * 1024) /* so that the list fits a frame; who is beyond is not shown */
#define RELEASED_MAX 1000                   /* of one registration; what is left runs out with its leases */

static int compare_runs(const void *a, const void *b)
{
    const struct run_name *left = a;
    const struct run_name *right = b;

    if (left->task_id != right->task_id)
        return left->task_id < right->task_id ? -1 : 1;
    return left->fence < right->fence ? -1 : left->fence > right->fence;
}

/* What the command says it holds, in order, so that it can be searched. */
static struct run_name *sorted_held(struct step *step, const struct command_register *registration)
{
    struct run_name *held = arena_zero(&step->effects->arena, registration->held_count, sizeof *held);

    if (registration->held_count > 0)
        memcpy(held, registration->held, registration->held_count * sizeof *held);
    qsort(held, registration->held_count, sizeof *held, compare_runs);
    return held;
}

static enum status release_rest(struct step *step, const struct command_register *registration, struct answer *answer)
{
    struct holding holding = {.max = RELEASED_MAX + HELD_MAX};
    struct run_name *held = sorted_held(step, registration);

    holding.task_ids = arena_zero(&step->effects->arena, holding.max, sizeof *holding.task_ids);
    answer->registration.released = arena_zero(&step->effects->arena, RELEASED_MAX, sizeof(struct run_name));
    TRY(holding_find(step, registration->agent_id, &holding));
    for (size_t i = 0; i < holding.count && answer->registration.released_count < RELEASED_MAX; i++) {
        struct task task;
        enum status status = task_load(step, holding.task_ids[i], &task);
        if (status == STATUS_DATA_LOSS || status == STATUS_NOT_FOUND)
            continue;
        TRY(status);
        struct run_name run = {.task_id = task.id, .fence = task.fence};
        if (bsearch(&run, held, registration->held_count, sizeof run, compare_runs) != NULL)
            continue;
        /* Its processes may outlive their supervisor: they are waited for as those of a lost one. And what an earlier
         * epoch knows as its run another supervisor may have been at since. */
        if (task.supervised && task.now.state == TASK_RUNNING &&
            (!registration->all_gone || !epoch_is_present(step->broker, task.fence)))
            continue;
        TRY(task.reaping ? run_lost(step, &task) : run_released(step, &task, "its agent has started anew", 0));
        answer->registration.released[answer->registration.released_count++] = run;
    }
    return STATUS_OK;
}

static void replace_parked(struct step *step, const char *agent_id)
{
    struct parked *parked = parked_of_agent(&step->broker->parking, agent_id);
    struct error error = {0};

    if (parked == NULL)
        return;
    (void)error_set(&error, STATUS_ABORTED, "REPLACED", "a newer incarnation of %s has taken its place", agent_id);
    effects_refuse(step->effects, parked->token, COMMAND_CLAIM, &error);
    parked_remove(step->broker, parked);
}

enum status step_register(struct step *step, const struct command *command)
{
    const struct command_register *registration = &command->registration;
    struct broker *broker = step->broker;
    struct claim_memory memory;

    TRY(limits_check_register(registration, &step->error));
    TRY(epoch_check(step, &registration->seen));
    TRY(claim_recall(step, registration->agent_id, &memory));
    const struct agent *agent = agents_find(&broker->agents, registration->agent_id);
    uint64_t previous = memory.exists ? memory.incarnation : 0;
    if (agent != NULL && agent->incarnation > previous)
        previous = agent->incarnation;
    if (registration->incarnation < previous)
        return error_set(&step->error, STATUS_ABORTED, "STALE_INCARNATION",
                         "a newer incarnation of %s has taken its place; end this one", registration->agent_id);

    step->who = registration->agent_id;
    bool is_same = registration->incarnation == previous && (agent != NULL || memory.exists);
    agents_put(&broker->agents, registration, step->now.store_ms);
    struct answer *answer = effects_answer(step->effects, command->token, command->kind);
    answer->registration.terms = broker_terms(broker);
    answer->registration.lease_ms = broker->settings.lease_ms;
    answer->registration.store_id = broker->counters.store_id;
    answer->registration.draining = drains_find(&broker->drains, registration->agent_id) != NULL;
    /* The same life again: a run that it does not name may be in an answer that is on its way to it. */
    if (is_same)
        return STATUS_OK;
    replace_parked(step, registration->agent_id);
    return release_rest(step, registration, answer);
}

/* About what it takes in a message. */
static size_t agent_size(const struct agent *agent)
{
    size_t size = 128 + strlen(agent->id) + strlen(agent->host) + strlen(agent->version);

    for (size_t i = 0; i < agent->profile_count; i++)
        size += 32 + strlen(agent->profiles[i].agent_type) + strlen(agent->profiles[i].problem);
    return size;
}

static enum status view_agent(struct step *step, const struct agent *agent, size_t *budget, struct agent_view *view)
{
    struct holding holding = {.max = *budget};
    const struct drain *drain = drains_find(&step->broker->drains, agent->id);

    TRY(holding_find(step, agent->id, &holding));
    *budget -= holding.count;
    *view = (struct agent_view){
        .agent_id = agent->id,
        .incarnation = agent->incarnation,
        .host = agent->host,
        .pid = agent->pid,
        .version = agent->version,
        .slots = agent->slots,
        .profiles = agent->profiles,
        .profile_count = agent->profile_count,
        .held = (uint32_t)holding.count,
        .silent_ms = step->now.store_ms - agent->heard_ms,
        .interval_us = (uint64_t)agent->rhythm.interval_us,
        .lateness_us = (uint64_t)agent->rhythm.lateness_us,
        .lease_ms = lease_of_agent_ms(step->broker, agent),
        .is_known = true,
        .draining = drain != NULL,
        .killed = drain != NULL && drain->kills,
        .drained_by = drain != NULL ? drain->by : "",
        .drain_reason = drain != NULL ? drain->reason : "",
    };
    return STATUS_OK;
}

/* Those that drain and have not registered. */
static size_t view_drains(struct step *step, size_t size, struct agent_view *views)
{
    const struct broker *broker = step->broker;
    size_t at = 0;

    for (const struct drain *drain = index_first(&broker->drains.by_agent); drain != NULL && size < LIST_BYTES_MAX;
         drain = index_next(&drain->node)) {
        if (agents_find(&broker->agents, drain->agent_id) != NULL)
            continue;
        size += 128 + strlen(drain->agent_id) + strlen(drain->by) + strlen(drain->reason);
        views[at++] = (struct agent_view){.agent_id = drain->agent_id,
                                          .host = "",
                                          .version = "",
                                          .draining = true,
                                          .killed = drain->kills,
                                          .drained_by = drain->by,
                                          .drain_reason = drain->reason};
    }
    return at;
}

enum status step_list_agents(struct step *step, const struct command *command)
{
    struct agents *agents = &step->broker->agents;
    size_t budget = 65536; /* rows of holders that one call looks at */
    size_t count = index_count(&agents->by_id) + index_count(&step->broker->drains.by_agent);
    struct agent_view *views = arena_zero(&step->effects->arena, count, sizeof *views);
    size_t size = 0;
    size_t at = 0;

    for (const struct agent *agent = index_first(&agents->by_id); agent != NULL && size < LIST_BYTES_MAX;
         agent = index_next(&agent->node)) {
        TRY(view_agent(step, agent, &budget, &views[at++]));
        size += agent_size(agent) + strlen(views[at - 1].drained_by) + strlen(views[at - 1].drain_reason);
    }
    at += view_drains(step, size, &views[at]);
    struct answer *answer = effects_answer(step->effects, command->token, command->kind);
    answer->agents.agents = views;
    answer->agents.count = at;
    return STATUS_OK;
}
