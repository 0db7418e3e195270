/* The agents and supervisors that have registered, in memory: whoever is forgotten is told to register again.
 *
 * At most AGENTS_MAX: the one that was silent longest makes room. Whoever was silent for a day is dropped. */
#pragma once

#include "broker/core/command.h"
#include "broker/core/index.h"
#include "broker/core/keys.h"
#include "broker/core/rhythm.h"

#include <stdbool.h>
#include <stdint.h>

#define AGENTS_MAX 4096
#define AGENT_SILENT_MAX_MS (24ULL * 60 * 60 * 1000)
#define PROFILES_MAX 64

struct agent {
    char id[AGENT_ID_MAX + 1];
    uint64_t incarnation;
    char *host;
    uint64_t pid;
    char *version;
    uint32_t slots;
    struct profile *profiles; /* texts of its own */
    size_t profile_count;
    uint64_t heard_ms; /* store time */
    struct rhythm rhythm;
    struct agent *next;
    struct agent *prev;
    struct index_node node; /* in agents.by_id */
};

/* The zero value is empty. */
struct agents {
    struct index by_id;
    struct agent *by_silence; /* the longest silent one first */
};

void agents_done(struct agents *agents);
struct agent *agents_find(const struct agents *agents, const char *agent_id);
/* It, or the nearest above it: "build7" for "build7/claude2". NULL when none of them has registered. */
struct agent *agents_nearest(const struct agents *agents, const char *agent_id);
/* Makes it known or takes the new particulars. */
void agents_put(struct agents *agents, const struct command_register *registration, uint64_t now_ms);
void agents_heard(struct agents *agents, struct agent *agent, uint64_t now_ms);
/* Drops whoever was silent for too long. */
void agents_expire(struct agents *agents, uint64_t now_ms);

/* "build7/claude2" is below "build7". */
bool agent_is_below(const char *agent_id, const char *supervisor_id);
