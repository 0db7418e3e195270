#include "worker/supervisor.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

#define SHIP_WITHIN_MS 5000

void run_gone(struct run *run)
{
    uint8_t tail[sizeof run->last_words * 2];
    size_t size = stream_tail(&run->streams[STREAM_STDERR], tail, sizeof tail);

    outcome_last_line((struct bytes){.data = tail, .size = size}, run->last_words, sizeof run->last_words);
    run->ending.last_words = run->last_words;
    run_give_slot(run);
    run_move(run, LIFE_GONE);
    run->ship_until_ms = clock_boot_ms() + SHIP_WITHIN_MS;
    log_info("Run ended", log_text("task", run->id_text), log_number("fence", run->fence),
             log_text("agent_id", run->agent_id), log_number("exit_status", run->ending.exit_status),
             log_number("signal", run->ending.signal));
}

static void started(struct run *run)
{
    uint64_t limit_ms = run->timeout_ms;

    run->ending.started = true;
    run->ending.exit_status = -1;
    if (limit_ms == 0 || (run->profile->run_timeout_ms != 0 && run->profile->run_timeout_ms < limit_ms))
        limit_ms = run->profile->run_timeout_ms;
    if (limit_ms != 0)
        run->deadline_ms = clock_boot_ms() + limit_ms;
    run_move(run, LIFE_STARTED);
    log_info("Run started", log_text("task", run->id_text), log_number("fence", run->fence),
             log_number("attempt", run->attempt), log_text("agent_id", run->agent_id),
             log_number("start_us", clock_boot_us() - run->claimed_us),
             log_number("broker_us", run->allowed_us - run->claimed_us));
}

static void start_failed(struct run *run, const struct shim_report *report)
{
    static const char *const steps[] = {[SHIM_STEP_ORDER] = "its order",
                                        [SHIM_STEP_DIRECTORY] = "its working directory",
                                        [SHIM_STEP_FILES] = "its output files",
                                        [SHIM_STEP_PROGRAM] = "its program"};
    bool known = report->step >= SHIM_STEP_ORDER && report->step <= SHIM_STEP_PROGRAM;
    char reason[sizeof run->reason];

    (void)snprintf(reason, sizeof reason, "the agent could not be started: %s: %s",
                   known ? steps[report->step] : "its shim", strerror(report->error));
    run_keep_reason(run, reason);
    log_warning("Run not started", log_text("agent_id", run->agent_id), log_text("task", run->id_text),
                log_text("problem", reason));
    if (report->error == E2BIG)
        run->ending.refused_for_good = true;
    else if (report->step == SHIM_STEP_PROGRAM && report->error != EAGAIN && report->error != ENOMEM)
        crew_program_failed(run->crew, report->error, clock_boot_ms());
}

static void hear(struct run *run, const struct shim_report *report)
{
    switch ((enum shim_report_kind)report->kind) {
    case SHIM_STARTED:
        started(run);
        break;
    case SHIM_START_FAILED:
        start_failed(run, report);
        break;
    case SHIM_EXITED:
        run->ending.exit_status = report->exit_status;
        run->ending.signal = report->signal;
        if (report->alone != 0 && run->ending.intent == INTENT_NONE)
            run->ending.intent = INTENT_CUT_OFF;
        run->ended = true;
        break;
    case SHIM_GONE:
        run->gone = true;
        run_gone(run);
        break;
    }
}

/* The last words of the shim itself. */
static void read_shim_log(const struct run *run, char *ret_words, size_t size)
{
    CLEANUP(free)
    char *path = run_directory_file(&run->directory, "shim.log");
    CLEANUP(fd_close)
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stream log = {.fd = fd};
    uint8_t tail[512];

    outcome_last_line((struct bytes){.data = tail, .size = stream_tail(&log, tail, sizeof tail)}, ret_words, size);
}

/* Its processes have become ours (we are a subreaper, too): they are ended before anything is said of the run. */
static void lose_shim(struct run *run)
{
    if (run->gone || run->strays)
        return;
    char words[256];
    read_shim_log(run, words, sizeof words);
    log_error("A shim has died before its run", log_text("task", run->id_text), log_number("fence", run->fence),
              log_text("words", words));
    run->strays = true;
    if (!run->ended && run->begun)
        run->ending.shim_lost = true;
    else if (!run->ended)
        run_keep_reason(run, "the shim of the agent died before it started");
}

static int on_control(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct run *run = data;
    struct shim_report report;
    bool closed = false;

    (void)fd;
    (void)events;
    while (shim_receive(&run->shim, &report, &closed))
        hear(run, &report);
    if (closed) {
        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
        lose_shim(run);
    }
    return 0;
}

static int on_shim_ended(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct run *run = data;
    int status = 0;

    (void)fd;
    (void)events;
    if (!shim_reap(&run->shim, &status))
        return 0;
    (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
    run->shim_ended = true;
    return 0;
}

enum status run_listen(struct run *run, struct error *error)
{
    sd_event *event = run->supervisor->daemon->event;

    if (sd_event_add_io(event, &run->control_source, run->shim.control, EPOLLIN, on_control, run) < 0 ||
        sd_event_add_io(event, &run->shim_source, run->shim.pidfd, EPOLLIN, on_shim_ended, run) < 0)
        return error_set(error, STATUS_UNAVAILABLE, "SPAWN_FAILED", "the event loop takes no more descriptors");
    return STATUS_OK;
}
