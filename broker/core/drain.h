/* Agents that an operator drains: they, and those below them ("build7/claude" below "build7"), get no new runs, and
 * what they hold goes on to its end.
 *
 * Each has a row, so that a drain outlives the broker, and the agent: it ends when an operator ends it. */
#pragma once

#include "broker/core/index.h"
#include "broker/core/keys.h"
#include "common/base/status.h"

#include <stdbool.h>

#define DRAINS_MAX 4096

struct drain {
    char agent_id[AGENT_ID_MAX + 1];
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
