#include "tests/torture/caller.h"

#include "common/base/check.h"
#include "common/base/clock.h"

#include <stdio.h>
#include <string.h>

static struct ganger *connect_to(const struct fleet *fleet)
{
    struct ganger *ganger = NULL;
    struct ganger_error error = {0};

    CHECK(ganger_open(fleet->endpoint, GANGER_BROKER, &ganger, &error) == GANGER_OK);
    return ganger;
}

void caller_open(struct caller *caller, const struct fleet *fleet, int history, uint64_t actor)
{
    *caller = (struct caller){.fleet = fleet,
                              .ganger = connect_to(fleet),
                              .history = history,
                              .actor = actor,
                              .random = random_for(fleet->seed, actor)};
}

void caller_close(struct caller *caller)
{
    ganger_close(caller->ganger);
    caller->ganger = NULL;
}

void caller_reconnect(struct caller *caller)
{
    ganger_close(caller->ganger);
    caller->ganger = connect_to(caller->fleet);
}

struct history_event caller_operation(struct caller *caller, enum history_call call, uint64_t task, uint64_t fence)
{
    return (struct history_event){
        .actor = caller->actor, .operation = ++caller->operations, .call = call, .task = task, .fence = fence};
}

void caller_write(struct caller *caller, const struct history_event *event, enum history_kind kind, const char *reason)
{
    struct history_event line = *event;

    line.kind = kind;
    line.time_us = clock_boot_us();
    line.revision = kind == HISTORY_OK || kind == HISTORY_REFUSED ? ganger_last_revision(caller->ganger) : 0;
    (void)snprintf(line.reason, sizeof(line.reason), "%s", reason != NULL ? reason : "");
    for (char *at = line.reason; *at != '\0'; at++) {
        if (*at == ' ' || *at == '\n')
            *at = '_';
    }
    history_write(caller->history, &line);
}

void caller_prepare_repeat(struct history_event *event)
{
    event->round++;
}

void *caller_ask(struct caller *caller, struct history_event *event, const struct question *question)
{
    struct ganger_error error = {0};
    enum ganger_status status = GANGER_OK;
    ProtobufCMessage *response = NULL;

    for (;;) {
        if (event->invoked_us == 0)
            event->invoked_us = clock_boot_us();
        caller_write(caller, event, HISTORY_INVOKE, NULL);
        status = ganger_call(caller->ganger, question->service, question->method, question->message,
                             question->timeout_ms, &response, &error);
        if (status != GANGER_DEADLINE_EXCEEDED && status != GANGER_UNAVAILABLE)
            break;
        caller_write(caller, event, HISTORY_UNKNOWN, error.reason);
        if (fleet_stopping(caller->fleet))
            return NULL;
        event->round++;
    }
    if (status != GANGER_OK) {
        caller_write(caller, event, HISTORY_REFUSED, error.reason);
        return NULL;
    }
    return response;
}
