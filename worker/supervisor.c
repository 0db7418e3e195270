#include "worker/supervisor.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEARTBEAT_DEFAULT_MS 3000
#define SERVE_ROUNDS_MAX 64
#define STOP_MARGIN_MS 8000 /* beyond the agents' grace, for the broker's answers */

/* The loop */

static void serve(struct ganger *ganger)
{
    ganger_process(ganger);
    for (int round = 0; ganger_waiting(ganger) && round < SERVE_ROUNDS_MAX; round++)
        ganger_process(ganger);
}

static uint64_t earlier(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

static uint64_t tick(struct supervisor *supervisor, uint64_t now_ms)
{
    uint64_t next_ms = recovery_tick(supervisor, now_ms);

    next_ms = earlier(next_ms, runs_tick(supervisor, now_ms));
    next_ms = earlier(next_ms, crews_tick(supervisor, now_ms));
    next_ms = earlier(next_ms, presence_tick(supervisor, now_ms));
    return earlier(next_ms, claiming_tick(supervisor, now_ms));
}

static void end_if_done(struct supervisor *supervisor, uint64_t now_ms)
{
    if (!supervisor->daemon->stopping)
        return;
    bool done = supervisor->runs == NULL && claiming_has_ended(supervisor);
    if (!done && now_ms < supervisor->stop_until_ms)
        return;
    if (!done)
        log_warning("Stopping with runs that the broker could not be told of",
                    log_number("runs", supervisor->run_count));
    daemon_exit(supervisor->daemon, supervisor->replaced ? EXIT_FAILURE : EXIT_SUCCESS);
}

static uint64_t next_call(const struct ganger *ganger, uint64_t now_ms)
{
    uint32_t next_ms = ganger_next_ms(ganger);
    return next_ms == UINT32_MAX ? NEVER : now_ms + next_ms;
}

/* The connections' descriptors are edge-triggered: no sleep before both say that nothing waits. */
static int on_turn(sd_event_source *source, void *data)
{
    struct supervisor *supervisor = data;
    uint64_t next_ms = NEVER;
    bool waiting = true;

    (void)source;
    for (int round = 0; waiting && round < SERVE_ROUNDS_MAX; round++) {
        serve(supervisor->broker);
        serve(supervisor->context);
        next_ms = tick(supervisor, clock_boot_ms());
        waiting = ganger_waiting(supervisor->broker) || ganger_waiting(supervisor->context);
    }
    uint64_t now_ms = clock_boot_ms();
    end_if_done(supervisor, now_ms);
    if (supervisor->daemon->stopping)
        next_ms = earlier(next_ms, supervisor->stop_until_ms);
    next_ms = earlier(next_ms, next_call(supervisor->broker, now_ms));
    next_ms = earlier(next_ms, next_call(supervisor->context, now_ms));
    if (waiting)
        next_ms = now_ms;
    (void)sd_event_source_set_time(supervisor->timer, next_ms == NEVER ? UINT64_MAX : next_ms * 1000);
    (void)sd_event_source_set_enabled(supervisor->timer, SD_EVENT_ONESHOT);
    return 0;
}

/* Whatever wakes the loop, the turn that follows does the work. */
static int on_wake(sd_event_source *source, uint64_t at_us, void *data)
{
    (void)source;
    (void)at_us;
    (void)data;
    return 0;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *data)
{
    (void)source;
    (void)fd;
    (void)events;
    (void)data;
    return 0;
}

static enum status join_loop(struct supervisor *supervisor, struct error *error)
{
    sd_event *event = supervisor->daemon->event;

    int code = sd_event_add_time(event, &supervisor->timer, CLOCK_BOOTTIME, 0, 1, on_wake, supervisor);
    if (code >= 0)
        code = sd_event_add_io(event, &supervisor->broker_source, ganger_fd(supervisor->broker), EPOLLIN, on_readable,
                               supervisor);
    if (code >= 0)
        code = sd_event_add_io(event, &supervisor->context_source, ganger_fd(supervisor->context), EPOLLIN, on_readable,
                               supervisor);
    if (code >= 0)
        code = sd_event_add_post(event, &supervisor->turn, on_turn, supervisor);
    if (code < 0)
        return error_set(error, STATUS_INTERNAL, "EVENT_LOOP", "event loop: %s", strerror(-code));
    return STATUS_OK;
}

/* Starting */

static enum status lock_state(struct supervisor *supervisor, struct error *error)
{
    CLEANUP(free)
    char *path = format_text("%s/lock", supervisor->settings.state);
    CLEANUP(free)
    char *runs = format_text("%s/runs", supervisor->settings.state);

    supervisor->state_lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (supervisor->state_lock < 0)
        return error_set(error, STATUS_UNAVAILABLE, "NO_STATE", "cannot open %.160s: %s", path, strerror(errno));
    if (flock(supervisor->state_lock, LOCK_EX | LOCK_NB) != 0)
        return error_set(error, STATUS_FAILED_PRECONDITION, "STATE_IN_USE",
                         "another ganger-worker uses %.160s: each needs a state directory of its own",
                         supervisor->settings.state);
    if (mkdir(runs, S_IRWXU) != 0 && errno != EEXIST)
        return error_set(error, STATUS_UNAVAILABLE, "NO_STATE", "cannot make %.160s: %s", runs, strerror(errno));
    return STATUS_OK;
}

/* Greater with each start, also when the clock was set back: the last one is written down. */
static void choose_incarnation(struct supervisor *supervisor)
{
    char text[32] = {0};
    uint64_t last = 0;

    if (pread(supervisor->state_lock, text, sizeof text - 1, 0) > 0)
        last = strtoull(text, NULL, 10);
    supervisor->incarnation = clock_wall_ms();
    if (supervisor->incarnation <= last)
        supervisor->incarnation = last + 1;
    int length = snprintf(text, sizeof text, "%llu\n", (unsigned long long)supervisor->incarnation);
    if (ftruncate(supervisor->state_lock, 0) != 0 ||
        pwrite(supervisor->state_lock, text, (size_t)length, 0) != length || fdatasync(supervisor->state_lock) != 0)
        log_warning("The incarnation cannot be written down", log_text("problem", strerror(errno)));
}

static enum status connect_daemons(struct supervisor *supervisor, struct error *error)
{
    struct ganger_error problem = {0};

    if (ganger_open(supervisor->settings.broker, GANGER_BROKER, &supervisor->broker, &problem) != GANGER_OK ||
        ganger_open(supervisor->settings.context, GANGER_CONTEXT, &supervisor->context, &problem) != GANGER_OK)
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "%s", problem.message);
    return STATUS_OK;
}

DEFINE_CLEANUP(void *, supervisor_done)

enum status supervisor_setup(struct daemon *daemon, void **ret_state, struct error *error)
{
    CLEANUP(supervisor_done)
    void *state = allocate_zero(1, sizeof(struct supervisor));
    struct supervisor *supervisor = state;

    supervisor->daemon = daemon;
    supervisor->state_lock = -1;
    TRY(settings_read(daemon->config, &supervisor->settings, error));
    TRY(lock_state(supervisor, error));
    choose_incarnation(supervisor);
    TRY(connect_daemons(supervisor, error));
    TRY(join_loop(supervisor, error));
    /* Processes whose shim was killed come to us and not to init: none gets away. */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
        return error_set(error, STATUS_INTERNAL, "NO_SUBREAPER", "cannot become a subreaper: %s", strerror(errno));
    supervisor->slots.total = supervisor->settings.slots;
    supervisor->heartbeat_ms = HEARTBEAT_DEFAULT_MS;
    supervisor->piece = allocate(PIECE_MAX_BYTES);
    supervisor->recover_from_ms = clock_boot_ms();
    crews_load(supervisor);
    *ret_state = TAKE(state);
    return STATUS_OK;
}

/* Profiles, slots and queues change; what the connections and directories are stays until the next start. Agents that
 * run keep the profile that they were started with. */
void supervisor_reload(struct daemon *daemon, void *state)
{
    struct supervisor *supervisor = state;
    CLEANUP(settings_done)
    struct settings settings = {0};
    struct error error = {0};

    if (settings_read(daemon->config, &settings, &error) != STATUS_OK) {
        log_error("The new configuration is bad, the old one stays", log_text("reason", error.reason),
                  log_text("error", error.message));
        return;
    }
    struct settings *used = &supervisor->settings;
    for (size_t i = 0; i < used->profile_count; i++)
        (void)profile_release(used->profiles[i]);
    memcpy(used->profiles, settings.profiles, sizeof used->profiles);
    used->profile_count = settings.profile_count;
    settings.profile_count = 0;
    used->slots = settings.slots;
    used->spool_max_bytes = settings.spool_max_bytes;
    supervisor->slots.total = settings.slots;
    struct words queues = used->queues;
    used->queues = settings.queues;
    settings.queues = queues;
    crews_load(supervisor);
}

static void stop_runs(struct supervisor *supervisor, enum intent intent)
{
    uint64_t grace_ms = 0;

    for (struct run *run = supervisor->runs; run != NULL; run = run->next) {
        run_stop(run, intent, NULL);
        if (run->life == LIFE_STOPPING && run->profile->grace_ms > grace_ms)
            grace_ms = run->profile->grace_ms;
    }
    supervisor->stop_until_ms = clock_boot_ms() + grace_ms + LINGER_MS + STOP_MARGIN_MS;
    daemon_status("stopping, %u runs", supervisor->run_count);
}

void supervisor_stop(struct daemon *daemon, void *state)
{
    (void)daemon;
    stop_runs(state, INTENT_SHUTDOWN);
}

void supervisor_replaced(struct supervisor *supervisor)
{
    supervisor->replaced = true;
    supervisor->daemon->stopping = true;
    stop_runs(supervisor, INTENT_STALE);
}

void supervisor_done(void *state)
{
    struct supervisor *supervisor = state;

    if (supervisor == NULL)
        return;
    runs_free(supervisor);
    crews_free(supervisor);
    (void)sd_event_source_unref(supervisor->turn);
    (void)sd_event_source_unref(supervisor->timer);
    (void)sd_event_source_unref(supervisor->broker_source);
    (void)sd_event_source_unref(supervisor->context_source);
    ganger_close(supervisor->broker);
    ganger_close(supervisor->context);
    settings_done(&supervisor->settings);
    fd_close(supervisor->state_lock);
    free(supervisor->piece);
    free(supervisor);
}
