#include "broker/core/agent.h"

#include "broker/core/own.h"
#include "common/base/check.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static void agent_clear(struct agent *agent)
{
    for (size_t i = 0; i < agent->profile_count; i++) {
        free_text(agent->profiles[i].agent_type);
        free_text(agent->profiles[i].problem);
    }
    free(agent->profiles);
    free(agent->host);
    free(agent->version);
}

static void agent_free(struct agents *agents, struct agent *agent)
{
    index_remove(&agents->by_id, &agent->node);
    DL_DELETE(agents->by_silence, agent);
    agent_clear(agent);
    free(agent);
}

void agents_done(struct agents *agents)
{
    while (agents->by_silence != NULL)
        agent_free(agents, agents->by_silence);
}

struct agent *agents_find(const struct agents *agents, const char *agent_id)
{
    return index_find(&agents->by_id, agent_id, strlen(agent_id));
}

struct agent *agents_nearest(const struct agents *agents, const char *agent_id)
{
    size_t size = strlen(agent_id);

    while (size > 0) {
        struct agent *agent = index_find(&agents->by_id, agent_id, size);
        if (agent != NULL)
            return agent;
        while (size > 0 && agent_id[--size] != '/')
            continue;
    }
    return NULL;
}

static void agent_describe(struct agent *agent, const struct command_register *registration)
{
    if (agent->incarnation != registration->incarnation)
        agent->rhythm = (struct rhythm){0};
    agent->incarnation = registration->incarnation;
    agent->host = duplicate_text(registration->host);
    agent->pid = registration->pid;
    agent->version = duplicate_text(registration->version);
    agent->slots = registration->slots;
    agent->profile_count = registration->profile_count;
    agent->profiles = allocate_zero(registration->profile_count, sizeof agent->profiles[0]);
    for (size_t i = 0; i < registration->profile_count; i++) {
        agent->profiles[i] = registration->profiles[i];
        agent->profiles[i].agent_type = duplicate_text(registration->profiles[i].agent_type);
        agent->profiles[i].problem = duplicate_text(registration->profiles[i].problem);
    }
}

void agents_put(struct agents *agents, const struct command_register *registration, uint64_t now_ms)
{
    struct agent *agent = agents_find(agents, registration->agent_id);

    if (agent != NULL) {
        agent_clear(agent);
    } else {
        if (index_count(&agents->by_id) >= AGENTS_MAX)
            agent_free(agents, agents->by_silence);
        agent = allocate_zero(1, sizeof *agent);
        CHECK(strlen(registration->agent_id) <= AGENT_ID_MAX);
        memcpy(agent->id, registration->agent_id, strlen(registration->agent_id) + 1);
        index_add(&agents->by_id, &agent->node, agent->id, strlen(agent->id), agent);
        DL_APPEND(agents->by_silence, agent);
    }
    agent_describe(agent, registration);
    agents_heard(agents, agent, now_ms);
}

void agents_heard(struct agents *agents, struct agent *agent, uint64_t now_ms)
{
    agent->heard_ms = now_ms;
    DL_DELETE(agents->by_silence, agent); // NOLINT(clang-analyzer-core.NullDereference): it is in the list
    DL_APPEND(agents->by_silence, agent);
}

void agents_expire(struct agents *agents, uint64_t now_ms)
{
    while (agents->by_silence != NULL && now_ms - agents->by_silence->heard_ms > AGENT_SILENT_MAX_MS)
        agent_free(agents, agents->by_silence);
}

bool agent_is_below(const char *agent_id, const char *supervisor_id)
{
    size_t size = strlen(supervisor_id);

    return strncmp(agent_id, supervisor_id, size) == 0 && agent_id[size] == '/';
}
