#include "cli/watch.h"

#include "cli/daemon.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/task.h"
#include "common/base/check.h"
#include "common/base/cleanup.h"
#include "common/base/clock.h"

#include <string.h>

#define STREAM_MOST_TASKS 1000
#define CREDIT_BYTES 262144
#define TURN_MS 100
#define REOPEN_AFTER_MS 500

struct watched {
    uint64_t task_id;
    bool ended;
    bool running;
    bool retrying;
};

/* One WatchTasks stream, over a part of the tasks. */
struct stream {
    struct watch *watch;
    struct ganger_call *call; /* NULL: closed */
    size_t first, count;      /* of the watched */
    uint64_t reopen_at_ms;
};

struct watch {
    struct cli *cli;
    struct ganger *broker;
    const struct watch_request *request;
    struct watched *tasks; /* by id */
    size_t count;
    struct stream *streams;
    size_t stream_count;
    struct progress progress;
    struct progress_display display;
    uint64_t started_ms;
    bool refused;
    struct ganger_error error; /* of the stream that was refused */
};

static void watch_done(struct watch *watch)
{
    for (size_t i = 0; i < watch->stream_count; i++)
        if (watch->streams[i].call != NULL)
            ganger_cancel(watch->broker, watch->streams[i].call);
    free(watch->streams);
    free(watch->tasks);
    progress_display_done(&watch->display);
}
DEFINE_CLEANUP_EMBEDDED(struct watch, watch_done)

static int compare_watched(const void *a, const void *b)
{
    uint64_t left = ((const struct watched *)a)->task_id;
    uint64_t right = ((const struct watched *)b)->task_id;

    return left < right ? -1 : left > right;
}

static void take_tasks(struct watch *watch)
{
    const struct watch_request *request = watch->request;
    size_t kept = 0;

    watch->tasks = allocate_zero(request->count + 1, sizeof(watch->tasks[0]));
    for (size_t i = 0; i < request->count; i++)
        watch->tasks[i].task_id = request->task_ids[i];
    qsort(watch->tasks, request->count, sizeof(watch->tasks[0]), compare_watched);
    for (size_t i = 0; i < request->count; i++)
        if (kept == 0 || watch->tasks[kept - 1].task_id != watch->tasks[i].task_id)
            watch->tasks[kept++] = watch->tasks[i];
    watch->count = kept;
    watch->progress.total = kept;
}

static void count_end(struct progress *progress, const Ganger__V1__Task *task)
{
    if (task == NULL)
        progress->missing++;
    else if (task->state == GANGER__V1__TASK_STATE__COMPLETED)
        progress->completed++;
    else if (task->state == GANGER__V1__TASK_STATE__CANCELED)
        progress->canceled++;
    else
        progress->failed++;
}

/* One task as it is now; task is NULL when there is none. After a reopened stream the same may be said again. */
static void take_update(struct watch *watch, uint64_t task_id, const Ganger__V1__Task *task)
{
    const struct watched key = {.task_id = task_id};
    struct watched *watched = bsearch(&key, watch->tasks, watch->count, sizeof(watch->tasks[0]), compare_watched);

    if (watched == NULL || watched->ended)
        return;
    watch->progress.running -= watched->running ? 1 : 0;
    watch->progress.retrying -= watched->retrying ? 1 : 0;
    watched->ended = task == NULL || task_has_ended(task);
    watched->running = !watched->ended && task->state == GANGER__V1__TASK_STATE__RUNNING;
    watched->retrying = !watched->ended && task_is_retrying(task);
    watch->progress.running += watched->running ? 1 : 0;
    watch->progress.retrying += watched->retrying ? 1 : 0;
    if (!watched->ended)
        return;
    count_end(&watch->progress, task);
    progress_wipe(&watch->display);
    watch->request->on_end(task_id, task, watch->request->data);
}

static void on_reply(const struct ganger_reply *reply, void *data)
{
    struct stream *stream = data;
    struct watch *watch = stream->watch;

    if (reply->response != NULL) {
        const Ganger__V1__WatchTasksUpdate *update =
            (const Ganger__V1__WatchTasksUpdate *)(const void *)reply->response;
        take_update(watch, update->task != NULL ? update->task->task_id : update->missing_id, update->task);
    }
    if (!reply->end)
        return;
    stream->call = NULL;
    stream->reopen_at_ms = clock_boot_ms() + REOPEN_AFTER_MS;
    if (reply->error == NULL || reply->error->status == GANGER_UNAVAILABLE || watch->refused)
        return;
    watch->refused = true;
    watch->error = *reply->error;
}

/* Opens it for the tasks of its part that still live; nothing when there are none. */
static void open_stream(struct stream *stream)
{
    struct watch *watch = stream->watch;
    Ganger__V1__WatchTasksRequest request = GANGER__V1__WATCH_TASKS_REQUEST__INIT;
    uint64_t task_ids[STREAM_MOST_TASKS];

    for (size_t i = stream->first; i < stream->first + stream->count; i++)
        if (!watch->tasks[i].ended)
            task_ids[request.n_task_ids++] = watch->tasks[i].task_id;
    request.task_ids = task_ids;
    if (request.n_task_ids > 0)
        stream->call = ganger_start(watch->broker, &ganger__v1__tasks__descriptor, "WatchTasks", &request.base, 0,
                                    CREDIT_BYTES, on_reply, stream);
}

static void make_streams(struct watch *watch)
{
    watch->stream_count = (watch->count + STREAM_MOST_TASKS - 1) / STREAM_MOST_TASKS;
    watch->streams = allocate_zero(watch->stream_count + 1, sizeof(watch->streams[0]));
    for (size_t i = 0; i < watch->stream_count; i++) {
        struct stream *stream = &watch->streams[i];
        size_t rest = watch->count - i * STREAM_MOST_TASKS;
        *stream = (struct stream){.watch = watch, .first = i * STREAM_MOST_TASKS};
        stream->count = rest < STREAM_MOST_TASKS ? rest : STREAM_MOST_TASKS;
    }
}

/* A stream is closed by a lost connection, or by a daemon that has sent all there is to say. */
static void reopen_streams(struct watch *watch, uint64_t now_ms)
{
    for (size_t i = 0; i < watch->stream_count; i++)
        if (watch->streams[i].call == NULL && now_ms >= watch->streams[i].reopen_at_ms)
            open_stream(&watch->streams[i]);
}

static enum exit_status detach(struct watch *watch)
{
    progress_finish(&watch->display, &watch->progress);
    return problem(EXIT_INTERRUPTED, "nothing was canceled: the tasks go on", watch->request->again,
                   "you have stopped waiting");
}

static enum exit_status time_out(struct watch *watch)
{
    progress_finish(&watch->display, &watch->progress);
    return problem(EXIT_TIMED_OUT, "the tasks go on", watch->request->again, "not all tasks have ended in time");
}

static enum exit_status conclude(struct watch *watch)
{
    const struct progress *progress = &watch->progress;

    progress_finish(&watch->display, progress);
    if (progress->missing > 0)
        return EXIT_NOT_FOUND;
    return progress->failed > 0 || progress->canceled > 0 ? EXIT_WORK_FAILED : EXIT_DONE;
}

static enum exit_status watch_turns(struct watch *watch)
{
    uint64_t patience_ms = watch->cli->timeout_ms;

    for (;;) {
        uint64_t now_ms = clock_boot_ms();
        watch->progress.elapsed_ms = now_ms - watch->started_ms;
        watch->progress.away = !ganger_connected(watch->broker);
        if (progress_ended(&watch->progress) == watch->count)
            return conclude(watch);
        if (watch->refused) {
            progress_wipe(&watch->display);
            return daemon_refused(watch->cli, GANGER_BROKER, &watch->error, "cannot watch the tasks");
        }
        if (interrupted())
            return detach(watch);
        if (patience_ms != 0 && watch->progress.elapsed_ms >= patience_ms)
            return time_out(watch);
        reopen_streams(watch, now_ms);
        progress_show(&watch->display, &watch->progress, now_ms);
        daemon_process_all(watch->cli, TURN_MS);
    }
}

enum exit_status watch_until_ended(struct cli *cli, const struct watch_request *request)
{
    CLEANUP(watch_done)
    struct watch watch = {.cli = cli, .request = request, .started_ms = clock_boot_ms()};

    TRY_DONE(daemon_open(cli, GANGER_BROKER, &watch.broker));
    watch.progress.label = request->label;
    watch.display = (struct progress_display){.terminal = &cli->errors, .silent = cli->quiet};
    take_tasks(&watch);
    make_streams(&watch);
    interrupt_catch();
    return watch_turns(&watch);
}
