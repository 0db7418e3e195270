#include "broker/shell.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/id.h"
#include "common/base/log.h"
#include "common/store/store_lmdb.h"

#include <stdlib.h>

#define USAGE_INTERVAL_MS 100
#define STATUS_INTERVAL_MS 1000
/* Answers of one batch, so that a batch of large claims does not become a batch of large memory. */
#define BATCH_BYTES_MAX ((size_t)8 * 1024 * 1024)

struct shell *shell_enter(struct shell *shell)
{
    arena_reset(&shell->arena);
    return shell;
}

/* Answers of other calls can only be those of parked claims. */
static void hand_on(struct shell *shell, const struct command *command, const struct answer **ret_own)
{
    struct effects *effects = &shell->effects;
    char text[ID_TEXT_SIZE];

    for (const struct answer *answer = effects->answers; answer != NULL; answer = answer->next) {
        if (command != NULL && answer->token == command->token) {
            *ret_own = answer;
            continue;
        }
        struct rpc_call *call = waiting_take(&shell->waiting, answer->token);
        if (call != NULL)
            agents_service_answer_claim(shell, call, answer);
    }
    for (const struct push *push = effects->pushes; push != NULL; push = push->next)
        attend_push(&shell->attendance, push);
    if (!watches_are_empty(&shell->watches))
        for (size_t i = 0; i < effects->changed_count; i++)
            watches_note(&shell->watches, effects->changed[i]);
    if (effects->damaged_id != 0)
        log_error("A stored record is damaged: restore it from a backup",
                  log_text("task", id_format(effects->damaged_id, text)));
}

/* Between two looks at the clock it was stopped, starved or waiting for its disk: leases must not run out before the
 * heartbeats are read that came in time. */
static void look_for_stop(struct shell *shell, uint64_t now_ms, uint64_t due_ms)
{
    uint64_t expected_ms = shell->looked_ms > due_ms ? shell->looked_ms : due_ms;

    shell->looked_ms = now_ms;
    if (now_ms <= expected_ms || !broker_held_up(shell->broker, shell->now, now_ms - expected_ms))
        return;
    log_warning("The broker was held up: every lease gets a full term from now",
                log_number("ms", now_ms - expected_ms));
}

/* Anew for each command: a holder counts its lease from the sending of its request. One that began with the batch,
 * which can be older than the request, would end before that. */
static void look_at_clocks(struct shell *shell, uint64_t now_ms)
{
    shell->now.store_ms = shell->opened_store_ms + (now_ms - shell->opened_boot_ms);
    shell->now.wall_ms = clock_wall_ms();
    look_for_stop(shell, now_ms, shell->idle_until_ms);
    shell->idle_until_ms = 0;
}

const struct answer *shell_ask(struct shell *shell, const struct command *command)
{
    struct effects *effects = &shell->effects;
    const struct answer *own = NULL;

    effects_reset(effects);
    look_at_clocks(shell, clock_boot_ms());
    enum status status = broker_step(shell->broker, shell->txn, shell->now, command, effects);
    if (status == STATUS_RESOURCE_EXHAUSTED) {
        /* The whole batch is discarded at its end, and this answer with it. */
        struct error full = {0};
        (void)error_set(&full, status, "STORE_FULL", "the store is full, nothing was written");
        effects_reset(effects);
        effects_refuse(effects, command->token, command->kind, &full);
    } else if (status != STATUS_OK) {
        serve_fatal("step", status);
    }
    shell->batch_bytes += effects->arena.used;
    hand_on(shell, command, &own);
    return own;
}

const struct answer *shell_ask_in_call(struct shell *shell, struct command *command, struct rpc_call *call)
{
    command->token = waiting_token(call);
    command->who = caller_name(&shell->callers, rpc_call_caller(call));
    const struct answer *answer = shell_ask(shell, command);

    CHECK(answer != NULL);
    return answer;
}

const struct answer *shell_ask_for(struct shell *shell, struct command *command, struct rpc_call *call)
{
    const struct answer *answer = shell_ask_in_call(shell, command, call);

    if (answer->refusal == NULL)
        return answer;
    rpc_call_refuse(call, answer->refusal);
    return NULL;
}

void shell_note(struct shell *shell, const struct rpc_call *call, enum event_kind kind, const char *subject)
{
    struct command command = {.kind = COMMAND_NOTE,
                              .who = caller_name(&shell->callers, rpc_call_caller(call)),
                              .note = {.kind = kind, .subject = subject, .why = ""}};

    (void)shell_ask(shell, &command);
}

uint64_t shell_time_after(const struct shell *shell, uint32_t wait_ms)
{
    return shell->now_ms + wait_ms;
}

/* Assignments that reached nobody: their tasks do not wait for the lease. */
static void give_back_lost(struct shell *shell)
{
    for (size_t i = 0; i < shell->lost.count; i++) {
        struct command command = {
            .kind = COMMAND_RELEASE,
            .release = {.run = shell->lost.items[i], .reason = "its claimer was gone before the answer reached it"}};
        (void)shell_ask(shell, &command);
    }
    shell->lost.count = 0;
}

static void forget_repeated(struct shell *shell)
{
    for (struct repeated_run *run; (run = index_first(&shell->repeated)) != NULL;)
        index_remove(&shell->repeated, &run->node);
}

static void look_at_usage(struct shell *shell, uint64_t now_ms)
{
    if (now_ms < shell->usage_due_ms)
        return;
    shell->usage_due_ms = now_ms + USAGE_INTERVAL_MS;
    bool nearly_full = store_usage(shell->store).nearly_full;
    if (nearly_full && !shell->store_is_nearly_full)
        log_warning("The store is nearly full: submits are refused until something is removed");
    shell->store_is_nearly_full = nearly_full;
}

static void look_at_doubt(struct shell *shell)
{
    bool is_older = broker_newest_seen(shell->broker) != 0;

    if (is_older && !shell->store_is_older)
        log_error(
            "The store is older than what its peers have seen of it: nothing is handed out. Restore the right one, "
            "or raise the epoch (gangerctl store raise-epoch)",
            log_number("revision", broker_revision(shell->broker)),
            log_number("seen", broker_newest_seen(shell->broker)));
    shell->store_is_older = is_older;
}

static enum status begin(void *state, struct store_txn *txn, uint64_t now_ms)
{
    struct shell *shell = state;
    const struct answer *none = NULL;

    look_at_usage(shell, now_ms);
    look_at_doubt(shell);
    forget_repeated(shell);
    arena_reset(&shell->lost_arena);
    shell->now_ms = now_ms;
    shell->txn = txn;
    shell->batch_bytes = 0;
    shell->batch_start = rpc_server_stats(shell->server).requests;
    look_at_clocks(shell, now_ms);
    give_back_lost(shell);
    effects_reset(&shell->effects);
    enum status status = broker_tick(shell->broker, txn, shell->now, &shell->effects);
    hand_on(shell, NULL, &none);
    return status;
}

static bool batch_is_full(void *state)
{
    const struct shell *shell = state;
    return shell->batch_bytes >= BATCH_BYTES_MAX;
}

/* Nobody waits for it any more: what it would have been given goes to others. */
static void forget_claim(void *state, uint64_t token)
{
    struct command command = {.kind = COMMAND_FORGET, .token = token};
    (void)shell_ask(state, &command);
}

/* Answers, with nothing, the claims that have waited enough. */
static void end_waits(struct shell *shell, uint64_t now_ms)
{
    for (uint64_t token; (token = waiting_due(&shell->waiting, now_ms)) != 0;) {
        struct command command = {.kind = COMMAND_UNPARK, .token = token};
        struct rpc_call *call = waiting_take(&shell->waiting, token);
        const struct answer *answer = shell_ask(shell_enter(shell), &command);
        CHECK(answer != NULL);
        agents_service_answer_claim(shell, call, answer);
    }
}

static enum status settle(void *state, uint64_t now_ms)
{
    struct shell *shell = state;
    uint64_t next_ms = UINT64_MAX;

    end_waits(shell, now_ms);
    watches_serve(shell, now_ms);
    background_serve(&shell->background, now_ms);
    TRY(broker_next_ms(shell->broker, shell->txn, shell->now, &next_ms));
    shell->tick_due_ms = next_ms < UINT64_MAX - now_ms ? now_ms + next_ms : UINT64_MAX;
    shell->idle_until_ms = shell->tick_due_ms;
    return broker_settle(shell->broker, shell->txn, shell->now);
}

static void tell_status(struct shell *shell)
{
    uint64_t counts[TASK_STATES];
    uint64_t now_ms = clock_boot_ms();

    if (now_ms < shell->status_due_ms)
        return;
    shell->status_due_ms = now_ms + STATUS_INTERVAL_MS;
    broker_counts(shell->broker, counts);
    uint64_t running = counts[TASK_ASSIGNED] + counts[TASK_RUNNING];
    daemon_status("ready %llu, running %llu, scheduled %llu", (unsigned long long)counts[TASK_READY],
                  (unsigned long long)running, (unsigned long long)counts[TASK_SCHEDULED]);
}

static uint64_t committed(void *state)
{
    struct shell *shell = state;
    uint64_t requests = rpc_server_stats(shell->server).requests - shell->batch_start;

    shell->txn = NULL;
    if (requests > 0)
        latency_add(&shell->batches, requests);
    tell_status(shell);
    return broker_revision(shell->broker);
}

static enum status open_broker(struct shell *shell, struct error *error)
{
    CLEANUP(store_end)
    struct store_txn *txn = NULL;

    effects_reset(&shell->effects);
    enum status status = store_begin(shell->store, STORE_READ, &txn);
    if (status != STATUS_OK)
        return error_set(error, status, "STORE_FAILED", "the store cannot be read");
    TRY(broker_open(shell->broker, txn, &shell->effects, error));
    shell->opened_boot_ms = clock_boot_ms();
    shell->looked_ms = shell->opened_boot_ms;
    shell->idle_until_ms = UINT64_MAX;
    shell->opened_store_ms = broker_store_ms(shell->broker);
    shell->tick_due_ms = 0;
    return STATUS_OK;
}

/* What the core has in memory speaks of a batch that was not written: it is read again from the store. */
static void discarded(void *state)
{
    struct shell *shell = state;
    const struct answer *none = NULL;
    struct error error = {0};

    shell->txn = NULL;
    shell->usage_due_ms = 0;
    if (open_broker(shell, &error) != STATUS_OK) {
        log_error("The store cannot be read again", log_text("cause", error.message));
        serve_fatal("reopen", error.status);
    }
    hand_on(shell, NULL, &none);
}

static uint64_t deadline(void *state)
{
    const struct shell *shell = state;
    uint64_t least_ms = shell->lost.count > 0 ? 0 : shell->tick_due_ms;
    uint64_t waiting_ms = waiting_deadline_ms(&shell->waiting);
    uint64_t watches_ms = watches_deadline_ms(&shell->watches);
    uint64_t background_ms = background_deadline_ms(&shell->background);

    least_ms = background_ms < least_ms ? background_ms : least_ms;
    least_ms = waiting_ms < least_ms ? waiting_ms : least_ms;
    return watches_ms < least_ms ? watches_ms : least_ms;
}

static bool stream(void *state, uint64_t now_ms)
{
    (void)now_ms;
    return event_watches_serve(state);
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
    tasks_service_init(&shell->tasks, shell);
    agents_service_init(&shell->agents, shell);
    admin_service_init(&shell->admin, shell);
    const struct rpc_service services[] = {
        {.service = &shell->tasks.base.base, .methods = tasks_methods},
        {.service = &shell->agents.base.base, .methods = agents_methods},
        {.service = &shell->admin.base.base, .methods = admin_methods},
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
    shell->waiting = (struct waiting){.on_gone = forget_claim, .state = shell};
    TRY(background_init(&shell->background, shell, options->event, error));
    shell->broker = broker_new(&options->settings);
    TRY(store_lmdb_open(
        &broker_schema,
        &(struct store_lmdb_options){.directory = options->directory, .map_bytes = options->store_max_bytes},
        &shell->store, error));
    TRY(open_broker(shell, error));
    TRY(open_server(shell, options, error));
    TRY(serve_new(&(struct serve_options){.event = options->event,
                                          .server = shell->server,
                                          .store = shell->store,
                                          .batch_max = options->batch_max,
                                          .callbacks = &callbacks,
                                          .state = shell},
                  &shell->serve, error));
    log_info("The broker is open", log_number("revision", broker_revision(shell->broker)),
             log_text("store", options->directory));
    *ret_shell = TAKE(shell);
    return STATUS_OK;
}

/* The server goes first: the calls that it ends are forgotten by those who kept them. The store goes last. */
struct shell *shell_free(struct shell *shell)
{
    if (shell == NULL)
        return NULL;
    serve_free(shell->serve);
    rpc_server_free(shell->server);
    waiting_done(&shell->waiting);
    watches_done(&shell->watches);
    CHECK(shell->event_watches.all == NULL);
    callers_done(&shell->callers);
    background_done(&shell->background);
    broker_free(shell->broker);
    effects_done(&shell->effects);
    arena_done(&shell->arena);
    forget_repeated(shell);
    arena_done(&shell->lost_arena);
    free(shell->lost.items);
    store_close(shell->store);
    free(shell);
    return NULL;
}
