#include "tests/sim/host.h"

#include "common/base/check.h"
#include "common/store/store_mem.h"
#include "tests/sim/actor.h"
#include "tests/sim/model.h"

#include <inttypes.h>
#include <stdlib.h>

#define COMPARE_EVERY 64
#define TURN_US 100 /* how long a request waits for others */
#define FULL_MS 3000
#define WAIT_MS_MAX 20000
#define TERMINATE_MS 1000
#define SEAL_MS 20000

static event_fn host_turn;
static event_fn host_start;

static void plan_turn(struct host *host, uint64_t after_us)
{
    uint64_t due_us = host->world->now_us + after_us;

    if (host->turn_due_us <= due_us)
        return;
    host->turn_due_us = due_us;
    world_plan(host->world, after_us, host_turn, host, ++host->turn);
}

struct broker_time host_now(const struct host *host)
{
    uint64_t passed_ms = (host->world->now_us - host->opened_us) / 1000;

    return (struct broker_time){.store_ms = host->opened_store_ms + passed_ms, .wall_ms = world_wall_ms(host->world)};
}

static void open_broker(struct host *host)
{
    CLEANUP(store_end)
    struct store_txn *txn = NULL;
    struct error error = {0};

    effects_reset(&host->effects);
    CHECK(store_begin(host->store, STORE_READ, &txn) == STATUS_OK);
    if (broker_open(host->broker, txn, &host->effects, &error) != STATUS_OK)
        world_violated(host->world, "the store cannot be opened: %s", error.message);
    host->opened_us = host->world->now_us;
    host->opened_store_ms = broker_store_ms(host->broker);
    model_opened(host->world->model, host->opened_store_ms);
}

static void host_start(struct world *world, void *subject, uint64_t value)
{
    struct host *host = subject;

    (void)value;
    world_trace(world, "start", "broker", host->crashes, 0);
    host->broker = broker_new(&host->settings);
    open_broker(host);
    compare_all(host);
    host->turn_due_us = UINT64_MAX;
    plan_turn(host, 0);
}

struct host *host_new(struct world *world)
{
    struct host *host = allocate_zero(1, sizeof *host);
    const struct swarm *swarm = &world->swarm;

    host->world = world;
    host->settings = (struct broker_settings){
        .lease_ms = swarm->lease_ms,
        .lease_min_ms = swarm->adapt ? swarm->lease_ms / 3 : swarm->lease_ms,
        .lease_max_ms = swarm->adapt ? swarm->lease_ms * 3 : swarm->lease_ms,
        .heartbeat_ms = swarm->heartbeat_ms,
        .terminate_ms = TERMINATE_MS,
        .reap_grace_ms = TERMINATE_MS + 10000 + swarm->reap_ms,
        .seal_ms = SEAL_MS,
        .idempotency_window_ms = swarm->window_ms,
        .retention_ms = swarm->retention_ms,
        .events_max = swarm->events_max,
        .tick_max = swarm->tick_max,
        .random_seed = world->seed,
    };
    host->store = store_mem_new(&broker_schema, 0);
    host->turn_due_us = UINT64_MAX;
    world->host = host;
    world->model = model_new(world, &host->settings);
    host_start(world, host, 0);
    return host;
}

static void drop_inbox(struct host *host)
{
    for (size_t i = 0; i < host->inbox_count; i++)
        request_free(host->inbox[i].request);
    host->inbox_count = 0;
}

struct host *host_free(struct host *host)
{
    if (host == NULL)
        return NULL;
    departures_drop(host);
    drop_inbox(host);
    broker_free(host->broker);
    store_close(host->store);
    effects_done(&host->effects);
    effects_done(&host->probe);
    free(host);
    return NULL;
}

void host_receive(struct host *host, struct actor *actor, uint64_t call, struct request *request)
{
    if (host->broker == NULL || host->inbox_count == INBOX_MAX)
        return;
    host->inbox[host->inbox_count++] =
        (struct arrival){.actor = actor, .call = call, .request = request_share(request)};
    plan_turn(host, TURN_US);
}

void host_disconnected(struct host *host, const struct actor *actor)
{
    for (size_t i = 0; i < host->waiting_count; i++)
        if (host->waiting[i].actor == actor)
            host->waiting[i].due_us = 0;
    if (host->broker != NULL)
        plan_turn(host, TURN_US);
}

static void die(struct host *host)
{
    world_trace(host->world, "crash", "broker", host->batches, 0);
    departures_drop(host);
    host->crashes++;
    host->broker = broker_free(host->broker);
    host->turn++;
    drop_inbox(host);
    host->waiting_count = 0;
    world_plan(host->world, 1000 * world_draw(host->world, host->world->swarm.down_ms + 1), host_start, host, 0);
}

static void remove_waiting(struct host *host, size_t at)
{
    host->waiting_count--;
    for (; at < host->waiting_count; at++)
        host->waiting[at] = host->waiting[at + 1];
}

/* Who is answered without having asked now had a claim in waiting. */
static void collect_answers(struct host *host, uint64_t own_token, const struct arrival *arrival)
{
    for (const struct answer *answer = host->effects.answers; answer != NULL; answer = answer->next) {
        if (arrival != NULL && answer->token == own_token) {
            departures_add(host, &(struct departure){
                                     .actor = arrival->actor, .call = arrival->call, .reply = reply_of_answer(answer)});
            continue;
        }
        for (size_t i = 0; i < host->waiting_count; i++) {
            if (host->waiting[i].token != answer->token)
                continue;
            departures_add(host, &(struct departure){.actor = host->waiting[i].actor,
                                                     .call = host->waiting[i].call,
                                                     .reply = reply_of_answer(answer)});
            remove_waiting(host, i);
            break;
        }
    }
}

static void collect_pushes(struct host *host)
{
    for (const struct push *push = host->effects.pushes; push != NULL; push = push->next) {
        struct actor *actor = actor_of_id(host->world, push->agent_id);
        if (actor == NULL)
            continue;
        departures_add(host, &(struct departure){.actor = actor, .run = push->run, .verdict = push->verdict});
    }
}

static enum status step(struct host *host, struct store_txn *txn, const struct command *command,
                        const struct arrival *arrival)
{
    struct judgement judgement = {
        .model = host->world->model, .now = host_now(host), .command = command, .effects = &host->effects};

    effects_reset(&host->effects);
    TRY(broker_step(host->broker, txn, judgement.now, command, &host->effects));
    model_step(&judgement);
    compare_touched(host, txn);
    const struct answer *own = judgement.own;
    world_trace(host->world, own != NULL && own->refusal != NULL ? own->refusal->reason : command_name(command->kind),
                arrival != NULL ? actor_id(arrival->actor) : "broker", command->token, host->effects.changed_count);
    collect_answers(host, command->token, arrival);
    collect_pushes(host);
    return STATUS_OK;
}

static bool is_answered(const struct host *host, uint64_t token)
{
    for (const struct answer *answer = host->effects.answers; answer != NULL; answer = answer->next)
        if (answer->token == token)
            return true;
    return false;
}

static enum status take_request(struct host *host, struct store_txn *txn, struct arrival *arrival)
{
    struct command command = arrival->request->command;

    command.token = ++host->last_token;
    if (command.kind == COMMAND_SUBMIT)
        command.submit.store_is_nearly_full = host->full_until_us > host->world->now_us && !host->world->healed;
    if (command.kind == COMMAND_CLAIM && host->waiting_count == WAITING_MAX)
        command.claim.waits = false;
    TRY(step(host, txn, &command, arrival));
    if (command.kind == COMMAND_CLAIM && !is_answered(host, command.token))
        host->waiting[host->waiting_count++] =
            (struct waiting){.token = command.token,
                             .due_us = host->world->now_us + 1000 * (1 + world_draw(host->world, WAIT_MS_MAX)),
                             .actor = arrival->actor,
                             .call = arrival->call};
    return STATUS_OK;
}

/* Those who have waited enough, and those whose claimer is gone (due at 0). */
static enum status end_waiting(struct host *host, struct store_txn *txn)
{
    for (size_t i = 0; i < host->waiting_count;) {
        struct waiting waiting = host->waiting[i];
        struct command command = {.kind = waiting.due_us == 0 ? COMMAND_FORGET : COMMAND_UNPARK,
                                  .token = waiting.token};
        struct arrival arrival = {.actor = waiting.actor, .call = waiting.call};

        if (waiting.due_us > host->world->now_us) {
            i++;
            continue;
        }
        remove_waiting(host, i);
        TRY(step(host, txn, &command, &arrival));
    }
    return STATUS_OK;
}

static enum status tick(struct host *host, struct store_txn *txn)
{
    struct judgement judgement = {.model = host->world->model, .now = host_now(host), .effects = &host->effects};

    effects_reset(&host->effects);
    TRY(broker_tick(host->broker, txn, judgement.now, &host->effects));
    model_tick(&judgement);
    compare_touched(host, txn);
    world_trace(host->world, "tick", "broker", judgement.now.store_ms, host->effects.changed_count);
    collect_answers(host, 0, NULL);
    collect_pushes(host);
    return STATUS_OK;
}

/* One transaction. ret_taken is how many requests of the inbox it has decided; ret_next_us when to look again. */
static enum status transact(struct host *host, struct store_txn *txn, size_t *ret_taken, uint64_t *ret_next_us)
{
    size_t most = host->world->swarm.batch_max < host->inbox_count ? host->world->swarm.batch_max : host->inbox_count;
    uint64_t next_ms = UINT64_MAX;

    *ret_taken = most;
    TRY(tick(host, txn));
    for (size_t i = 0; i < most && !host->world->failed; i++)
        TRY(take_request(host, txn, &host->inbox[i]));
    TRY(end_waiting(host, txn));
    TRY(broker_next_ms(host->broker, txn, host_now(host), &next_ms));
    TRY(broker_settle(host->broker, txn, host_now(host)));
    model_settle(host->world->model);
    *ret_next_us = next_ms < 3600000 ? 1000 * next_ms : 3600000000;
    for (size_t i = 0; i < host->waiting_count; i++) {
        uint64_t due_us = host->waiting[i].due_us;
        uint64_t left_us = due_us > host->world->now_us ? due_us - host->world->now_us : 0;
        *ret_next_us = left_us < *ret_next_us ? left_us : *ret_next_us;
    }
    return STATUS_OK;
}

static void take_off_inbox(struct host *host, size_t count)
{
    for (size_t i = 0; i < count; i++)
        request_free(host->inbox[i].request);
    host->inbox_count -= count;
    for (size_t i = 0; i < host->inbox_count; i++)
        host->inbox[i] = host->inbox[i + count];
}

/* The store was full: nothing of the batch has happened, and everybody in it is told so. */
static void give_up(struct host *host, size_t taken)
{
    world_trace(host->world, "full", "broker", taken, 0);
    departures_drop(host);
    model_abort(host->world->model);
    for (size_t i = 0; i < taken; i++)
        departures_add(host, &(struct departure){.actor = host->inbox[i].actor,
                                                 .call = host->inbox[i].call,
                                                 .reply = reply_of_refusal(host->inbox[i].request->command.kind,
                                                                           STATUS_RESOURCE_EXHAUSTED, "STORE_FULL")});
    take_off_inbox(host, taken);
    open_broker(host);
    collect_answers(host, 0, NULL);
    host->waiting_count = 0;
    departures_send(host);
}

static void set_fullness(struct host *host)
{
    if (world_fault(host->world, host->world->swarm.full))
        host->full_until_us = host->world->now_us + 1000 * world_draw(host->world, FULL_MS);
    bool is_full = host->full_until_us > host->world->now_us && !host->world->healed;
    /* Just what is in it, so that whatever grows it is refused. */
    store_mem_set_limit(host->store, is_full ? store_usage(host->store).used_bytes : 0);
}

static void host_turn(struct world *world, void *subject, uint64_t value)
{
    struct host *host = subject;
    struct store_txn *txn = NULL;
    size_t taken = 0;
    uint64_t next_us = 0;

    if (host->broker == NULL || value != host->turn)
        return;
    host->turn_due_us = UINT64_MAX;
    host->batches++;
    set_fullness(host);
    CHECK(store_begin(host->store, STORE_WRITE, &txn) == STATUS_OK);
    enum status status = transact(host, txn, &taken, &next_us);
    if (world->failed) {
        store_abort(&txn);
        return;
    }
    if (status == STATUS_OK && world_fault(world, world->swarm.crash)) {
        bool happened = world_draw(world, 2) == 0 && store_commit(&txn) == STATUS_OK;
        store_abort(&txn);
        if (happened)
            model_commit(world->model);
        else
            model_abort(world->model);
        die(host);
        return;
    }
    if (status == STATUS_OK)
        status = store_commit(&txn);
    store_abort(&txn);
    if (status == STATUS_OK) {
        model_commit(world->model);
        take_off_inbox(host, taken);
        departures_send(host);
    } else if (status == STATUS_RESOURCE_EXHAUSTED) {
        give_up(host, taken);
        next_us = 100000;
    } else {
        world_violated(world, "the store failed with %s", status_name(status));
    }
    if (world->events - host->checked_at >= COMPARE_EVERY)
        compare_all(host);
    plan_turn(host, host->inbox_count > 0 ? TURN_US : next_us > TURN_US ? next_us : TURN_US);
}
