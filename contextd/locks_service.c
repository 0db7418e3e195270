/* The service Locks: acquire, renew, release, list, and how much they are fought for. */
#include "contextd/convert.h"
#include "contextd/shell.h"

#include "common/rpc/envelope.h"

#define SMALL_REQUEST_MAX 4096
#define WAIT_MAX_MS 20000

static struct shell *shell_of(Ganger__V1__Locks_Service *service)
{
    return ((struct locks_service *)service)->shell;
}

static void answer_granted(struct rpc_call *call, uint64_t fence, uint32_t ttl_ms, uint64_t waited_ms)
{
    Ganger__V1__AcquireLockResponse response = GANGER__V1__ACQUIRE_LOCK_RESPONSE__INIT;

    response.fence = fence;
    response.ttl_ms = ttl_ms;
    response.waited_ms = waited_ms;
    rpc_call_reply(call, &response.base);
}

void locks_service_answer(struct shell *shell, const struct lock_answer *answer)
{
    struct rpc_call *call = waiting_take(&shell->waiting, answer->token);

    if (call == NULL)
        return;
    if (answer->error.status == STATUS_OK) {
        answer_granted(call, answer->fence, answer->ttl_ms, answer->waited_ms);
        return;
    }
    shell->detail.size = 0;
    if (answer->shows_holder)
        message_pack(&held_lock_to_message(&shell->arena, &answer->holder)->base, &shell->detail);
    rpc_call_refuse_with(call, &answer->error, buffer_view(&shell->detail));
}

static void acquire_lock(Ganger__V1__Locks_Service *service, const Ganger__V1__AcquireLockRequest *request,
                         Ganger__V1__AcquireLockResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct rpc_call *call = closure_data;
    struct error error = {0};
    struct command command = {
        .kind = COMMAND_ACQUIRE_LOCK,
        .token = waiting_token(call),
        .acquire_lock = {.namespace = bytes_of_text(request->namespace_),
                         .name = bytes_of_text(request->name),
                         .mode = request->mode == GANGER__V1__LOCK_MODE__SHARED ? LOCK_SHARED : LOCK_EXCLUSIVE,
                         .ttl_ms = request->ttl_ms,
                         .waits = request->wait_ms > 0,
                         .holder = writer_from_message(request->holder),
                         .request = bytes_from_message(request->request)}};

    (void)closure;
    if (request->wait_ms > WAIT_MAX_MS) {
        (void)error_set(&error, STATUS_INVALID_ARGUMENT, "BAD_FIELD", "wait_ms: at most %d are allowed", WAIT_MAX_MS);
        rpc_call_refuse(call, &error);
        return;
    }
    if (!shell_step(shell, &command, call))
        return;
    const struct lock *lock = &shell->effects.lock;
    if (shell->effects.waits)
        waiting_add(&shell->waiting, call, shell->now.boot_ms + request->wait_ms);
    else
        answer_granted(call, lock->fence, lock->ttl_ms, lock->waited_ms);
}

static struct command command_of_held(enum command_kind kind, const char *namespace, const char *name, uint64_t fence)
{
    return (struct command){
        .kind = kind,
        .name_lock = {.namespace = bytes_of_text(namespace), .name = bytes_of_text(name), .fence = fence}};
}

static void renew_lock(Ganger__V1__Locks_Service *service, const Ganger__V1__RenewLockRequest *request,
                       Ganger__V1__RenewLockResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__RenewLockResponse response = GANGER__V1__RENEW_LOCK_RESPONSE__INIT;
    struct command command = command_of_held(COMMAND_RENEW_LOCK, request->namespace_, request->name, request->fence);

    (void)closure;
    if (!shell_step(shell, &command, closure_data))
        return;
    response.ttl_ms = shell->effects.lock.ttl_ms;
    rpc_call_reply(closure_data, &response.base);
}

static void release_lock(Ganger__V1__Locks_Service *service, const Ganger__V1__ReleaseLockRequest *request,
                         Ganger__V1__ReleaseLockResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__ReleaseLockResponse response = GANGER__V1__RELEASE_LOCK_RESPONSE__INIT;
    struct command command = command_of_held(COMMAND_RELEASE_LOCK, request->namespace_, request->name, request->fence);

    (void)closure;
    if (!shell_step(shell, &command, closure_data))
        return;
    response.was_held = shell->effects.was_held;
    rpc_call_reply(closure_data, &response.base);
}

static void list_locks(Ganger__V1__Locks_Service *service, const Ganger__V1__ListLocksRequest *request,
                       Ganger__V1__ListLocksResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct effects *effects = &shell->effects;
    Ganger__V1__ListLocksResponse response = GANGER__V1__LIST_LOCKS_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_LIST_LOCKS,
                              .list_locks = {.namespace = bytes_of_text(request->namespace_),
                                             .prefix = bytes_of_text(request->prefix),
                                             .page_size = request->page_size,
                                             .page_token = bytes_of_text(request->page_token)}};

    (void)closure;
    if (!shell_step(shell, &command, closure_data))
        return;
    response.n_locks = effects->count;
    response.locks = arena_zero(&shell->arena, effects->count, sizeof(Ganger__V1__HeldLock *));
    for (size_t i = 0; i < effects->count; i++)
        response.locks[i] = held_lock_to_message(&shell->arena, &effects->lock_views[i]);
    response.next_page_token = effects->next_page_token;
    rpc_call_reply(closure_data, &response.base);
}

static void lock_stats(Ganger__V1__Locks_Service *service, const Ganger__V1__LockStatsRequest *request,
                       Ganger__V1__LockStatsResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct effects *effects = &shell->effects;
    Ganger__V1__LockStatsResponse response = GANGER__V1__LOCK_STATS_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_LOCK_STATS,
                              .lock_stats = {.namespace = bytes_of_text(request->namespace_), .most = request->most}};

    (void)closure;
    if (!shell_step(shell, &command, closure_data))
        return;
    response.n_locks = effects->count;
    response.locks = arena_zero(&shell->arena, effects->count, sizeof(Ganger__V1__LockContention *));
    for (size_t i = 0; i < effects->count; i++)
        response.locks[i] = contention_to_message(&shell->arena, &effects->contention[i]);
    rpc_call_reply(closure_data, &response.base);
}

/* In the order of the .proto file. */
const struct rpc_method locks_methods[] = {
    {.name = "AcquireLock", .request_max = SMALL_REQUEST_MAX}, {.name = "RenewLock", .request_max = SMALL_REQUEST_MAX},
    {.name = "ReleaseLock", .request_max = SMALL_REQUEST_MAX}, {.name = "ListLocks", .request_max = SMALL_REQUEST_MAX},
    {.name = "LockStats", .request_max = SMALL_REQUEST_MAX},
};

void locks_service_init(struct locks_service *service, struct shell *shell)
{
    static const Ganger__V1__Locks_Service handlers = GANGER__V1__LOCKS__INIT();
    *service = (struct locks_service){.base = handlers, .shell = shell};
}
