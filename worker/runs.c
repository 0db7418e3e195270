#include "worker/supervisor.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/id.h"
#include "common/base/log.h"

#include <inttypes.h>
#include <string.h>
#include <utlist.h>

#define LOOK_AT_OUTPUT_MS 50
#define REFUSED_RETRY_MS 10000
#define OLD_RUN_RETRY_MS 1000
#define STRAYS_AGAIN_MS 20
#define TIMEOUT_SLACK_MS 1000
#define SHIM_LATER_MS 1000

void run_move(struct run *run, enum life_event event)
{
    enum life after = life_after(run->life, event);

    CHECK(after != LIFE_NONE);
    if (after == LIFE_REPORTING || after == LIFE_FINISHING)
        run->report_at_ms = 0;
    run->life = after;
}

struct run *run_find(const struct supervisor *supervisor, uint64_t task_id, uint64_t fence)
{
    for (struct run *run = supervisor->runs; run != NULL; run = run->next)
        if (run->task_id == task_id && run->fence == fence)
            return run;
    return NULL;
}

void run_keep_reason(struct run *run, const char *reason)
{
    (void)snprintf(run->reason, sizeof run->reason, "%s", reason != NULL ? reason : "");
    run->ending.reason = run->reason;
}

void run_give_slot(struct run *run)
{
    if (run->slot != 0)
        slots_give(&run->supervisor->slots, &run->crew->slots, run->slot);
    run->slot = 0;
}

/* Beginning */

static struct run *run_of(struct crew *crew, const Ganger__V1__Task *task)
{
    struct supervisor *supervisor = crew->supervisor;
    const Ganger__V1__TaskSpec *spec = task->spec;
    struct run *run = allocate_zero(1, sizeof *run);

    run->supervisor = supervisor;
    run->crew = crew;
    run->profile = profile_hold(crew->profile);
    run->life = LIFE_CLAIMED;
    run->ending.exit_status = -1;
    run->task_id = task->task_id;
    run->fence = task->fence;
    run->interruptions = task->interruptions;
    run->timeout_ms = spec->run_timeout_ms;
    run->backoff_ms = spec->backoff_ms;
    run->backoff_max_ms = spec->backoff_max_ms;
    run->namespace = duplicate_text(spec->namespace_[0] != '\0' ? spec->namespace_ : "default");
    (void)id_format(run->task_id, run->id_text);
    buffer_add(&run->payload, spec->payload.data, spec->payload.len);
    run->directory.lock = -1;
    run->shim = (struct shim_link){.pidfd = -1, .control = -1, .order = -1};
    for (size_t i = 0; i < STREAMS; i++)
        run->streams[i] = (struct stream){.run = run, .fd = -1, .over = true};
    run->claimed_us = clock_boot_us();
    run->deadline_ms = run->kill_at_ms = run->fence_ms = NEVER;

    DL_APPEND(supervisor->runs, run);
    supervisor->run_count++;
    return run;
}

static void take(struct run *run)
{
    struct error error = {0};

    run->agent_id = format_text("%s%" PRIu32, run->crew->agent_id, run->slot);
    enum status status = launch_prepare(run, &error);
    if (status == STATUS_OK) {
        status = run_listen(run, &error);
        /* Without an order it goes as soon as its supervisor seems to be gone. */
        if (status != STATUS_OK)
            shim_link_end(&run->shim);
    }
    if (status != STATUS_OK) {
        log_error("Run not started", log_text("task", run->id_text), log_text("reason", error.reason),
                  log_text("error", error.message));
        run_refuse(run, false, REFUSED_RETRY_MS, error.message);
        return;
    }
    run_move(run, LIFE_TAKE);
}

/* An older run of the same task that still lives is not the task's any more. */
static struct run *older_run(const struct run *of)
{
    for (struct run *run = of->supervisor->runs; run != NULL; run = run->next)
        if (run != of && run->task_id == of->task_id && !run->gone && run->life <= LIFE_STOPPING)
            return run;
    return NULL;
}

void run_new(struct crew *crew, const Ganger__V1__Assignment *assignment)
{
    struct supervisor *supervisor = crew->supervisor;
    const Ganger__V1__Task *task = assignment->task;

    /* An answer that was asked for again names runs that we have. */
    if (task == NULL || task->spec == NULL || run_find(supervisor, task->task_id, task->fence) != NULL)
        return;
    struct run *run = run_of(crew, task);
    run->lease_ms = assignment->lease_ms;
    supervisor->fence_terms =
        (struct fence_terms){.reap_grace_ms = assignment->reap_grace_ms, .terminate_ms = assignment->terminate_ms};
    struct run *older = older_run(run);
    if (older != NULL) {
        run_stop(older, INTENT_STALE, NULL);
        run_refuse(run, false, OLD_RUN_RETRY_MS, "an older run of the task is still being ended");
    } else if (supervisor->daemon->stopping || crew->retired) {
        run_refuse(run, false, 0, "interrupted: the supervisor does not take it any more");
    } else {
        run->slot = slots_take(&supervisor->slots, &crew->slots);
        if (run->slot == 0)
            run_refuse(run, false, 0, "no slot was free any more");
        else
            take(run);
    }
}

void run_refuse(struct run *run, bool for_good, uint32_t delay_ms, const char *reason)
{
    run->ending.refused = true;
    run->ending.refused_for_good = for_good;
    run->ending.delay_ms = delay_ms;
    run_keep_reason(run, reason);
    run_give_slot(run);
    run_move(run, LIFE_REFUSE);
}

void run_may_begin(struct run *run, uint32_t attempt)
{
    struct error error = {0};

    run->attempt = attempt;
    run->allowed_us = clock_boot_us();
    if (run->life != LIFE_STARTING)
        return;
    if (launch_begin(run, &error) == STATUS_OK) {
        run->begun = true;
        run_set_fence(run, run->start_sent_ms, run->lease_ms);
        return;
    }
    /* The shim goes without having started anything. */
    run->ending.refused_for_good = error.status == STATUS_INVALID_ARGUMENT;
    run_keep_reason(run, error.message);
    shim_command(&run->shim, SHIM_KILL);
    run->report_at_ms = NEVER;
}

/* The shim is last: it acts when we should have done so. */
void run_set_fence(struct run *run, uint64_t sent_ms, uint32_t lease_ms)
{
    struct fence_terms terms = run->supervisor->fence_terms;
    uint64_t fence_ms = fence_time_ms(sent_ms, lease_ms, terms);

    if (!run->begun || fence_ms == NEVER || (run->fence_ms != NEVER && fence_ms <= run->fence_ms))
        return;
    run->fence_ms = fence_ms;
    shim_set_fence(&run->shim, fence_ms + SHIM_LATER_MS, terms.terminate_ms);
}

/* Ending */

void run_stop(struct run *run, enum intent intent, const char *reason)
{
    uint64_t now_ms = clock_boot_ms();

    /* The broker counts the same timeout, and may be first to say so. */
    if (intent == INTENT_CANCEL && run->deadline_ms <= now_ms + TIMEOUT_SLACK_MS)
        intent = INTENT_TIMEOUT;
    run->stale = run->stale || intent == INTENT_STALE;
    if (run->life == LIFE_CLAIMED || run->life > LIFE_STOPPING)
        return;
    if (run->ending.intent == INTENT_NONE) {
        run->ending.intent = intent;
        run_keep_reason(run, reason);
        log_info("Run is stopped", log_text("task", run->id_text), log_number("fence", run->fence),
                 log_number("intent", intent), log_text("why", reason));
    }
    bool at_once = intent == INTENT_STALE || intent == INTENT_LOST || !run->begun;
    if (run->life == LIFE_STOPPING && !at_once && intent != INTENT_CUT_OFF)
        return;
    shim_command(&run->shim, at_once ? SHIM_KILL : SHIM_TERMINATE);
    uint64_t grace_ms = run->profile->grace_ms;
    if (intent == INTENT_CUT_OFF && grace_ms > run->supervisor->fence_terms.terminate_ms)
        grace_ms = run->supervisor->fence_terms.terminate_ms;
    uint64_t kill_at_ms = at_once ? NEVER : now_ms + grace_ms;
    run->kill_at_ms = kill_at_ms < run->kill_at_ms ? kill_at_ms : run->kill_at_ms;
    run_move(run, LIFE_STOP);
}

static void watch_output(struct run *run, uint64_t now_ms)
{
    char reason[128];

    (void)streams_ship(run, false, now_ms);
    if (run->life != LIFE_RUNNING || !streams_overflow(run))
        return;
    (void)snprintf(reason, sizeof reason, "it wrote more than %" PRIu64 " bytes (output_max) to one output",
                   run->profile->output_max_bytes);
    run_stop(run, INTENT_OUTPUT_FULL, reason);
}

/* What is due while its processes live. */
static uint64_t tick_living(struct run *run, bool look, uint64_t now_ms)
{
    if (run->life == LIFE_RUNNING && run->deadline_ms <= now_ms)
        run_stop(run, INTENT_TIMEOUT, NULL);
    if (run->fence_ms <= now_ms) {
        run->fence_ms = NEVER;
        run_stop(run, INTENT_CUT_OFF, "the broker was not heard of for too long");
    }
    if (look && run->begun)
        watch_output(run, now_ms);
    if (run->life == LIFE_STOPPING && run->kill_at_ms <= now_ms) {
        run->kill_at_ms = NEVER;
        shim_command(&run->shim, SHIM_KILL);
    }
    if (run->strays && run->shim_ended) {
        if (!strays_end(run->supervisor))
            return now_ms + STRAYS_AGAIN_MS;
        run->gone = true;
        run_gone(run);
        return now_ms;
    }
    uint64_t next_ms = run->life == LIFE_STARTING ? report_tick(run, now_ms) : NEVER;
    if (run->life == LIFE_RUNNING && run->deadline_ms < next_ms)
        next_ms = run->deadline_ms;
    next_ms = run->fence_ms < next_ms ? run->fence_ms : next_ms;
    return run->kill_at_ms < next_ms ? run->kill_at_ms : next_ms;
}

/* What is due when they are gone. */
static uint64_t tick_gone(struct run *run, uint64_t now_ms)
{
    bool shipped = streams_ship(run, true, now_ms);

    uint64_t ship_until_ms = run->supervisor->daemon->stopping ? run->ship_until_ms : NEVER;

    if (run->life == LIFE_SHIPPING && (shipped || ship_until_ms <= now_ms))
        run_move(run, LIFE_SHIPPED);
    uint64_t next_ms = NEVER;
    if (run->life == LIFE_REPORTING || run->life == LIFE_FINISHING)
        next_ms = report_tick(run, now_ms);
    else if (run->life == LIFE_SHIPPING)
        next_ms = ship_until_ms;
    return shipped || now_ms + LOOK_AT_OUTPUT_MS > next_ms ? next_ms : now_ms + LOOK_AT_OUTPUT_MS;
}

static void run_free(struct run *run)
{
    struct supervisor *supervisor = run->supervisor;

    if (run->start_call != NULL)
        ganger_cancel(supervisor->broker, run->start_call);
    if (run->report_call != NULL)
        ganger_cancel(supervisor->broker, run->report_call);
    (void)sd_event_source_unref(run->control_source);
    (void)sd_event_source_unref(run->shim_source);
    streams_close(run);
    shim_link_done(&run->shim);
    run_give_slot(run);
    (void)profile_release(run->profile);
    buffer_done(&run->payload);
    free(run->agent_id);
    free(run->namespace);
    free(run->workspace);
    DL_DELETE(supervisor->runs, run);
    supervisor->run_count--;
    free(run);
}

/* Nothing of it is open any more: no call, no process, no output. */
static bool is_over(const struct run *run, uint64_t now_ms)
{
    bool stopping = run->supervisor->daemon->stopping;
    bool delivered = true;

    for (size_t i = 0; i < STREAMS; i++)
        delivered = delivered && run->streams[i].under_way == 0 &&
                    (run->streams[i].over || run->stale || (stopping && run->ship_until_ms <= now_ms));
    return run->life == LIFE_DONE && delivered && (run->shim_ended || run->shim.pid == 0);
}

uint64_t runs_tick(struct supervisor *supervisor, uint64_t now_ms)
{
    bool look = supervisor->look_at_output_ms <= now_ms;
    bool living = false;
    uint64_t next_ms = NEVER;

    for (struct run *run = supervisor->runs, *next = NULL; run != NULL; run = next) {
        next = run->next;
        uint64_t due_ms = run->life <= LIFE_STOPPING ? tick_living(run, look, now_ms) : tick_gone(run, now_ms);
        living = living || run->life <= LIFE_STOPPING;
        if (due_ms < next_ms)
            next_ms = due_ms;
        if (is_over(run, now_ms)) {
            run_directory_remove(&run->directory);
            run_free(run);
        }
    }
    if (look)
        supervisor->look_at_output_ms = now_ms + LOOK_AT_OUTPUT_MS;
    return living && supervisor->look_at_output_ms < next_ms ? supervisor->look_at_output_ms : next_ms;
}

void runs_free(struct supervisor *supervisor)
{
    for (struct run *run = supervisor->runs, *next = NULL; run != NULL; run = next) {
        next = run->next;
        fd_close(run->directory.lock);
        free(run->directory.path);
        run_free(run);
    }
}
