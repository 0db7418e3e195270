/* What all processes of one torture run know: its measures, where the broker is, and a few shared counters.
 *
 * A work is what the torture calls the thing that it wants done once: works have numbers from 1, and everything that is
 * submitted for one follows from the seed and its number. */
#pragma once

#include <ganger/v1/tasks.pb-c.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FLEET_QUEUES 3
#define FLEET_TYPES 3 /* and "any" */

extern char *const fleet_queues[FLEET_QUEUES];
extern char *const fleet_types[FLEET_TYPES];

/* In memory that all processes share. */
struct fleet_shared {
    atomic_bool stop;
    atomic_uint submitted;         /* works that have been acknowledged */
    atomic_uint completed;         /* as the operator last saw */
    atomic_uint agent_deaths;      /* agents that went without a word while they held something */
    atomic_uint process_deaths;    /* processes that killed themselves */
    atomic_uint lease_overstayers; /* runs that were held past their lease on purpose */
    atomic_uint incarnations;      /* agents that registered anew in the middle of their runs */
};

struct fleet {
    struct fleet_shared *shared;
    char directory[256];
    char endpoint[300];
    uint64_t seed;
    uint32_t works;
    uint32_t processes;
    uint32_t threads;
    uint32_t lease_ms;
    uint32_t work_ms; /* the longest that an ordinary run takes */
};

/* The task that is submitted for a work; texts is where its strings live. */
struct work_texts {
    char title[32];
    char payload[64];
};
void fleet_describe(const struct fleet *fleet, uint64_t work, struct work_texts *texts, Ganger__V1__TaskSpec *ret_spec);
/* The number of the work with this title, 0 when it is none. */
uint64_t fleet_work_of(const char *title);
/* What the run with this fence reports as the work's result. */
void fleet_result(uint64_t work, uint64_t fence, char text[static 64]);

bool fleet_stopping(const struct fleet *fleet);
/* Sleeps, less when the fleet stops. */
void fleet_pause(const struct fleet *fleet, uint32_t milliseconds);

/* The parts, each the whole life of one process; they return what it exits with. */
int agents_main(const struct fleet *fleet, uint32_t process, uint32_t generation);
int submitters_main(const struct fleet *fleet);
/* Retries what failed; ends when everything is completed. */
int operator_main(const struct fleet *fleet);
/* Writes down what the broker has at the end. */
int reader_main(const struct fleet *fleet, uint32_t round);
