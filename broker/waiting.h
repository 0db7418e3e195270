/* The calls whose claims are parked in the core, and until when they wait. The core knows a call by its token. */
#pragma once

#include "broker/core/index.h"
#include "common/rpc/deadlines.h"
#include "common/rpc/server.h"

struct shell;

struct waiting_call {
    uint64_t token;
    struct rpc_call *call;
    struct shell *shell;
    struct deadline deadline;
    struct index_node node;
};

/* The zero value is empty. */
struct waiting {
    struct index by_token;
    struct deadlines deadlines;
};

uint64_t waiting_token(const struct rpc_call *call);
/* Keeps the call until its claim is answered, or until the time has come. */
void waiting_add(struct shell *shell, struct rpc_call *call, uint64_t until_ms);
/* The call of this token, which waits no longer; NULL when none waits. */
struct rpc_call *waiting_take(struct waiting *waiting, uint64_t token);
/* Answers, with nothing, those whose time has come. */
void waiting_expire(struct shell *shell, uint64_t now_ms);
uint64_t waiting_deadline_ms(const struct waiting *waiting);
void waiting_done(struct waiting *waiting);
