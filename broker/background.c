#include "broker/background.h"

#include "broker/convert.h"
#include "broker/shell.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#include <string.h>
#include <sys/eventfd.h>

#define TELL_INTERVAL_MS 500
#define REST_MAX_US 100000

/* What differs between the two. */
struct background_kind {
    const char *name;
    void (*work)(struct background *background); /* on the thread */
    void (*tell)(struct background *background, bool is_last);
};

/* As long as it has worked: half of a core and of the disk is left to those who are waiting for their commits. */
static void rest(struct background *background)
{
    uint64_t worked_us = clock_boot_us() - background->rested_us;
    uint64_t rest_us = worked_us < REST_MAX_US ? worked_us : REST_MAX_US;

    (void)usleep((useconds_t)rest_us);
    background->rested_us = clock_boot_us();
}

static bool note(struct background *background, uint64_t first, uint64_t second)
{
    atomic_store_explicit(&background->seen[0], first, memory_order_relaxed);
    atomic_store_explicit(&background->seen[1], second, memory_order_relaxed);
    rest(background);
    return !atomic_load_explicit(&background->stops, memory_order_relaxed);
}

static bool on_backup_progress(const struct backup_figures *figures, void *data)
{
    return note(data, figures->rows, figures->bytes);
}

static void backup_work(struct background *background)
{
    const struct backup_watch watch = {.on_progress = on_backup_progress, .data = background};

    background->status = backup_write(background->snapshot, &broker_schema, background->path, &watch,
                                      &background->figures, &background->error);
}

static void backup_tell(struct background *background, bool is_last)
{
    Ganger__V1__BackupUpdate update = GANGER__V1__BACKUP_UPDATE__INIT;

    update.rows = is_last ? background->figures.rows : atomic_load(&background->seen[0]);
    update.bytes = is_last ? background->figures.bytes : atomic_load(&background->seen[1]);
    update.done = is_last;
    update.store_id = borrowed_text(background->identity.store_id);
    update.epoch = background->identity.epoch;
    update.revision = background->identity.revision;
    rpc_call_send(background->call, &update.base);
}

static bool on_check_progress(const struct check_report *report, void *data)
{
    return note(data, report->tasks, report->problems);
}

static void check_work(struct background *background)
{
    const struct check_watch watch = {.on_progress = on_check_progress, .data = background};

    background->status = broker_check(background->snapshot, &watch, &background->report);
    if (background->status == STATUS_CANCELED)
        (void)error_set(&background->error, STATUS_CANCELED, "STOPPED", "the check was stopped before its end");
    else if (background->status != STATUS_OK)
        background->status = error_set(&background->error, STATUS_INTERNAL, "STORE_FAILED", "the store cannot be read");
}

static void check_tell(struct background *background, bool is_last)
{
    Ganger__V1__CheckUpdate update = GANGER__V1__CHECK_UPDATE__INIT;
    const struct check_report *report = &background->report;
    char *named[CHECK_NAMED_MAX];

    update.tasks = is_last ? report->tasks : atomic_load(&background->seen[0]);
    update.problems = is_last ? report->problems : atomic_load(&background->seen[1]);
    update.done = is_last;
    update.revision = background->identity.revision;
    update.named = named;
    while (is_last && update.n_named < report->problems && update.n_named < CHECK_NAMED_MAX) {
        named[update.n_named] = borrowed_text(report->named[update.n_named]);
        update.n_named++;
    }
    rpc_call_send(background->call, &update.base);
}

static const struct background_kind backup_kind = {"backup", backup_work, backup_tell};
static const struct background_kind check_kind = {"check", check_work, check_tell};

static void *run_thread(void *data)
{
    struct background *background = data;
    const uint64_t one = 1;

    background->kind->work(background);
    atomic_store(&background->has_ended, true);
    CHECK(write(background->event_fd, &one, sizeof one) == sizeof one);
    return NULL;
}

/* Only wakes the loop, whose next turn is due then. */
static int on_event(sd_event_source *source, int fd, uint32_t events, void *data)
{
    uint64_t count = 0;

    (void)source, (void)events, (void)data;
    (void)!read(fd, &count, sizeof count);
    return 0;
}

static void on_call_end(struct rpc_call *call, void *data)
{
    struct background *background = data;

    (void)call;
    background->call = NULL;
    atomic_store(&background->stops, true);
}

static enum status start(struct background *background, const struct background_kind *kind, struct rpc_call *call,
                         struct error *error)
{
    struct shell *shell = background->shell;

    if (background->kind != NULL)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED, "BUSY", "a %s is under way: try again when it has ended",
                         background->kind->name);
    /* What the store had before the batch that is open: a moment of which every answer has left. */
    enum status status = store_begin(shell->store, STORE_READ, &background->snapshot);
    if (status == STATUS_OK)
        status = broker_identify(background->snapshot, &background->identity);
    if (status != STATUS_OK) {
        store_abort(&background->snapshot);
        return error_set(error, STATUS_INTERNAL, "STORE_FAILED", "the store cannot be read");
    }
    background->kind = kind;
    background->status = STATUS_OK;
    background->error = (struct error){0};
    background->tell_due_ms = shell->now_ms + TELL_INTERVAL_MS;
    atomic_store(&background->stops, false);
    atomic_store(&background->has_ended, false);
    atomic_store(&background->seen[0], 0);
    atomic_store(&background->seen[1], 0);
    background->rested_us = clock_boot_us();
    if (pthread_create(&background->thread, NULL, run_thread, background) != 0) {
        background->kind = NULL;
        store_abort(&background->snapshot);
        return error_set(error, STATUS_RESOURCE_EXHAUSTED, "NO_THREAD", "the system gives no thread for a %s",
                         kind->name);
    }
    background->call = call;
    rpc_call_keep(call, on_call_end, background);
    log_info("A long look at the store begins", log_text("kind", kind->name),
             log_number("revision", background->identity.revision));
    return STATUS_OK;
}

enum status background_backup(struct background *background, struct rpc_call *call, const char *path,
                              struct error *error)
{
    size_t size = strlen(path);

    if (path[0] != '/' || path[size - 1] == '/' || size >= sizeof background->path)
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_FIELD",
                         "path: the whole path of a new file on the broker's host is needed, from / on");
    if (background->kind == NULL)
        memcpy(background->path, path, size + 1);
    return start(background, &backup_kind, call, error);
}

enum status background_check(struct background *background, struct rpc_call *call, struct error *error)
{
    return start(background, &check_kind, call, error);
}

static void end_thread(struct background *background)
{
    CHECK(pthread_join(background->thread, NULL) == 0);
    store_abort(&background->snapshot);
    log_info("A long look at the store has ended", log_text("kind", background->kind->name),
             log_text("status", status_name(background->status)), log_text("error", background->error.message));
    background->kind = NULL;
}

static void tell_end(struct background *background, const struct background_kind *kind)
{
    struct rpc_call *call = background->call;

    if (call == NULL)
        return;
    if (background->status == STATUS_OK && !rpc_call_has_credit(call))
        background->status = error_set(&background->error, STATUS_UNAVAILABLE, "NO_CREDIT",
                                       "the %s has ended well, but its stream had no credit to be told so", kind->name);
    if (background->status == STATUS_OK) {
        kind->tell(background, true);
        rpc_call_finish(call);
    } else {
        rpc_call_refuse(call, &background->error);
    }
    background->call = NULL;
}

void background_serve(struct background *background, uint64_t now_ms)
{
    const struct background_kind *kind = background->kind;

    if (kind == NULL)
        return;
    if (atomic_load(&background->has_ended)) {
        end_thread(background);
        tell_end(background, kind);
    } else if (now_ms >= background->tell_due_ms) {
        background->tell_due_ms = now_ms + TELL_INTERVAL_MS;
        if (background->call != NULL && rpc_call_has_credit(background->call))
            kind->tell(background, false);
    }
}

uint64_t background_deadline_ms(const struct background *background)
{
    if (background->kind == NULL)
        return UINT64_MAX;
    return atomic_load(&background->has_ended) ? 0 : background->tell_due_ms;
}

enum status background_init(struct background *background, struct shell *shell, sd_event *event, struct error *error)
{
    background->shell = shell;
    background->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (background->event_fd < 0 ||
        sd_event_add_io(event, &background->source, background->event_fd, EPOLLIN, on_event, background) < 0)
        return error_set(error, STATUS_INTERNAL, "EVENT_LOOP", "the event loop refused a source");
    return STATUS_OK;
}

void background_done(struct background *background)
{
    if (background->kind != NULL) {
        atomic_store(&background->stops, true);
        end_thread(background);
    }
    sd_event_source_disable_unref(background->source);
    fd_close(background->event_fd);
}
