#include "worker/supervisor.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAUSE_MS 500

/* Said again with the same fence until it is answered. */
static bool is_to_be_repeated(enum ganger_status status)
{
    return status == GANGER_DEADLINE_EXCEEDED || status == GANGER_UNAVAILABLE || status == GANGER_INTERNAL ||
           status == GANGER_RESOURCE_EXHAUSTED || status == GANGER_CANCELED;
}

static void log_refusal(const struct run *run, const char *message, const struct ganger_error *error)
{
    log_warning(message, log_text("task", run->id_text), log_number("fence", run->fence),
                log_text("reason", error->reason), log_text("error", error->message));
}

/* Starting */

static void on_start_answered(const struct ganger_reply *reply, void *data)
{
    struct run *run = data;

    run->start_call = NULL;
    if (reply->error == NULL) {
        run_may_begin(run, ((const Ganger__V1__StartTaskResponse *)reply->response)->attempt);
    } else if (is_to_be_repeated(reply->error->status)) {
        run->report_at_ms = clock_boot_ms() + PAUSE_MS;
    } else {
        log_refusal(run, "The broker does not let it start", reply->error);
        run_stop(run, INTENT_STALE, NULL);
    }
}

static void send_start(struct run *run)
{
    Ganger__V1__StartTaskRequest request = GANGER__V1__START_TASK_REQUEST__INIT;

    request.task_id = run->task_id;
    request.fence = run->fence;
    request.agent_id = run->agent_id;
    if (run->start_sent_ms == 0)
        run->start_sent_ms = clock_boot_ms();
    run->report_at_ms = NEVER;
    run->start_call = ganger_start(run->supervisor->broker, &ganger__v1__agents__descriptor, "StartTask", &request.base,
                                   0, 0, on_start_answered, run);
}

/* Ending */

/* true when it is to be said once more. */
static bool is_unanswered(struct run *run, const struct ganger_error *error)
{
    if (error == NULL || !is_to_be_repeated(error->status))
        return false;
    run->report_at_ms = clock_boot_ms() + PAUSE_MS;
    return true;
}

static void on_report_answered(const struct ganger_reply *reply, void *data)
{
    struct run *run = data;

    run->report_call = NULL;
    if (is_unanswered(run, reply->error))
        return;
    run_move(run, LIFE_ANSWERED);
    if (reply->error != NULL)
        log_refusal(run, "The outcome was refused", reply->error);
    if (reply->error != NULL || !((const Ganger__V1__ReportExitResponse *)reply->response)->finishing)
        run_move(run, LIFE_DROP);
}

static void on_suspend_answered(const struct ganger_reply *reply, void *data)
{
    struct run *run = data;

    run->report_call = NULL;
    if (is_unanswered(run, reply->error))
        return;
    if (reply->error != NULL)
        log_refusal(run, "The suspension was refused", reply->error);
    run_move(run, LIFE_DROP);
}

static void on_finish_answered(const struct ganger_reply *reply, void *data)
{
    struct run *run = data;

    run->report_call = NULL;
    if (is_unanswered(run, reply->error))
        return;
    if (reply->error != NULL)
        log_refusal(run, "The end of its output was refused", reply->error);
    run_move(run, LIFE_ANSWERED);
}

/* What the agent has put there may be anything: only a regular file counts, and nothing is waited for. */
static size_t read_result(const struct run *run, uint8_t *result)
{
    if (run->directory.path == NULL)
        return 0;
    CLEANUP(free)
    char *path = run_directory_file(&run->directory, "result");
    CLEANUP(fd_close)
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return 0;
    ssize_t size = pread(fd, result, RESULT_MAX_BYTES, 0);
    return size > 0 ? (size_t)size : 0;
}

static Ganger__V1__Exit exit_of(const struct run *run, const struct decision *decision)
{
    static const Ganger__V1__Exit failures[] = {[DECISION_BY_ATTEMPT] = GANGER__V1__EXIT__EXIT_FAILED,
                                                [DECISION_BY_CRASH] = GANGER__V1__EXIT__EXIT_CRASHED,
                                                [DECISION_BY_TIMEOUT] = GANGER__V1__EXIT__EXIT_TIMED_OUT};

    if (run->ending.intent == INTENT_CANCEL)
        return GANGER__V1__EXIT__EXIT_CANCELED;
    switch (decision->kind) {
    case DECISION_COMPLETE:
        return GANGER__V1__EXIT__EXIT_COMPLETED;
    case DECISION_RELEASE:
        return GANGER__V1__EXIT__EXIT_RELEASED;
    case DECISION_LOST:
        return GANGER__V1__EXIT__EXIT_LOST;
    case DECISION_FAIL:
    case DECISION_SUSPEND:
    case DECISION_SILENT:
        break;
    }
    return failures[decision->failure];
}

static bool is_output_pending(const struct run *run)
{
    for (size_t i = 0; i < STREAMS; i++)
        if (!run->streams[i].over)
            return true;
    return false;
}

static void send_exit(struct run *run, const struct decision *decision, Ganger__V1__Outcome *outcome)
{
    Ganger__V1__ReportExitRequest request = GANGER__V1__REPORT_EXIT_REQUEST__INIT;

    request.task_id = run->task_id;
    request.fence = run->fence;
    request.how = exit_of(run, decision);
    request.final = decision->final;
    request.delay_ms = decision->delay_ms;
    request.streams_pending = is_output_pending(run);
    request.outcome = outcome;
    run->report_call = ganger_start(run->supervisor->broker, &ganger__v1__agents__descriptor, "ReportExit",
                                    &request.base, 0, 0, on_report_answered, run);
}

static void send_suspend(struct run *run, struct decision *decision)
{
    Ganger__V1__SuspendTaskRequest request = GANGER__V1__SUSPEND_TASK_REQUEST__INIT;

    request.task_id = run->task_id;
    request.fence = run->fence;
    request.reason = decision->message;
    run->report_call = ganger_start(run->supervisor->broker, &ganger__v1__agents__descriptor, "SuspendTask",
                                    &request.base, 0, 0, on_suspend_answered, run);
}

static void send_report(struct run *run)
{
    Ganger__V1__Outcome outcome = GANGER__V1__OUTCOME__INIT;
    CLEANUP(free)
    uint8_t *file = allocate(RESULT_MAX_BYTES);
    uint8_t tail[TAIL_MAX_BYTES];
    struct decision decision;

    outcome_decide(&run->ending, outcome_backoff(run->backoff_ms, run->backoff_max_ms, run->interruptions), &decision);
    struct bytes result = outcome_result(
        (struct bytes){.data = file, .size = read_result(run, file)},
        (struct bytes){.data = tail, .size = stream_tail(&run->streams[STREAM_STDOUT], tail, sizeof tail)});
    char content_type[32];
    (void)snprintf(content_type, sizeof content_type, "%s", outcome_content_type(result));
    /* protobuf-c has no const bytes; they are only read. */
    memcpy(&outcome.result.data, &result.data, sizeof outcome.result.data);
    outcome.result.len = result.size;
    outcome.content_type = content_type;
    outcome.message = decision.message;
    outcome.error_type = decision.error_type;
    outcome.exit_status = run->ending.started ? run->ending.exit_status : -1;
    outcome.signal = run->ending.signal;

    run->report_at_ms = NEVER;
    if (decision.kind == DECISION_SUSPEND)
        send_suspend(run, &decision);
    else if (decision.kind == DECISION_SILENT)
        run_move(run, LIFE_DROP);
    else
        send_exit(run, &decision, &outcome);
}

/* Its output is in the context store, or given up. */
static void send_finish(struct run *run)
{
    Ganger__V1__FinishTaskRequest request = GANGER__V1__FINISH_TASK_REQUEST__INIT;

    request.task_id = run->task_id;
    request.fence = run->fence;
    for (size_t i = 0; i < STREAMS; i++)
        request.output_incomplete = request.output_incomplete || run->streams[i].lost || !run->streams[i].over;
    run->report_at_ms = NEVER;
    run->report_call = ganger_start(run->supervisor->broker, &ganger__v1__agents__descriptor, "FinishTask",
                                    &request.base, 0, 0, on_finish_answered, run);
}

static void on_nothing_answered(const struct ganger_reply *reply, void *data)
{
    (void)reply;
    (void)data;
}

void report_nothing(struct supervisor *supervisor, uint64_t task_id, uint64_t fence)
{
    Ganger__V1__ReportExitRequest request = GANGER__V1__REPORT_EXIT_REQUEST__INIT;

    request.task_id = task_id;
    request.fence = fence;
    request.how = GANGER__V1__EXIT__EXIT_LOST;
    (void)ganger_start(supervisor->broker, &ganger__v1__agents__descriptor, "ReportExit", &request.base, 0, 0,
                       on_nothing_answered, NULL);
}

void report_output_lost(struct supervisor *supervisor, uint64_t task_id, uint64_t fence)
{
    Ganger__V1__FinishTaskRequest request = GANGER__V1__FINISH_TASK_REQUEST__INIT;

    request.task_id = task_id;
    request.fence = fence;
    request.output_incomplete = true;
    (void)ganger_start(supervisor->broker, &ganger__v1__agents__descriptor, "FinishTask", &request.base, 0, 0,
                       on_nothing_answered, NULL);
}

uint64_t report_tick(struct run *run, uint64_t now_ms)
{
    if (run->report_at_ms > now_ms)
        return run->report_at_ms;
    if (run->life == LIFE_STARTING && run->start_call == NULL && !run->begun)
        send_start(run);
    else if (run->life == LIFE_REPORTING && run->report_call == NULL)
        send_report(run);
    else if (run->life == LIFE_FINISHING && run->report_call == NULL)
        send_finish(run);
    return NEVER;
}
