#include "common/serve/serve.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH_MAX_DEFAULT 1024

struct serve {
    struct serve_options options;
    sd_event_source *readable;
    sd_event_source *again; /* a turn that does not wait for anything */
    sd_event_source *timer;
    bool streams_have_more;
    uint64_t revision; /* of the last committed batch */
    struct latency commits;
};

void serve_fatal(const char *what, enum status status)
{
    log_error("The store failed, the daemon ends: its start is the recovery", log_text("operation", what),
              log_text("status", status_name(status)));
    /* Not exit: nothing may be written any more, by no handler of anybody's. */
    _exit(1);
}

/* A full store is no failure: the commit will say the same, and the batch is discarded as a whole. */
static void must(enum status status, const char *what)
{
    if (status != STATUS_OK && status != STATUS_RESOURCE_EXHAUSTED)
        serve_fatal(what, status);
}

static uint64_t serve_deadline(const struct serve *serve)
{
    const struct serve_options *options = &serve->options;
    uint64_t calls_ms = rpc_server_deadline(options->server);
    uint64_t state_ms =
        options->callbacks->deadline != NULL ? options->callbacks->deadline(options->state) : UINT64_MAX;

    return calls_ms < state_ms ? calls_ms : state_ms;
}

/* Ends the batch's transaction. False: the store is full and nothing of the batch was written. */
static bool commit_batch(struct serve *serve, struct store_txn **txn)
{
    if (!store_is_dirty(*txn)) {
        store_abort(txn);
        return true;
    }
    uint64_t start_us = clock_boot_us();
    enum status status = store_commit(txn);

    if (status == STATUS_RESOURCE_EXHAUSTED)
        return false;
    /* A failed data sync does not mark LMDB's environment: going on would acknowledge what may be lost. */
    must(status, "commit");
    latency_add(&serve->commits, clock_boot_us() - start_us);
    return true;
}

static void discard_batch(struct serve *serve)
{
    const struct serve_options *options = &serve->options;
    struct error full = {0};

    (void)error_set(&full, STATUS_RESOURCE_EXHAUSTED, "STORE_FULL",
                    "the store is full, nothing was written: remove something or make it larger, then try again");
    log_warning("The store is full, a batch was refused",
                log_number("limit_bytes", store_usage(options->store).limit_bytes));
    rpc_server_discard(options->server, &full);
    if (options->callbacks->discarded != NULL)
        options->callbacks->discarded(options->state);
    rpc_server_flush(options->server, serve->revision);
}

static void receive(const struct serve *serve, uint64_t now_ms)
{
    const struct serve_options *options = &serve->options;
    struct rpc_intake intake = {
        .max = options->batch_max, .is_full = options->callbacks->batch_is_full, .data = options->state};

    (void)rpc_server_receive(options->server, &intake, now_ms);
}

static void run_batch(struct serve *serve)
{
    const struct serve_options *options = &serve->options;
    const struct serve_callbacks *callbacks = options->callbacks;
    CLEANUP(store_end)
    struct store_txn *txn = NULL;
    uint64_t now_ms = clock_boot_ms();

    must(store_begin(options->store, STORE_WRITE, &txn), "begin");
    must(callbacks->begin(options->state, txn, now_ms), "begin");
    receive(serve, now_ms);
    if (callbacks->settle != NULL)
        must(callbacks->settle(options->state, now_ms), "settle");
    /* After settle: who can be answered in this very batch is not told that it was too late. */
    rpc_server_expire(options->server, now_ms);

    if (!commit_batch(serve, &txn)) {
        discard_batch(serve);
        return;
    }
    serve->revision = callbacks->committed(options->state);
    rpc_server_flush(options->server, serve->revision);
}

static void run_turn(struct serve *serve)
{
    const struct serve_options *options = &serve->options;
    uint64_t now_ms = clock_boot_ms();

    if (rpc_server_waiting(options->server) || serve_deadline(serve) <= now_ms)
        run_batch(serve);
    if (options->callbacks->stream == NULL)
        return;
    serve->streams_have_more = options->callbacks->stream(options->state, now_ms);
    rpc_server_flush(options->server, serve->revision);
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *data)
{
    (void)source, (void)fd, (void)events;
    run_turn(data);
    return 0;
}

static int on_again(sd_event_source *source, void *data)
{
    (void)source;
    run_turn(data);
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t time_us, void *data)
{
    (void)source, (void)time_us;
    run_turn(data);
    return 0;
}

/* Before every sleep of the loop: ZeroMQ's descriptor tells only of changes, so what is waiting now must be asked for.
 */
static int on_prepare(sd_event_source *source, void *data)
{
    struct serve *serve = data;
    uint64_t deadline_ms = serve_deadline(serve);
    bool again = serve->streams_have_more || rpc_server_waiting(serve->options.server);
    int result;

    (void)source;
    if (again)
        return sd_event_source_set_enabled(serve->again, SD_EVENT_ONESHOT);
    if (deadline_ms == UINT64_MAX)
        return sd_event_source_set_enabled(serve->timer, SD_EVENT_OFF);
    result = sd_event_source_set_time(serve->timer, deadline_ms > UINT64_MAX / 1000 ? UINT64_MAX : deadline_ms * 1000);
    return result < 0 ? result : sd_event_source_set_enabled(serve->timer, SD_EVENT_ONESHOT);
}

static int add_sources(struct serve *serve)
{
    sd_event *event = serve->options.event;
    int result =
        sd_event_add_io(event, &serve->readable, rpc_server_fd(serve->options.server), EPOLLIN, on_readable, serve);

    if (result >= 0)
        result = sd_event_source_set_prepare(serve->readable, on_prepare);
    if (result >= 0)
        result = sd_event_add_defer(event, &serve->again, on_again, serve);
    if (result >= 0)
        result = sd_event_add_time(event, &serve->timer, CLOCK_BOOTTIME, UINT64_MAX, 1, on_timer, serve);
    return result;
}

enum status serve_new(const struct serve_options *options, struct serve **ret_serve, struct error *error)
{
    CHECK(options->callbacks->begin != NULL && options->callbacks->committed != NULL);
    CLEANUP(serve_free)
    struct serve *serve = allocate_zero(1, sizeof *serve);

    serve->options = *options;
    if (serve->options.batch_max == 0)
        serve->options.batch_max = BATCH_MAX_DEFAULT;
    int result = add_sources(serve);
    if (result < 0)
        return error_set(error, STATUS_INTERNAL, "EVENT_LOOP", "the event loop refused a source: %s",
                         strerror(-result));
    *ret_serve = TAKE(serve);
    return STATUS_OK;
}

struct serve *serve_free(struct serve *serve)
{
    if (serve == NULL)
        return NULL;
    sd_event_source_disable_unref(serve->timer);
    sd_event_source_disable_unref(serve->again);
    sd_event_source_disable_unref(serve->readable);
    free(serve);
    return NULL;
}

struct serve_stats serve_stats(const struct serve *serve)
{
    return (struct serve_stats){
        .commits = serve->commits.count,
        .commit_p50_us = latency_percentile_us(&serve->commits, 50),
        .commit_p99_us = latency_percentile_us(&serve->commits, 99),
    };
}
