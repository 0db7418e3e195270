#include "tests/sim/planted.h"

#include "broker/core/backoff.h"
#include "broker/core/claim.h"
#include "broker/core/core.h"
#include "broker/core/counters.h"
#include "broker/core/dependency.h"
#include "broker/core/drain.h"
#include "broker/core/ending.h"
#include "broker/core/lease.h"
#include "broker/core/limit.h"
#include "broker/core/parked.h"
#include "broker/core/queue.h"
#include "broker/core/release.h"
#include "broker/core/session.h"
#include "broker/core/timer.h"
#include "broker/core/turn.h"
#include "broker/core/unique.h"
#include "tests/sim/host.h"

#include <stddef.h>
#include <string.h>

int planted_now = -1;

#define BUGS(BUG)                                                                                                      \
    BUG(ACKS_EARLY, "ack-early", "answers leave before the commit, which then does not happen")                        \
    BUG(SKIPS_FENCE_ON_END, "skip-fence", "a word about an old run is taken for the present one")                      \
    BUG(SKIPS_FENCE_ON_BEAT, "skip-fence-heartbeat", "a heartbeat of an old run is taken for the present one")         \
    BUG(REUSES_FENCE, "reuse-fence", "a restart gives the last fence again")                                           \
    BUG(REUSES_ID, "reuse-id", "a restart gives the last task's id again")                                             \
    BUG(EXPIRES_EARLY, "expire-early", "leases are half as long as said")                                              \
    BUG(NO_GRACE, "no-grace", "leases run out at once after a restart")                                                \
    BUG(NO_RENEWAL, "no-renewal", "heartbeats do not renew leases")                                                    \
    BUG(WALL_DURATIONS, "wall-durations", "durations run by the wall clock")                                           \
    BUG(EARLY_TIMERS, "early-timers", "timers fire half a second early")                                               \
    BUG(SHORT_RETENTION, "short-retention", "ended tasks are removed after half of their retention")                   \
    BUG(FORGETS_INDEX_ROW, "forget-index-row", "a row of the holder index is not written now and then")                \
    BUG(KEEPS_INDEX_ROW, "keep-index-row", "a row of the lease index is not deleted now and then")                     \
    BUG(COUNTS_WRONG, "count-wrong", "a change of state is not counted now and then")                                  \
    BUG(DOUBLE_CLAIM, "double-claim", "a repeated claim gets other tasks")                                             \
    BUG(DOUBLE_SUBMIT, "double-submit", "a repeated submit makes its tasks again")                                     \
    BUG(FORGETS_SUBMIT, "forget-submit", "what a submit was answered is not kept")                                     \
    BUG(LOSES_PARKED, "lose-parked", "a claim that waits is forgotten")                                                \
    BUG(NO_WAKE, "no-wake", "a task that comes due wakes nobody")                                                      \
    BUG(STALE_HEAD, "stale-head", "a lane's head is not looked up again when a better task comes")                     \
    BUG(NO_PRIORITY, "no-priority", "tasks go out by age alone")                                                       \
    BUG(CANCELS_AT_ONCE, "cancel-at-once", "the cancel of a held task frees it before its holder has stopped")         \
    BUG(NO_PUSH, "no-push", "a cancel does not tell the holder")                                                       \
    BUG(LOSES_CANCEL, "lose-cancel", "a canceled task whose lease runs out is tried again")                            \
    BUG(FREE_ATTEMPT, "free-attempt", "a start is not counted as an attempt")                                          \
    BUG(ONE_TRY_MORE, "one-try-more", "one attempt more than allowed is made")                                         \
    BUG(LONG_BACKOFF, "long-backoff", "the backoff grows past its bound")                                              \
    BUG(KEEPS_RUNS, "keep-runs", "a new incarnation leaves the runs of the old one")                                   \
    BUG(FORGETS_AGENT, "forget-agent", "a registration is not kept")                                                   \
    BUG(WRITES_WHEN_REFUSED, "write-when-refused", "a refused command has written something")                          \
    BUG(NOT_ATOMIC, "not-atomic", "a submit that is one is taken in part")                                             \
    BUG(KEEPS_MEMORY, "keep-memory", "a batch that was given up stays in memory")                                      \
    BUG(LOSES_EVENT, "event-gap", "an event is not written now and then")                                              \
    BUG(RELEASES_EARLY, "release-early", "a task is released before the last of its dependencies has ended")           \
    BUG(NEVER_RELEASES, "never-release", "the end of a task is not told to those that wait for it")                    \
    BUG(IGNORES_FAILURE, "ignore-failure", "a task runs although a dependency failed")                                 \
    BUG(TAKES_CYCLES, "take-cycles", "tasks that wait for each other are taken")                                       \
    BUG(ONE_OVER_LIMIT, "one-over-limit", "a limit lets one more run than it says")                                    \
    BUG(LEAKS_LIMIT, "leak-limit", "the end of a run is not counted by its limit now and then")                        \
    BUG(IGNORES_RATE, "ignore-rate", "a limit's rate is not kept")                                                     \
    BUG(IGNORES_PAUSE, "ignore-pause", "a paused limit hands out tasks")                                               \
    BUG(NEVER_OPENS, "never-open", "a pause that is over wakes nobody")                                                \
    BUG(NEVER_EXPIRES, "never-expire", "a task that waits past its time is kept")                                      \
    BUG(ONE_TOO_MANY, "one-too-many", "a full queue takes one more task")                                              \
    BUG(TAKES_WHEN_PAUSED, "take-when-paused", "a queue that is paused takes tasks")                                   \
    BUG(NO_REAPING, "no-reaping", "a lost supervised run is handed out before its end is confirmed")                   \
    BUG(NEVER_HOLDS, "never-hold", "a task that is to be held after its loss is tried again")                          \
    BUG(NO_TURNS, "no-turns", "fairness keys take no turns")                                                           \
    BUG(IGNORES_DRAIN, "ignore-drain", "an agent that drains gets tasks")                                              \
    BUG(CHARGES_SUSPEND, "charge-suspend", "a suspended run is charged as an attempt")                                 \
    BUG(ENDS_EARLY, "end-early", "a task ends while its output is on its way")                                         \
    BUG(IGNORES_KEY, "ignore-key", "two tasks get one idempotency key")                                                \
    BUG(DROPS_KEY, "drop-key", "a key is forgotten although its task lives")                                           \
    BUG(NO_CASCADE, "no-cascade", "a cancel leaves the children of its task")                                          \
    BUG(DAMAGES_RECORD, "damage-record", "a state record is written with a flipped bit now and then")

#define NUMBER(number, name, what) number,
enum bug { BUGS(NUMBER) BUG_COUNT };
#define ROW(number, name, what) {name, what},
const struct planted planted_bugs[] = {BUGS(ROW){NULL, NULL}};

/* The function of the core, and what its callers get instead: it is to be linked with --wrap=name. */
#define AROUND(name)                                                                                                   \
    __typeof__(name) __real_##name;                                                                                    \
    __typeof__(name) __wrap_##name

static bool has(enum bug bug)
{
    return planted_now == (int)bug;
}

/* Every so many-th time. */
static bool now_and_then(enum bug bug, unsigned every)
{
    static unsigned count;

    return has(bug) && ++count % every == 0;
}

/* The present fence of the task. */
static struct run_name present_run(struct step *step, struct run_name run)
{
    struct task task;

    if (task_load(step, run.task_id, &task) == STATUS_OK)
        run.fence = task.fence;
    step->error = (struct error){0};
    return run;
}

AROUND(step_complete);
enum status __wrap_step_complete(struct step *step, const struct command *command)
{
    struct command changed = *command;

    if (has(SKIPS_FENCE_ON_END))
        changed.complete.run = present_run(step, changed.complete.run);
    enum status status = __real_step_complete(step, &changed);
    struct task task;
    if (has(WRITES_WHEN_REFUSED) && status == STATUS_ABORTED &&
        task_load(step, command->complete.run.task_id, &task) == STATUS_OK) {
        task.interruptions++;
        task_write_quietly(step, &task);
    }
    return status;
}

AROUND(run_load);
enum status __wrap_run_load(struct step *step, struct run_name run, enum run_end word, struct task *ret_task,
                            bool *ret_is_repeat)
{
    if (has(SKIPS_FENCE_ON_BEAT))
        run = present_run(step, run);
    return __real_run_load(step, run, word, ret_task, ret_is_repeat);
}

AROUND(counters_load);
enum status __wrap_counters_load(struct store_txn *txn, struct counters *ret_counters)
{
    enum status status = __real_counters_load(txn, ret_counters);

    if (has(REUSES_FENCE) && ret_counters->fence > 0)
        ret_counters->fence--;
    if (has(REUSES_ID) && ret_counters->task_id > 0)
        ret_counters->task_id--;
    return status;
}

AROUND(run_assign);
void __wrap_run_assign(struct step *step, struct task *task, bool starts)
{
    __real_run_assign(step, task, starts);
    if (has(EXPIRES_EARLY))
        task->now.due_ms = step->now.store_ms + (task->now.due_ms - step->now.store_ms) / 2;
}

AROUND(broker_open);
enum status __wrap_broker_open(struct broker *broker, struct store_txn *txn, struct effects *effects,
                               struct error *error)
{
    if (has(KEEPS_MEMORY) && broker->counters.revision > 0)
        return STATUS_OK;
    enum status status = __real_broker_open(broker, txn, effects, error);
    if (has(NO_GRACE))
        broker->leases_from_ms = 0;
    return status;
}

AROUND(lease_renew);
void __wrap_lease_renew(struct step *step, struct task *task, uint32_t lease_ms)
{
    if (!has(NO_RENEWAL))
        __real_lease_renew(step, task, has(EXPIRES_EARLY) ? lease_ms / 2 : lease_ms);
}

AROUND(broker_tick);
enum status __wrap_broker_tick(struct broker *broker, struct store_txn *txn, struct broker_time now,
                               struct effects *effects)
{
    if (has(WALL_DURATIONS))
        now.store_ms = now.wall_ms;
    return __real_broker_tick(broker, txn, now, effects);
}

AROUND(timers_tick);
enum status __wrap_timers_tick(struct step *step, uint32_t max)
{
    struct step early = *step;

    if (!has(EARLY_TIMERS))
        return __real_timers_tick(step, max);
    early.now.store_ms += 500;
    return __real_timers_tick(&early, max);
}

AROUND(task_end);
void __wrap_task_end(struct step *step, struct task *task, enum task_move move, enum task_state to)
{
    if (has(ONE_TRY_MORE) && to == TASK_FAILED && task->now.state == TASK_RUNNING &&
        task->attempts == task->max_attempts) {
        task_move(task, move, TASK_SCHEDULED);
        task->now.due_ms = step->now.store_ms + 1;
        return;
    }
    __real_task_end(step, task, move, to);
    if (has(SHORT_RETENTION))
        task->now.due_ms -= task->retention_ms / 2;
}

AROUND(store_put);
void __wrap_store_put(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes value)
{
    uint8_t flipped[1024];

    if (table == TABLE_HOLDER && now_and_then(FORGETS_INDEX_ROW, 20))
        return;
    if (table == TABLE_STATE && value.size <= sizeof flipped && now_and_then(DAMAGES_RECORD, 50)) {
        memcpy(flipped, value.data, value.size);
        flipped[value.size / 2] ^= 4;
        value.data = flipped;
    }
    __real_store_put(txn, table, key, value);
}

AROUND(store_put_append);
void __wrap_store_put_append(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes value)
{
    if (table != TABLE_EVENT || !now_and_then(LOSES_EVENT, 50))
        __real_store_put_append(txn, table, key, value);
}

AROUND(store_delete);
void __wrap_store_delete(struct store_txn *txn, uint32_t table, struct bytes key)
{
    if (table != TABLE_LEASE || !now_and_then(KEEPS_INDEX_ROW, 20))
        __real_store_delete(txn, table, key);
}

AROUND(lane_count);
void __wrap_lane_count(struct lanes *lanes, struct lane *lane, enum task_state from, enum task_state to)
{
    if (!now_and_then(COUNTS_WRONG, 20))
        __real_lane_count(lanes, lane, from, to);
}

AROUND(step_claim);
enum status __wrap_step_claim(struct step *step, const struct command *command)
{
    static uint64_t sequence = 1000000;
    struct command changed = *command;

    if (has(NO_REAPING))
        changed.claim.supervised = false;
    if (has(DOUBLE_CLAIM))
        changed.claim.claim_seq = ++sequence;
    return __real_step_claim(step, &changed);
}

AROUND(session_find);
enum status __wrap_session_find(struct step *step, const struct command_submit *submit, struct session *ret_session,
                                struct submit_outcome **ret_known)
{
    enum status status = __real_session_find(step, submit, ret_session, ret_known);

    if (has(DOUBLE_SUBMIT) && status == STATUS_OK)
        *ret_known = NULL;
    return status;
}

AROUND(session_remember);
enum status __wrap_session_remember(struct step *step, const struct command_submit *submit, struct session *session,
                                    const struct submit_outcome *outcomes, bool is_repeat)
{
    return has(FORGETS_SUBMIT) ? STATUS_OK : __real_session_remember(step, submit, session, outcomes, is_repeat);
}

AROUND(parked_add);
enum status __wrap_parked_add(struct step *step, uint64_t token, const struct command_claim *claim)
{
    return has(LOSES_PARKED) ? STATUS_OK : __real_parked_add(step, token, claim);
}

AROUND(claims_wake);
enum status __wrap_claims_wake(struct step *step)
{
    return has(NO_WAKE) ? STATUS_OK : __real_claims_wake(step);
}

AROUND(lane_ready_added);
void __wrap_lane_ready_added(struct lanes *lanes, struct lane *lane, const struct rank *rank)
{
    bool was_known = lane->head_is_known && lane->head.priority > 0;
    struct rank was = lane->head;

    __real_lane_ready_added(lanes, lane, rank);
    if (has(STALE_HEAD) && was_known)
        lane->head = was;
}

AROUND(key_ready);
struct key __wrap_key_ready(uint32_t lane, const struct rank *rank)
{
    struct rank changed = *rank;

    if (has(NO_PRIORITY) && changed.priority > 0)
        changed.priority = 5;
    return __real_key_ready(lane, &changed);
}

AROUND(step_cancel);
enum status __wrap_step_cancel(struct step *step, const struct command *command)
{
    struct command changed = *command;

    changed.cancel.cascade = changed.cancel.cascade && !has(NO_CASCADE);
    enum status status = __real_step_cancel(step, &changed);
    struct task task;

    if (has(CANCELS_AT_ONCE) && status == STATUS_OK && task_load(step, command->cancel.task_id, &task) == STATUS_OK &&
        task.canceling) {
        task_end(step, &task, MOVE_CANCEL, TASK_CANCELED);
        task_write(step, &task);
    }
    return status;
}

AROUND(effects_push);
void __wrap_effects_push(struct effects *effects, const char *agent_id, struct run_name run, enum verdict verdict,
                         const char *reason)
{
    if (!has(NO_PUSH))
        __real_effects_push(effects, agent_id, run, verdict, reason);
}

AROUND(run_lost);
enum status __wrap_run_lost(struct step *step, struct task *task)
{
    if (has(LOSES_CANCEL))
        task->canceling = false;
    return __real_run_lost(step, task);
}

AROUND(run_begin);
void __wrap_run_begin(struct step *step, struct task *task)
{
    __real_run_begin(step, task);
    if (has(FREE_ATTEMPT))
        task->attempts--;
}

AROUND(backoff_of_attempt_ms);
uint64_t __wrap_backoff_of_attempt_ms(uint32_t attempts, uint32_t base_ms, uint32_t max_ms)
{
    return has(LONG_BACKOFF) ? (uint64_t)base_ms << (2 * attempts)
                             : __real_backoff_of_attempt_ms(attempts, base_ms, max_ms);
}

AROUND(run_released);
enum status __wrap_run_released(struct step *step, struct task *task, const char *reason, uint32_t delay_ms)
{
    return has(KEEPS_RUNS) ? STATUS_OK : __real_run_released(step, task, reason, delay_ms);
}

AROUND(agents_put);
void __wrap_agents_put(struct agents *agents, const struct command_register *registration, uint64_t now_ms)
{
    if (!has(FORGETS_AGENT))
        __real_agents_put(agents, registration, now_ms);
}

AROUND(step_submit);
enum status __wrap_step_submit(struct step *step, const struct command *command)
{
    struct command changed = *command;

    changed.submit.atomic = changed.submit.atomic && !has(NOT_ATOMIC);
    return __real_step_submit(step, &changed);
}

AROUND(departures_drop);
void __wrap_departures_drop(struct host *host)
{
    if (has(ACKS_EARLY) && host->broker != NULL && host->departure_count > 0)
        departures_send(host);
    __real_departures_drop(host);
}

AROUND(dependencies_attach);
enum status __wrap_dependencies_attach(struct step *step, const struct task *task, const struct task_spec *spec,
                                       struct attachment *ret_attachment)
{
    enum status status = __real_dependencies_attach(step, task, spec, ret_attachment);

    if (has(RELEASES_EARLY) && status == STATUS_OK && ret_attachment->open > 1)
        ret_attachment->open--;
    return status;
}

AROUND(releases_note);
void __wrap_releases_note(struct step *step, uint64_t id)
{
    if (!has(NEVER_RELEASES))
        __real_releases_note(step, id);
}

AROUND(dependency_fails);
bool __wrap_dependency_fails(enum task_state state, enum dependency_policy policy)
{
    return !has(IGNORES_FAILURE) && __real_dependency_fails(state, policy);
}

AROUND(dependencies_check_cycles);
enum status __wrap_dependencies_check_cycles(struct step *step, const struct command_submit *submit)
{
    return has(TAKES_CYCLES) ? STATUS_OK : __real_dependencies_check_cycles(step, submit);
}

AROUND(limit_is_full);
bool __wrap_limit_is_full(const struct limit *limit)
{
    struct limit wider = *limit;

    wider.max_running += has(ONE_OVER_LIMIT) && wider.max_running > 0;
    return __real_limit_is_full(&wider);
}

AROUND(limit_count);
void __wrap_limit_count(struct limits *limits, struct limit *limit, int change)
{
    if (change > 0 || !now_and_then(LEAKS_LIMIT, 10))
        __real_limit_count(limits, limit, change);
}

AROUND(limit_refill_ms);
uint64_t __wrap_limit_refill_ms(const struct limit *limit, uint64_t store_ms)
{
    return has(IGNORES_RATE) ? 0 : __real_limit_refill_ms(limit, store_ms);
}

AROUND(limit_is_paused);
bool __wrap_limit_is_paused(const struct limit *limit, uint64_t wall_ms)
{
    return !has(IGNORES_PAUSE) && __real_limit_is_paused(limit, wall_ms);
}

AROUND(limits_tick);
void __wrap_limits_tick(struct limits *limits, uint64_t store_ms, uint64_t wall_ms)
{
    if (!has(NEVER_OPENS))
        __real_limits_tick(limits, store_ms, wall_ms);
}

AROUND(task_expired);
void __wrap_task_expired(struct step *step, struct task *task)
{
    if (has(NEVER_EXPIRES)) {
        task->now.expires_ms = 0;
        task_write_quietly(step, task);
        return;
    }
    __real_task_expired(step, task);
}

AROUND(queue_admits);
enum status __wrap_queue_admits(const struct queue *queue, uint64_t adding, struct error *error)
{
    struct queue more = queue != NULL ? *queue : (struct queue){0};

    if (queue == NULL)
        return __real_queue_admits(queue, adding, error);
    more.settings.length_max += has(ONE_TOO_MANY) && more.settings.length_max > 0;
    more.settings.paused_in = more.settings.paused_in && !has(TAKES_WHEN_PAUSED);
    return __real_queue_admits(&more, adding, error);
}

AROUND(run_given_up);
enum status __wrap_run_given_up(struct step *step, struct task *task)
{
    return has(NEVER_HOLDS) ? run_lost(step, task) : __real_run_given_up(step, task);
}

AROUND(turn_give);
uint64_t __wrap_turn_give(struct turns *turns, struct queue *queue, uint8_t priority, const char *fairness_key)
{
    return __real_turn_give(turns, queue, priority, has(NO_TURNS) ? "" : fairness_key);
}

AROUND(drains_find);
const struct drain *__wrap_drains_find(const struct drains *drains, const char *agent_id)
{
    return has(IGNORES_DRAIN) ? NULL : __real_drains_find(drains, agent_id);
}

AROUND(run_suspended);
void __wrap_run_suspended(struct step *step, struct task *task, const char *reason)
{
    task->attempts += has(CHARGES_SUSPEND);
    __real_run_suspended(step, task, reason);
}

AROUND(step_report_exit);
enum status __wrap_step_report_exit(struct step *step, const struct command *command)
{
    struct command changed = *command;

    changed.report_exit.streams_pending = changed.report_exit.streams_pending && !has(ENDS_EARLY);
    return __real_step_report_exit(step, &changed);
}

AROUND(unique_decide);
enum status __wrap_unique_decide(struct step *step, const struct task_spec *spec, const char *namespace,
                                 uint64_t *ret_existing, uint64_t *ret_replaced, struct error *error)
{
    *ret_existing = 0;
    *ret_replaced = 0;
    return has(IGNORES_KEY) ? STATUS_OK
                            : __real_unique_decide(step, spec, namespace, ret_existing, ret_replaced, error);
}

AROUND(uniques_tick);
enum status __wrap_uniques_tick(struct step *step, uint32_t max)
{
    if (has(DROPS_KEY))
        step->broker->counters.unique_oldest += UNIQUE_BUCKETS;
    return __real_uniques_tick(step, max);
}
