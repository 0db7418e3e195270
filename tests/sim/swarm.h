/* What one seed's world is like: how many take part, what they do, what goes wrong and how often.
 *
 * Each seed draws its own; many faults are off in many worlds, so that each combination comes up, and a fault that is
 * on does not hide what only shows without it. Rates are in thousandths. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct swarm {
    /* sizes */
    uint32_t submitters;
    uint32_t agents;
    uint32_t supervisors;
    uint32_t operators;
    uint32_t queues;
    uint32_t types;
    uint32_t live_max; /* nobody submits while so many tasks wait or run */
    uint32_t batch_max;
    uint32_t tick_max;
    uint32_t lease_ms;
    uint32_t heartbeat_ms;
    bool adapt;       /* leases follow the holders' heartbeats */
    uint32_t reap_ms; /* the reap grace beyond the least one */
    uint32_t retention_ms;
    uint32_t events_max; /* that the store keeps */
    uint32_t work_ms;    /* how long a run works at most */
    uint32_t pause_ms;
    /* the network */
    uint32_t lose;
    uint32_t duplicate;
    uint32_t slow; /* messages that take up to slow_ms, and so pass others */
    uint32_t slow_ms;
    uint32_t cut; /* chance, now and then, that somebody is cut off */
    uint32_t cut_ms;
    uint32_t drift; /* of the clients' clocks: parts in 1,000, at most */
    /* the broker */
    uint32_t crash; /* per batch */
    uint32_t down_ms;
    uint32_t full; /* per batch: begins a time in which the store is full */
    uint32_t jump; /* chance, now and then, that somebody sets the wall clock */
    /* what clients do */
    uint32_t repeat;    /* of answered requests that are asked again all the same */
    uint32_t delay;     /* of tasks with a time */
    uint32_t depend;    /* of tasks that wait for others */
    uint32_t name;      /* of tasks with an idempotency key */
    uint32_t window_ms; /* for which such a key holds at least */
    uint32_t key;       /* of tasks with a fairness key */
    uint32_t suspend;   /* of runs that suspend themselves */
    uint32_t hold;      /* of tasks that are held for an operator when their supervisor is lost */
    uint32_t pending;   /* of ends whose output is still on its way */
    uint32_t limit;     /* of tasks that name a limit */
    uint32_t expire;    /* of tasks that may only wait so long; never where a tick does little at a time */
    uint32_t bad;       /* of tasks with a specification that must be refused */
    uint32_t few_tries; /* of tasks with one attempt only */
    uint32_t fail;
    uint32_t release;
    uint32_t silence;  /* of runs whose agent dies without a word */
    uint32_t overstay; /* of runs whose agent stops its heartbeats, and comes back late */
    uint32_t restart;  /* chance, now and then, that an agent's or supervisor's process starts anew */
    uint32_t operate;  /* how busy operators are: chance of an act, a few times a second */
};

struct swarm swarm_draw(uint64_t seed);
