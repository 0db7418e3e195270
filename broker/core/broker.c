#include "broker/core/broker.h"

#include "broker/core/claim.h"
#include "broker/core/core.h"
#include "broker/core/gate.h"
#include "broker/core/lease.h"
#include "broker/core/release.h"
#include "broker/core/settings.h"
#include "broker/core/timer.h"
#include "broker/core/unique.h"
#include "common/base/check.h"
#include "common/base/store_time.h"

#include <stdlib.h>
#include <string.h>

#define HELD_UP_MIN_MS 250
#define HELD_UP_PARTS 3 /* of the shortest lease */

typedef enum status step_fn(struct step *step, const struct command *command);

static step_fn *const steps[COMMAND_KINDS] = {
    [COMMAND_SUBMIT] = step_submit,
    [COMMAND_GET] = step_get,
    [COMMAND_LIST] = step_list,
    [COMMAND_CANCEL] = step_cancel,
    [COMMAND_RETRY] = step_retry,
    [COMMAND_REGISTER] = step_register,
    [COMMAND_CLAIM] = step_claim,
    [COMMAND_UNPARK] = step_unpark,
    [COMMAND_FORGET] = step_forget,
    [COMMAND_START] = step_start,
    [COMMAND_HEARTBEAT] = step_heartbeat,
    [COMMAND_COMPLETE] = step_complete,
    [COMMAND_FAIL] = step_fail,
    [COMMAND_RELEASE] = step_release,
    [COMMAND_REPORT_EXIT] = step_report_exit,
    [COMMAND_FINISH] = step_finish,
    [COMMAND_LIST_ORPHANS] = step_list_orphans,
    [COMMAND_ADOPT] = step_adopt,
    [COMMAND_SUSPEND] = step_suspend,
    [COMMAND_ASK_SUSPEND] = step_ask_suspend,
    [COMMAND_RESUME] = step_resume,
    [COMMAND_UPDATE] = step_update,
    [COMMAND_QUEUE_STATS] = step_queue_stats,
    [COMMAND_LIST_AGENTS] = step_list_agents,
    [COMMAND_HISTORY] = step_history,
    [COMMAND_NOTE] = step_note,
    [COMMAND_SET_LIMIT] = step_set_limit,
    [COMMAND_LIST_LIMITS] = step_list_limits,
    [COMMAND_PAUSE_LIMIT] = step_pause_limit,
    [COMMAND_WHY] = step_why,
    [COMMAND_RAISE_EPOCH] = step_raise_epoch,
    [COMMAND_PAUSE_QUEUE] = step_pause_queue,
    [COMMAND_SET_QUEUE] = step_set_queue,
    [COMMAND_DRAIN] = step_drain,
    [COMMAND_MOVE] = step_move,
    [COMMAND_START_JOB] = step_start_job,
    [COMMAND_PREVIEW_JOB] = step_preview_job,
    [COMMAND_SET_BUDGET] = step_set_budget,
    [COMMAND_LIST_JOBS] = step_list_jobs,
    [COMMAND_CANCEL_JOB] = step_cancel_job,
};

struct broker *broker_new(const struct broker_settings *settings)
{
    struct broker *broker = allocate_zero(1, sizeof *broker);

    broker->settings = settings_complete(settings);
    broker->jitter = settings->random_seed;
    return broker;
}

static void forget_all(struct broker *broker)
{
    parking_done(broker);
    lanes_done(&broker->lanes);
    agents_done(&broker->agents);
    drains_done(&broker->drains);
    runs_done(&broker->runs);
    trail_done(&broker->trail);
    broker->is_dirty = false;
}

struct broker *broker_free(struct broker *broker)
{
    if (broker == NULL)
        return NULL;
    forget_all(broker);
    buffer_done(&broker->scratch);
    free(broker);
    return NULL;
}

static void turn_away_parked(struct broker *broker, struct effects *effects)
{
    struct error error = {0};

    (void)error_set(&error, STATUS_UNAVAILABLE, "STORE_FULL", "the store is full and was read anew: claim again");
    for (const struct parked *parked = index_first(&broker->parking.by_token); parked != NULL;
         parked = index_next(&parked->token_node))
        effects_refuse(effects, parked->token, COMMAND_CLAIM, &error);
}

/* A new store is called what the shell drew. */
static void name_store(struct broker *broker)
{
    if (broker->counters.store_id[0] != '\0')
        return;
    memcpy(broker->counters.store_id, broker->settings.store_id, sizeof broker->counters.store_id);
    broker->is_dirty = true;
}

enum status broker_open(struct broker *broker, struct store_txn *txn, struct effects *effects, struct error *error)
{
    turn_away_parked(broker, effects);
    forget_all(broker);
    enum status status = counters_load(txn, &broker->counters);
    if (status == STATUS_OK)
        status = lanes_load(&broker->lanes, txn);
    if (status == STATUS_OK)
        status = drains_load(&broker->drains, txn);
    if (status == STATUS_OK)
        status = releases_load(broker, txn);
    if (status == STATUS_OK)
        status = jobs_load(broker, txn);
    if (status == STATUS_DATA_LOSS)
        return error_set(error, status, "DAMAGED_STORE",
                         "the store's counters, lanes, limits, queues or drains are damaged; restore it from a backup");
    if (status != STATUS_OK)
        return error_set(error, status, "STORE_FAILED", "the store cannot be read");
    broker->opened_ms = broker->counters.store_ms;
    broker->leases_from_ms = broker->opened_ms;
    trail_open(broker);
    name_store(broker);
    return STATUS_OK;
}

struct terms broker_terms(const struct broker *broker)
{
    const struct broker_settings *settings = &broker->settings;

    return (struct terms){.heartbeat_ms = settings->heartbeat_ms,
                          .reap_grace_ms = settings->reap_grace_ms,
                          .terminate_ms = settings->terminate_ms};
}

/* Splitmix64: no secret, only spread, and the same for the same seed. */
uint64_t step_random(struct step *step, uint64_t bound)
{
    uint64_t mixed = step->broker->jitter += 0x9E3779B97F4A7C15;

    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9;
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB;
    return bound > 0 ? (mixed ^ mixed >> 31) % bound : 0;
}

enum status broker_step(struct broker *broker, struct store_txn *txn, struct broker_time now,
                        const struct command *command, struct effects *effects)
{
    struct step step = {.broker = broker, .txn = txn, .now = now, .effects = effects, .who = command->who};

    if (step.who == NULL)
        step.who = "";
    CHECK((size_t)command->kind < COMMAND_KINDS);
    enum status status = steps[command->kind](&step, command);
    /* An error of another status is one that the command got over; the store's own failures fill none. */
    if (status != STATUS_OK && step.error.status != status)
        return status;
    if (status != STATUS_OK)
        effects_refuse(effects, command->token, command->kind, &step.error);
    TRY(jobs_release(&step));
    return claims_wake(&step);
}

enum status broker_tick(struct broker *broker, struct store_txn *txn, struct broker_time now, struct effects *effects)
{
    struct step step = {.broker = broker, .txn = txn, .now = now, .effects = effects, .who = ""};

    broker->work_left = WORK_AT_ONCE;
    lanes_go_on(&broker->lanes);
    agents_expire(&broker->agents, now.store_ms);
    TRY(timers_tick(&step, broker->settings.tick_max));
    TRY(leases_tick(&step, broker->settings.tick_max));
    TRY(uniques_tick(&step, broker->settings.tick_max));
    TRY(jobs_tick(&step));
    TRY(jobs_release(&step));
    TRY(trail_trim(&step));
    gates_tick(&step);
    return claims_wake(&step);
}

static uint64_t unsaved_for_ms(const struct broker *broker, struct broker_time now)
{
    return now.store_ms - broker->counters.store_ms;
}

/* How long the store's time may run on unsaved. */
static uint64_t save_interval_ms(const struct broker *broker)
{
    return store_time_unsaved_max_ms(broker->opened_ms, broker->counters.store_ms);
}

bool broker_held_up(struct broker *broker, struct broker_time now, uint64_t ms)
{
    if (ms < HELD_UP_MIN_MS || ms < broker->settings.lease_min_ms / HELD_UP_PARTS)
        return false;
    broker->leases_from_ms = now.store_ms;
    return true;
}

enum status broker_next_ms(struct broker *broker, struct store_txn *txn, struct broker_time now, uint64_t *ret_ms)
{
    struct effects none = {0};
    struct step step = {.broker = broker, .txn = txn, .now = now, .effects = &none, .who = ""};
    uint64_t timers_ms = UINT64_MAX;
    uint64_t leases_ms = UINT64_MAX;
    uint64_t uniques_ms = UINT64_MAX;

    TRY(timers_next_ms(&step, &timers_ms));
    TRY(leases_next_ms(&step, &leases_ms));
    TRY(uniques_next_ms(&step, &uniques_ms));
    uint64_t events_ms = trail_next_ms(broker, now.store_ms);
    uint64_t least_ms = timers_ms < leases_ms ? timers_ms : leases_ms;
    least_ms = events_ms < least_ms ? events_ms : least_ms;
    least_ms = uniques_ms < least_ms ? uniques_ms : least_ms;
    uint64_t gates_ms = gates_next_ms(broker, &now);
    least_ms = gates_ms < least_ms ? gates_ms : least_ms;
    if (broker->jobs.count > 0 || broker->lanes.put_off != NULL)
        least_ms = 0;
    uint64_t unsaved_ms = unsaved_for_ms(broker, now);
    uint64_t save_ms = save_interval_ms(broker) > unsaved_ms ? save_interval_ms(broker) - unsaved_ms : 0;
    /* While something runs by it, the store's time is saved even when nothing happens. */
    *ret_ms = least_ms == UINT64_MAX || least_ms < save_ms ? least_ms : save_ms;
    return STATUS_OK;
}

enum status broker_settle(struct broker *broker, struct store_txn *txn, struct broker_time now)
{
    lanes_settle(&broker->lanes, txn);
    trail_settle(broker, txn);
    if (!broker->is_dirty && unsaved_for_ms(broker, now) < save_interval_ms(broker))
        return STATUS_OK;
    broker->counters.store_ms = now.store_ms;
    counters_save(txn, &broker->counters);
    broker->is_dirty = false;
    return STATUS_OK;
}

uint64_t broker_store_ms(const struct broker *broker)
{
    return broker->counters.store_ms;
}

uint64_t broker_revision(const struct broker *broker)
{
    return broker->counters.revision;
}

const char *broker_store_id(const struct broker *broker)
{
    return broker->counters.store_id;
}

uint64_t broker_newest_seen(const struct broker *broker)
{
    return broker->newest_seen;
}

uint16_t broker_epoch(const struct broker *broker)
{
    return broker->counters.epoch;
}

enum status broker_identify(struct store_txn *txn, struct store_identity *ret_identity)
{
    struct counters counters;

    TRY(counters_load(txn, &counters));
    *ret_identity = (struct store_identity){.epoch = counters.epoch, .revision = counters.revision};
    memcpy(ret_identity->store_id, counters.store_id, sizeof ret_identity->store_id);
    return STATUS_OK;
}

struct broker_totals broker_totals(const struct broker *broker)
{
    return broker->totals;
}

uint32_t broker_parked(const struct broker *broker)
{
    return (uint32_t)index_count(&broker->parking.by_token);
}

void broker_counts(const struct broker *broker, uint64_t ret_counts[static TASK_STATES])
{
    for (size_t state = 0; state < TASK_STATES; state++)
        ret_counts[state] = broker->lanes.counts[state];
}
