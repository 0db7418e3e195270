/* The broker's process: the real core over a store in memory, between a simulated network and simulated clocks, in
 * batches as the shell has them. It can die at any point of a batch, and the commit in flight may have happened or not.
 *
 * Every command and every tick is judged by the model at once. */
#pragma once

#include "broker/core/broker.h"
#include "tests/sim/message.h"
#include "tests/sim/world.h"

#define INBOX_MAX 64
#define WAITING_MAX 64

/* A request that has arrived. */
struct arrival {
    struct actor *actor;
    uint64_t call;
    struct request *request;
};

/* A claim in waiting. */
struct waiting {
    uint64_t token;
    uint64_t due_us;
    struct actor *actor;
    uint64_t call;
};

/* What leaves after the commit. */
struct departure {
    struct actor *actor;
    uint64_t call;       /* 0: a push */
    struct reply *reply; /* NULL: a push */
    struct run_name run; /* of a push */
    enum verdict verdict;
};

struct host {
    struct world *world;
    struct store *store;
    struct broker *broker; /* NULL: it is dead */
    struct broker_settings settings;
    struct effects effects;
    struct effects probe; /* for the questions of the comparison */
    uint64_t opened_us;
    uint64_t opened_store_ms;
    uint64_t turn; /* generation: an older planned turn means nothing */
    uint64_t turn_due_us;
    struct arrival inbox[INBOX_MAX];
    size_t inbox_count;
    struct waiting waiting[WAITING_MAX];
    size_t waiting_count;
    struct departure departures[2 * INBOX_MAX + WAITING_MAX];
    size_t departure_count;
    uint64_t last_token;
    uint64_t full_until_us;
    uint64_t checked_at; /* the number of the event after which everything was compared last */
    uint64_t batches;
    uint64_t crashes;
};

struct host *host_new(struct world *world);
struct host *host_free(struct host *host);

/* A request has come through the network. */
void host_receive(struct host *host, struct actor *actor, uint64_t call, struct request *request);
/* The connection of this actor is gone: its waiting claims are forgotten. */
void host_disconnected(struct host *host, const struct actor *actor);

/* departures.c: takes the reply. */
void departures_add(struct host *host, const struct departure *departure);
void departures_drop(struct host *host);
/* After the commit. */
void departures_send(struct host *host);

struct broker_time host_now(const struct host *host);

/* The comparison of the core with the model: of the rows that the last step touched, and of everything. */
void compare_touched(struct host *host, struct store_txn *txn);
void compare_all(struct host *host);
