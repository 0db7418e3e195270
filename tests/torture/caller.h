/* A client of the torture: one connection, everything that it asks and hears written to the history. */
#pragma once

#include "client/ganger.h"
#include "tests/history/history.h"
#include "tests/support/random.h"
#include "tests/torture/fleet.h"

struct caller {
    const struct fleet *fleet;
    struct ganger *ganger;
    int history;
    uint64_t actor;
    uint64_t operations; /* the last number given */
    struct random random;
};

void caller_open(struct caller *caller, const struct fleet *fleet, int history, uint64_t actor);
void caller_close(struct caller *caller);
/* Drops the connection with all that is under way on it, as a dying client does, and takes a new one. */
void caller_reconnect(struct caller *caller);

/* A new operation of the caller. */
struct history_event caller_operation(struct caller *caller, enum history_call call, uint64_t task, uint64_t fence);

struct question {
    const ProtobufCServiceDescriptor *service;
    const char *method;
    const ProtobufCMessage *message;
    uint32_t timeout_ms;
};

/* Asks until there is an answer, as one has to when the outcome is not known, and writes down every try and a refusal.
 * A good answer is for its caller to write down (event is prepared for it) and to give to ganger_free. NULL when it was
 * refused, or when the fleet stops. */
void *caller_ask(struct caller *caller, struct history_event *event, const struct question *question);
/* The same question again, although it was answered. */
void caller_prepare_repeat(struct history_event *event);
void caller_write(struct caller *caller, const struct history_event *event, enum history_kind kind, const char *reason);
