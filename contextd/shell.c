#include "contextd/shell.h"

#include "contextd/convert.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/rpc/envelope.h"
#include "common/store/store_lmdb.h"

/* What followers get between two batches, so that requests wait for it no longer than for a commit. */
#define FOLLOW_TURN_BYTES ((size_t)512 * 1024)
#define USAGE_INTERVAL_MS 100

static void refuse(struct shell *shell, struct rpc_call *call)
{
    const struct effects *effects = &shell->effects;

    if (effects->error.status == STATUS_DATA_LOSS)
        log_error("A stored record is damaged", log_text("cause", effects->error.message));
    shell->detail.size = 0;
    /* The loser of a race gets what won, so that merging and trying again is one step. */
    if (effects->shows_current)
        message_pack(&entry_to_message(&shell->arena, &effects->entry)->base, &shell->detail);
    if (effects->shows_holder)
        message_pack(&held_lock_to_message(&shell->arena, &effects->holder)->base, &shell->detail);
    rpc_call_refuse_with(call, &effects->error, buffer_view(&shell->detail));
}

static void answer_waiting(struct shell *shell)
{
    for (const struct lock_answer *answer = shell->effects.lock_answers; answer != NULL; answer = answer->next)
        locks_service_answer(shell, answer);
}

bool shell_step(struct shell *shell, const struct command *command, struct rpc_call *call)
{
    struct effects *effects = &shell->effects;
    enum status status = contextd_step(&shell->core, shell->txn, &shell->now, command, effects);

    arena_reset(&shell->arena);
    if (status == STATUS_RESOURCE_EXHAUSTED)
        (void)error_set(&effects->error, status, "STORE_FULL", "the store is full, nothing was written");
    else if (status != STATUS_OK)
        serve_fatal("step", status);
    shell->batch_bytes += effects->bytes;
    answer_waiting(shell);
    if (effects->error.status != STATUS_OK) {
        refuse(shell, call);
        return false;
    }
    if (effects->mailbox_grew)
        receivers_wake(&shell->receivers, &command->send_message);
    if (effects->stream_changed)
        followers_wake(&shell->followers, &effects->stream.name);
    return true;
}

static void look_at_usage(struct shell *shell, uint64_t now_ms)
{
    if (now_ms < shell->usage_due_ms)
        return;
    shell->usage_due_ms = now_ms + USAGE_INTERVAL_MS;
    bool nearly_full = store_usage(shell->store).nearly_full;
    if (nearly_full && !shell->now.store_nearly_full)
        log_warning("The store is nearly full: puts and appends are refused until something is deleted");
    shell->now.store_nearly_full = nearly_full;
}

static void look_at_clocks(struct shell *shell, uint64_t now_ms)
{
    shell->now.unix_ms = clock_wall_ms();
    shell->now.boot_ms = now_ms;
    shell->now.store_ms = shell->opened_store_ms + (now_ms - shell->opened_boot_ms);
}

static enum status begin(void *state, struct store_txn *txn, uint64_t now_ms)
{
    struct shell *shell = state;
    struct error error = {0};

    look_at_usage(shell, now_ms);
    shell->txn = txn;
    shell->batch_bytes = 0;
    look_at_clocks(shell, now_ms);
    enum status status = contextd_begin(&shell->core, txn, &error);
    if (status != STATUS_OK)
        log_error("The counters of the store cannot be read", log_text("cause", error.message));
    if (status == STATUS_OK)
        status = contextd_tick(&shell->core, txn, &shell->now, &shell->effects);
    arena_reset(&shell->arena);
    answer_waiting(shell);
    return status;
}

static bool batch_is_full(void *state)
{
    const struct shell *shell = state;
    return shell->batch_bytes >= shell->batch_bytes_max;
}

static void forget_request(void *state, uint64_t token)
{
    struct shell *shell = state;
    contextd_forget(&shell->core, &shell->now, token);
}

/* It has waited enough. */
static void end_wait(struct shell *shell, uint64_t token)
{
    struct command command = {.kind = COMMAND_UNWAIT_LOCK, .token = token};
    enum status status = contextd_step(&shell->core, shell->txn, &shell->now, &command, &shell->effects);

    arena_reset(&shell->arena);
    if (status != STATUS_OK && status != STATUS_RESOURCE_EXHAUSTED)
        serve_fatal("unwait", status);
    answer_waiting(shell);
    /* What stands in its way cannot be read, or the batch will be discarded. */
    struct rpc_call *call = waiting_take(&shell->waiting, token);
    if (call != NULL)
        refuse(shell, call);
}

static enum status settle(void *state, uint64_t now_ms)
{
    struct shell *shell = state;

    for (uint64_t token; (token = waiting_due(&shell->waiting, now_ms)) != 0;)
        end_wait(shell, token);
    receivers_serve(shell, now_ms);
    contextd_finish(&shell->core, shell->txn, &shell->now);
    return STATUS_OK;
}

static uint64_t committed(void *state)
{
    struct shell *shell = state;

    shell->txn = NULL;
    return shell->core.counters.revision;
}

/* Refuses a store whose counters or locks are damaged, before anybody is served. */
static enum status open_core(struct shell *shell)
{
    CLEANUP(store_end)
    struct store_txn *txn = NULL;

    shell->now.boot_ms = clock_boot_ms();
    TRY(store_begin(shell->store, STORE_READ, &txn));
    TRY(contextd_open(&shell->core, txn, &shell->now, &shell->effects));
    shell->opened_boot_ms = shell->now.boot_ms;
    shell->opened_store_ms = contextd_store_ms(&shell->core);
    look_at_clocks(shell, shell->opened_boot_ms);
    return STATUS_OK;
}

static void discarded(void *state)
{
    struct shell *shell = state;

    shell->txn = NULL;
    shell->usage_due_ms = 0;
    if (open_core(shell) != STATUS_OK) {
        log_error("The store cannot be read again", log_text("cause", shell->effects.error.message));
        serve_fatal("reopen", STATUS_DATA_LOSS);
    }
    arena_reset(&shell->arena);
    answer_waiting(shell);
}

static uint64_t deadline(void *state)
{
    const struct shell *shell = state;
    uint64_t waiting_ms = waiting_deadline_ms(&shell->waiting);
    uint64_t receivers_ms = receivers_deadline_ms(&shell->receivers);
    uint64_t core_ms = contextd_next_ms(&shell->core, &shell->now);
    uint64_t least_ms = waiting_ms < core_ms ? waiting_ms : core_ms;

    return receivers_ms < least_ms ? receivers_ms : least_ms;
}

static bool stream(void *state, uint64_t now_ms)
{
    struct shell *shell = state;
    CLEANUP(store_end)
    struct store_txn *txn = NULL;

    (void)now_ms;
    if (!followers_are_waiting(&shell->followers))
        return false;
    enum status status = store_begin(shell->store, STORE_READ, &txn);
    if (status == STATUS_OK)
        status = followers_serve(&shell->followers, txn, FOLLOW_TURN_BYTES);
    if (status != STATUS_OK)
        serve_fatal("follow", status);
    return followers_are_waiting(&shell->followers);
}

static const struct serve_callbacks callbacks = {
    .begin = begin,
    .batch_is_full = batch_is_full,
    .settle = settle,
    .committed = committed,
    .discarded = discarded,
    .stream = stream,
    .deadline = deadline,
};

static enum status open_server(struct shell *shell, const struct shell_options *options, struct error *error)
{
    context_service_init(&shell->context, shell);
    streams_service_init(&shell->streams, shell);
    locks_service_init(&shell->locks, shell);
    messages_service_init(&shell->messages, shell);
    const struct rpc_service services[] = {
        {.service = &shell->context.base.base, .methods = context_methods},
        {.service = &shell->streams.base.base, .methods = streams_methods},
        {.service = &shell->locks.base.base, .methods = locks_methods},
        {.service = &shell->messages.base.base, .methods = messages_methods},
    };
    return rpc_server_new(&(struct rpc_server_options){.endpoints = options->endpoints,
                                                       .services = services,
                                                       .service_count = sizeof services / sizeof services[0],
                                                       .connections_max = options->connections_max},
                          &shell->server, error);
}

enum status shell_new(const struct shell_options *options, struct shell **ret_shell, struct error *error)
{
    CLEANUP(shell_free)
    struct shell *shell = allocate_zero(1, sizeof *shell);

    shell->started_ms = clock_boot_ms();
    shell->waiting = (struct waiting){.on_gone = forget_request, .state = shell};
    shell->batch_bytes_max = options->batch_bytes_max;
    TRY(store_lmdb_open(
        &contextd_schema,
        &(struct store_lmdb_options){.directory = options->directory, .map_bytes = options->store_max_bytes},
        &shell->store, error));
    enum status status = open_core(shell);
    if (shell->effects.error.status != STATUS_OK)
        *error = shell->effects.error;
    else if (status != STATUS_OK)
        (void)error_set(error, status, "STORE_FAILED", "the store cannot be read");
    TRY(status);
    TRY(open_server(shell, options, error));
    TRY(serve_new(&(struct serve_options){.event = options->event,
                                          .server = shell->server,
                                          .store = shell->store,
                                          .batch_max = options->batch_max,
                                          .callbacks = &callbacks,
                                          .state = shell},
                  &shell->serve, error));
    log_info("The context store is open", log_number("revision", shell->core.counters.revision),
             log_text("store", options->directory));
    *ret_shell = TAKE(shell);
    return STATUS_OK;
}

/* The server goes before the followers, whose calls it ends, and the store last. */
struct shell *shell_free(struct shell *shell)
{
    if (shell == NULL)
        return NULL;
    serve_free(shell->serve);
    rpc_server_free(shell->server);
    followers_done(&shell->followers);
    waiting_done(&shell->waiting);
    receivers_done(&shell->receivers);
    contextd_done(&shell->core);
    context_effects_done(&shell->effects);
    arena_done(&shell->arena);
    buffer_done(&shell->detail);
    store_close(shell->store);
    free(shell);
    return NULL;
}
