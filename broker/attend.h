/* The streams on which holders take commands at once. One per agent; a command for "build7/claude2" goes to the stream
 * of "build7" when the former has none. */
#pragma once

#include "broker/core/effect.h"
#include "broker/core/index.h"
#include "broker/core/keys.h"
#include "common/rpc/server.h"

struct attendant {
    char agent_id[AGENT_ID_MAX + 1];
    struct rpc_call *call;
    struct attendance *attendance;
    struct index_node node;
};

/* The zero value is empty. */
struct attendance {
    struct index by_agent;
};

/* INVALID_ARGUMENT/BAD_FIELD. Keeps the call; ends the older stream of this agent. */
enum status attend_add(struct attendance *attendance, struct rpc_call *call, const char *agent_id, struct error *error)
    NODISCARD;
bool attend_has(const struct attendance *attendance, const char *agent_id);
/* Sends it if somebody attends and has credit; the heartbeat says the same later. */
void attend_push(const struct attendance *attendance, const struct push *push);
