/* Following the output of a task over its runs.
 *
 * Two daemons are listened to at once: the broker says which run there is and when the task has ended, the context
 * store sends the bytes. A run's streams end when they are sealed. An agent that connects by itself need not make any:
 * a while after its run has ended, what has not come by then is not waited for any more. */
#include "cli/content.h"
#include "cli/daemon.h"
#include "cli/interrupt.h"
#include "cli/logs.h"
#include "cli/streams.h"
#include "cli/task.h"
#include "common/base/check.h"
#include "common/base/clock.h"

#include <inttypes.h>

#define CREDIT_BYTES (256 * 1024)
#define TURN_MS 100
#define REOPEN_AFTER_MS 500
#define SEAL_WAIT_MS 5000

/* A server stream that is opened again when it was cut off. */
struct subscription {
    struct follow *follow;
    struct logs_stream *stream; /* NULL for that of the task */
    struct ganger_call *call;
    uint64_t reopen_at_ms;
    bool sealed;
};

struct follow {
    struct logs *logs;
    const Ganger__V1__Task *task; /* as it was first: its id and namespace hold */
    uint64_t fence;               /* of the run that is shown; 0 = none yet */
    /* What the broker said last. */
    uint64_t task_fence;
    Ganger__V1__TaskState task_state;
    char *agent_id;
    char *why;
    bool gone;
    struct subscription watch;
    struct subscription outputs[LOGS_STREAMS_MOST];
    uint64_t heard_ms; /* when the last byte or change came */
    bool refused;
    enum ganger_daemon refused_by;
    struct ganger_error error;
};

static void follow_done(struct follow *follow)
{
    if (follow->watch.call != NULL)
        ganger_cancel(follow->logs->broker, follow->watch.call);
    for (size_t i = 0; i < follow->logs->stream_count; i++)
        if (follow->outputs[i].call != NULL)
            ganger_cancel(follow->logs->store, follow->outputs[i].call);
    free(follow->agent_id);
    free(follow->why);
}
DEFINE_CLEANUP_EMBEDDED(struct follow, follow_done)

static void take_task(struct follow *follow, const Ganger__V1__Task *task)
{
    follow->task_fence = task->fence;
    follow->task_state = task->state;
    free(follow->agent_id);
    follow->agent_id = duplicate_text(task->agent_id);
    free(follow->why);
    follow->why = task_why(task);
    follow->heard_ms = clock_boot_ms();
}

/* The end of a subscription: a lost connection is waited out, any other refusal ends the command. */
static void take_end(struct subscription *subscription, const struct ganger_reply *reply, enum ganger_daemon daemon)
{
    struct follow *follow = subscription->follow;

    subscription->call = NULL;
    subscription->reopen_at_ms = clock_boot_ms() + REOPEN_AFTER_MS;
    if (reply->error == NULL || reply->error->status == GANGER_UNAVAILABLE || follow->refused)
        return;
    follow->refused = true;
    follow->refused_by = daemon;
    follow->error = *reply->error;
}

static void on_task(const struct ganger_reply *reply, void *data)
{
    struct subscription *subscription = data;
    struct follow *follow = subscription->follow;

    if (reply->response != NULL) {
        const Ganger__V1__WatchTasksUpdate *update =
            (const Ganger__V1__WatchTasksUpdate *)(const void *)reply->response;
        if (update->task != NULL)
            take_task(follow, update->task);
        else
            follow->gone = true;
    }
    if (reply->end)
        take_end(subscription, reply, GANGER_BROKER);
}

static void on_output(const struct ganger_reply *reply, void *data)
{
    struct subscription *subscription = data;
    struct follow *follow = subscription->follow;
    struct logs_stream *stream = subscription->stream;

    if (reply->response != NULL) {
        const Ganger__V1__StreamChunk *chunk = (const Ganger__V1__StreamChunk *)(const void *)reply->response;
        logs_show(follow->logs, stream, follow->fence, chunk->data);
        terminal_flush(stream->output);
        follow->heard_ms = clock_boot_ms();
    }
    if (!reply->end)
        return;
    subscription->sealed = reply->error == NULL;
    take_end(subscription, reply, GANGER_CONTEXT);
}

static bool task_is_over(const struct follow *follow)
{
    const Ganger__V1__Task task = {.state = follow->task_state};

    return follow->gone || task_has_ended(&task);
}

static void open_watch(struct follow *follow)
{
    Ganger__V1__WatchTasksRequest request = GANGER__V1__WATCH_TASKS_REQUEST__INIT;

    request.task_ids = &follow->logs->task_id;
    request.n_task_ids = 1;
    follow->watch.call = ganger_start(follow->logs->broker, &ganger__v1__tasks__descriptor, "WatchTasks", &request.base,
                                      0, CREDIT_BYTES, on_task, &follow->watch);
}

static void open_output(struct follow *follow, struct subscription *output)
{
    Ganger__V1__StreamName name = logs_stream_name(follow->task, output->stream, follow->fence);
    Ganger__V1__FollowStreamRequest request = GANGER__V1__FOLLOW_STREAM_REQUEST__INIT;

    request.stream = &name;
    request.offset = output->stream->offset;
    request.wait = true;
    output->call = ganger_start(follow->logs->store, &ganger__v1__streams__descriptor, "FollowStream", &request.base, 0,
                                CREDIT_BYTES, on_output, output);
}

static void open_subscriptions(struct follow *follow, uint64_t now_ms)
{
    if (follow->watch.call == NULL && !task_is_over(follow) && now_ms >= follow->watch.reopen_at_ms)
        open_watch(follow);
    for (size_t i = 0; follow->fence != 0 && i < follow->logs->stream_count; i++) {
        struct subscription *output = &follow->outputs[i];
        if (output->call == NULL && !output->sealed && now_ms >= output->reopen_at_ms)
            open_output(follow, output);
    }
}

static void begin_run(struct follow *follow, uint64_t fence)
{
    struct logs *logs = follow->logs;

    follow->fence = fence;
    follow->heard_ms = clock_boot_ms();
    for (size_t i = 0; i < logs->stream_count; i++) {
        follow->outputs[i] = (struct subscription){.follow = follow, .stream = &logs->streams[i]};
        logs->streams[i].offset = 0;
    }
    if (!logs->cli->quiet && logs->cli->errors.interactive)
        problem_note("run %" PRIu64 "%s%s", fence, fence == follow->task_fence ? " by " : "",
                     fence == follow->task_fence ? follow->agent_id : "");
}

/* Closes what is still open of a run. */
static void end_run(struct follow *follow)
{
    for (size_t i = 0; i < follow->logs->stream_count; i++) {
        struct subscription *output = &follow->outputs[i];
        if (output->call != NULL)
            ganger_cancel(follow->logs->store, TAKE(output->call));
        if (!follow->logs->cli->json)
            content_end(output->stream->output, &output->stream->filter);
        terminal_flush(output->stream->output);
    }
}

/* Whether all of the run's output was shown, or as much of it as will come. */
static bool run_is_shown(struct follow *follow, uint64_t now_ms)
{
    bool held = follow->task_fence == follow->fence && (follow->task_state == GANGER__V1__TASK_STATE__ASSIGNED ||
                                                        follow->task_state == GANGER__V1__TASK_STATE__RUNNING);
    size_t sealed = 0;

    for (size_t i = 0; i < follow->logs->stream_count; i++)
        sealed += follow->outputs[i].sealed ? 1 : 0;
    if (sealed == follow->logs->stream_count)
        return true;
    return !held && now_ms >= follow->heard_ms + SEAL_WAIT_MS && ganger_connected(follow->logs->store);
}

/* The run after the present one: one that has output already, or else the one that the broker names. */
static uint64_t next_fence(struct follow *follow)
{
    CLEANUP(streams_done)
    struct streams streams = {0};
    struct ganger_error error = {0};

    if (follow->task_fence <= follow->fence)
        return 0;
    if (follow->fence == 0 || streams_list(follow->logs->cli, follow->task, &streams, &error) != GANGER_OK)
        return follow->task_fence;
    uint64_t next = streams_next_fence(&streams, follow->fence);
    return next != 0 ? next : follow->task_fence;
}

static enum exit_status conclude(struct follow *follow)
{
    char id[20];

    if (!follow->logs->cli->quiet && !follow->gone)
        problem_note("%s %s%s%s", ganger_id_format(follow->logs->task_id, id), task_state_name(follow->task_state),
                     follow->why[0] != '\0' ? ": " : "", follow->why);
    return EXIT_DONE;
}

static enum exit_status stop_waiting(struct follow *follow, enum exit_status exit_status, const char *what)
{
    char id[20];
    CLEANUP(free)
    char *hint = format_text("look again with: gangerctl logs -f %s", ganger_id_format(follow->logs->task_id, id));

    return problem(exit_status, "nothing was canceled: the task goes on", hint, "%s", what);
}

static enum exit_status follow_turns(struct follow *follow)
{
    uint64_t started_ms = clock_boot_ms();
    uint64_t patience_ms = follow->logs->cli->timeout_ms;

    for (;;) {
        uint64_t now_ms = clock_boot_ms();
        if (follow->refused)
            return daemon_refused(follow->logs->cli, follow->refused_by, &follow->error, "cannot follow the output");
        if (interrupted())
            return stop_waiting(follow, EXIT_INTERRUPTED, "you have stopped following");
        if (patience_ms != 0 && now_ms - started_ms >= patience_ms)
            return stop_waiting(follow, EXIT_TIMED_OUT, "the task has not ended in time");
        if (follow->fence == 0 || run_is_shown(follow, now_ms)) {
            uint64_t next = next_fence(follow);
            if (follow->fence != 0 && (next != 0 || task_is_over(follow)))
                end_run(follow);
            if (next == 0 && task_is_over(follow))
                return conclude(follow);
            if (next != 0)
                begin_run(follow, next);
        }
        open_subscriptions(follow, now_ms);
        if (ferror(stdout) != 0)
            return EXIT_DONE;
        daemon_process_all(follow->logs->cli, TURN_MS);
    }
}

enum exit_status logs_follow(struct logs *logs, const Ganger__V1__Task *task)
{
    CLEANUP(follow_done)
    struct follow follow = {.logs = logs, .task = task};

    follow.watch.follow = &follow;
    take_task(&follow, task);
    interrupt_catch();
    return follow_turns(&follow);
}
