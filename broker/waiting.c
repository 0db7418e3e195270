#include "broker/waiting.h"

#include "broker/shell.h"
#include "common/base/check.h"

#include <stdlib.h>

uint64_t waiting_token(const struct rpc_call *call)
{
    return (uint64_t)(uintptr_t)call;
}

static void forget(struct waiting *waiting, struct waiting_call *waiting_call)
{
    deadlines_remove(&waiting->deadlines, &waiting_call->deadline);
    index_remove(&waiting->by_token, &waiting_call->node);
    free(waiting_call);
}

/* Nobody waits for it any more: what it would have been given goes to others. */
static void on_end(struct rpc_call *call, void *data)
{
    struct waiting_call *waiting_call = data;
    struct shell *shell = waiting_call->shell;
    struct command command = {.kind = COMMAND_FORGET, .token = waiting_token(call)};

    forget(&shell->waiting, waiting_call);
    (void)shell_ask(shell, &command);
}

void waiting_add(struct shell *shell, struct rpc_call *call, uint64_t until_ms)
{
    struct waiting_call *waiting_call = allocate_zero(1, sizeof *waiting_call);

    waiting_call->token = waiting_token(call);
    waiting_call->call = call;
    waiting_call->shell = shell;
    index_add(&shell->waiting.by_token, &waiting_call->node, &waiting_call->token, sizeof waiting_call->token,
              waiting_call);
    deadlines_add(&shell->waiting.deadlines, &waiting_call->deadline, until_ms);
    rpc_call_keep(call, on_end, waiting_call);
}

struct rpc_call *waiting_take(struct waiting *waiting, uint64_t token)
{
    struct waiting_call *found = index_find(&waiting->by_token, &token, sizeof token);

    if (found == NULL)
        return NULL;
    struct rpc_call *call = found->call;
    forget(waiting, found);
    return call;
}

void waiting_expire(struct shell *shell, uint64_t now_ms)
{
    while (deadlines_first_ms(&shell->waiting.deadlines) <= now_ms) {
        struct deadline *deadline = deadlines_first(&shell->waiting.deadlines);
        struct waiting_call *waiting_call =
            (struct waiting_call *)((char *)deadline - offsetof(struct waiting_call, deadline));
        struct command command = {.kind = COMMAND_UNPARK, .token = waiting_call->token};
        struct rpc_call *call = waiting_take(&shell->waiting, waiting_call->token);
        const struct answer *answer = shell_ask(shell_enter(shell), &command);
        CHECK(answer != NULL);
        agents_service_answer_claim(shell, call, answer);
    }
}

uint64_t waiting_deadline_ms(const struct waiting *waiting)
{
    return deadlines_first_ms(&waiting->deadlines);
}

void waiting_done(struct waiting *waiting)
{
    CHECK(index_count(&waiting->by_token) == 0);
    deadlines_done(&waiting->deadlines);
}
