#include "common/serve/waiting.h"

#include "common/base/check.h"

#include <stdlib.h>
#include <uthash.h>

struct waiting_call {
    struct deadline deadline; /* the first member */
    uint64_t token;
    struct rpc_call *call;
    struct waiting *waiting;
    UT_hash_handle hh;
};

uint64_t waiting_token(const struct rpc_call *call)
{
    return (uint64_t)(uintptr_t)call;
}

/* NOLINTBEGIN(readability-function-size): the macros of uthash nest deeply */
static void forget(struct waiting_call *waiting_call)
{
    struct waiting *waiting = waiting_call->waiting;

    deadlines_remove(&waiting->deadlines, &waiting_call->deadline);
    HASH_DELETE(hh, waiting->calls, waiting_call);
    free(waiting_call);
}

static void on_end(struct rpc_call *call, void *data)
{
    struct waiting_call *waiting_call = data;
    struct waiting *waiting = waiting_call->waiting;

    forget(waiting_call);
    waiting->on_gone(waiting->state, waiting_token(call));
}

void waiting_add(struct waiting *waiting, struct rpc_call *call, uint64_t until_ms)
{
    struct waiting_call *waiting_call = allocate_zero(1, sizeof *waiting_call);

    waiting_call->token = waiting_token(call);
    waiting_call->call = call;
    waiting_call->waiting = waiting;
    HASH_ADD(hh, waiting->calls, token, sizeof waiting_call->token, waiting_call);
    deadlines_add(&waiting->deadlines, &waiting_call->deadline, until_ms);
    rpc_call_keep(call, on_end, waiting_call);
}

struct rpc_call *waiting_take(struct waiting *waiting, uint64_t token)
{
    struct waiting_call *found = NULL;

    HASH_FIND(hh, waiting->calls, &token, sizeof token, found);
    if (found == NULL)
        return NULL;
    struct rpc_call *call = found->call;
    forget(found);
    return call;
}

/* NOLINTEND(readability-function-size) */

uint64_t waiting_due(const struct waiting *waiting, uint64_t now_ms)
{
    const struct waiting_call *first = (const struct waiting_call *)deadlines_first(&waiting->deadlines);

    return first != NULL && first->deadline.at_ms <= now_ms ? first->token : 0;
}

uint64_t waiting_deadline_ms(const struct waiting *waiting)
{
    return deadlines_first_ms(&waiting->deadlines);
}

void waiting_done(struct waiting *waiting)
{
    CHECK(waiting->calls == NULL);
    deadlines_done(&waiting->deadlines);
}
