/* Calls that wait for something in a core: a claim for a task, a request for a lock. The core knows a call by its
 * token and answers it, by another command, when it can; here it is kept until then, or until it has waited enough. */
#pragma once

#include "common/base/deadlines.h"
#include "common/rpc/server.h"

struct waiting_call;

struct waiting {
    struct waiting_call *calls; /* a hash by the token */
    struct deadlines deadlines;
    /* The client is gone, or does not want an answer any more: the core is to forget the token. Also outside of a
     * transaction. */
    void (*on_gone)(void *state, uint64_t token);
    void *state;
};

/* No call may be left: free the server first. */
void waiting_done(struct waiting *waiting);

/* Unique among open calls. */
uint64_t waiting_token(const struct rpc_call *call);
/* Keeps the call until it is taken, or the time has come. until_ms is BOOTTIME. */
void waiting_add(struct waiting *waiting, struct rpc_call *call, uint64_t until_ms);
/* The call of this token, which waits no longer; NULL when none waits. */
struct rpc_call *waiting_take(struct waiting *waiting, uint64_t token);
/* The token of one that has waited enough; 0 when there is none. */
uint64_t waiting_due(const struct waiting *waiting, uint64_t now_ms);
/* BOOTTIME; UINT64_MAX = never. */
uint64_t waiting_deadline_ms(const struct waiting *waiting);
