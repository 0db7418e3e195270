/* Claims that wait for a task to become ready.
 *
 * A parked claim stands in one line per queue and agent type that it may take from; a task that becomes ready goes to
 * whoever waits longest of those who may have it, within the same step. One per agent: a newer claim replaces it. */
#pragma once

#include "broker/core/command.h"
#include "broker/core/index.h"
#include "broker/core/keys.h"
#include "broker/core/lane.h"

#define PARKED_MAX 16384
#define WAITS_MAX 65536

struct parked;

/* A place in one line. */
struct wait {
    struct parked *parked;
    struct queue_type *type;
    struct wait *next;
    struct wait *prev;
};

struct parked {
    uint64_t token;
    uint64_t arrival;
    char agent_id[AGENT_ID_MAX + 1];
    struct command_claim claim; /* texts of its own */
    const char **queues;        /* that it names */
    struct wait *waits;
    size_t wait_count;
    struct index_node agent_node; /* in parking.by_agent */
    struct index_node token_node; /* in parking.by_token */
};

/* The zero value is empty. */
struct parking {
    struct index by_agent;
    struct index by_token;
    uint64_t arrivals;
    size_t waits;
};

struct step;

/* RESOURCE_EXHAUSTED/TOO_MANY_WAITING. */
enum status parked_add(struct step *step, uint64_t token, const struct command_claim *claim) NODISCARD;
void parked_remove(struct broker *broker, struct parked *parked);
struct parked *parked_of_agent(const struct parking *parking, const char *agent_id);
struct parked *parked_of_token(const struct parking *parking, uint64_t token);
/* Who waits longest of those who may take from this lane; NULL when nobody does. */
struct parked *parked_first(const struct lane *lane);
void parking_done(struct broker *broker);
