/* Agents that an operator drains or kills: they, and those below them ("build7/claude" below "build7"), get no new
 * runs. What a draining one holds goes on to its end; what a killed one holds is given back, charged to nobody: at
 * once, or, where a supervisor has processes to end first, when it says so.
 *
 * Each has a row, so that a drain outlives the broker, and the agent: it ends when an operator ends it. */
#pragma once

#include "broker/core/index.h"
#include "broker/core/keys.h"
#include "common/base/status.h"

#include <stdbool.h>

#define DRAINS_MAX 4096
#define DRAIN_KILLS_BECAUSE "an operator has killed its agent"

struct drain {
    char agent_id[AGENT_ID_MAX + 1];
    bool kills;
    char *by;
    char *reason;
    struct index_node node; /* in drains.by_agent */
};

/* The zero value is empty. */
struct drains {
    struct index by_agent;
};

void drains_done(struct drains *drains);
/* DATA_LOSS when a row is damaged. */
enum status drains_load(struct drains *drains, struct store_txn *txn) NODISCARD;
/* That of the agent, or of one above it; NULL when there is none. */
const struct drain *drains_find(const struct drains *drains, const char *agent_id);
