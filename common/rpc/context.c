#include "common/rpc/context.h"

#include "common/base/check.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>
#include <zmq.h>

/* One thread moves the messages of them all, and a context has room for 1,023 sockets; a client takes three. */
#define USERS_MAX 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rpc_context *shared;

struct rpc_context *rpc_context_new(void)
{
    struct rpc_context *context = allocate_zero(1, sizeof *context);

    context->zmq = zmq_ctx_new();
    CHECK(context->zmq != NULL);
    context->users = 1;
    context->process = getpid();
    return context;
}

/* A forked child has its parent's contexts without their threads. */
static struct rpc_context *find_room(void)
{
    pid_t process = getpid();

    for (struct rpc_context *context = shared; context != NULL; context = context->next)
        if (context->process == process && context->users < USERS_MAX)
            return context;
    return NULL;
}

struct rpc_context *rpc_context_share(void)
{
    CHECK(pthread_mutex_lock(&lock) == 0);
    struct rpc_context *context = find_room();
    if (context != NULL) {
        context->users++;
    } else {
        context = rpc_context_new();
        LL_PREPEND(shared, context);
    }
    CHECK(pthread_mutex_unlock(&lock) == 0);
    return context;
}

// NOLINTNEXTLINE(readability-function-size)
static bool leave(struct rpc_context *context)
{
    struct rpc_context *found = NULL;

    CHECK(pthread_mutex_lock(&lock) == 0);
    bool is_last = --context->users == 0;
    if (is_last) {
        LL_SEARCH_SCALAR(shared, found, zmq, context->zmq);
        if (found != NULL)
            LL_DELETE(shared, context);
    }
    CHECK(pthread_mutex_unlock(&lock) == 0);
    return is_last;
}

void rpc_context_release(struct rpc_context *context)
{
    if (!leave(context))
        return;
    /* Waits until its sockets are closed. */
    while (zmq_ctx_term(context->zmq) != 0 && errno == EINTR)
        ;
    free(context);
}
