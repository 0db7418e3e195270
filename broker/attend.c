#include "broker/attend.h"

#include "broker/convert.h"
#include "common/base/check.h"

#include <ganger/v1/agents.pb-c.h>
#include <stdlib.h>
#include <string.h>

static struct attendant *find(const struct attendance *attendance, const char *agent_id)
{
    return index_find(&attendance->by_agent, agent_id, strlen(agent_id));
}

static void forget(struct attendant *attendant)
{
    index_remove(&attendant->attendance->by_agent, &attendant->node);
    free(attendant);
}

static void on_end(struct rpc_call *call, void *data)
{
    (void)call;
    forget(data);
}

static void replace(struct attendant *older)
{
    struct rpc_call *call = older->call;
    struct error error = {0};

    (void)error_set(&error, STATUS_ABORTED, "REPLACED", "a newer stream of %s has taken the place of this one",
                    older->agent_id);
    forget(older);
    rpc_call_refuse(call, &error);
}

enum status attend_add(struct attendance *attendance, struct rpc_call *call, const char *agent_id, struct error *error)
{
    size_t size = strlen(agent_id);

    if (size == 0 || size > AGENT_ID_MAX)
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_FIELD", "agent_id: 1 to %d bytes are needed",
                         AGENT_ID_MAX);
    struct attendant *older = find(attendance, agent_id);
    if (older != NULL)
        replace(older);
    struct attendant *attendant = allocate_zero(1, sizeof *attendant);
    memcpy(attendant->agent_id, agent_id, size + 1);
    attendant->call = call;
    attendant->attendance = attendance;
    index_add(&attendance->by_agent, &attendant->node, attendant->agent_id, size, attendant);
    rpc_call_keep(call, on_end, attendant);
    return STATUS_OK;
}

bool attend_has(const struct attendance *attendance, const char *agent_id)
{
    return find(attendance, agent_id) != NULL;
}

void attend_push(const struct attendance *attendance, const struct push *push)
{
    char agent_id[AGENT_ID_MAX + 1];
    struct attendant *attendant = NULL;
    Ganger__V1__Command command = GANGER__V1__COMMAND__INIT;

    (void)strncpy(agent_id, push->agent_id, sizeof agent_id - 1);
    agent_id[sizeof agent_id - 1] = '\0';
    for (;;) {
        attendant = find(attendance, agent_id);
        char *slash = strrchr(agent_id, '/');
        if (attendant != NULL || slash == NULL)
            break;
        *slash = '\0';
    }
    if (attendant == NULL || !rpc_call_has_credit(attendant->call))
        return;
    command.verdict = (Ganger__V1__Verdict)push->verdict;
    command.agent_id = borrowed_text(push->agent_id);
    command.task_id = push->run.task_id;
    command.fence = push->run.fence;
    command.reason = borrowed_text(push->reason);
    rpc_call_send(attendant->call, &command.base);
}
