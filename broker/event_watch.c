#include "broker/event_watch.h"

#include "broker/convert.h"
#include "broker/core/limits.h"
#include "broker/shell.h"
#include "common/base/check.h"

#include <stdlib.h>
#include <utlist.h>

struct event_watch {
    struct shell *shell;
    struct rpc_call *call;
    uint64_t task_id;
    char *namespace;
    char *queue;
    uint64_t next;  /* the revision to go on from */
    uint64_t told;  /* the next_revision of the last update */
    uint64_t began; /* the store's revision then */
    bool is_open;   /* the first update was sent */
    struct event_watch *prev;
    struct event_watch *following;
};

static void watch_free(struct event_watch *watch)
{
    struct event_watches *watches = &watch->shell->event_watches;

    DL_DELETE2(watches->all, watch, prev, following);
    watches->count--;
    free(watch->namespace);
    free(watch->queue);
    free(watch);
}

static void on_end(struct rpc_call *call, void *data)
{
    (void)call;
    watch_free(data);
}

static enum status check_request(const struct shell *shell, const Ganger__V1__WatchEventsRequest *request,
                                 struct error *error)
{
    uint64_t revision = broker_revision(shell->broker);

    TRY(limits_check_name("namespace", request->namespace_, error));
    TRY(limits_check_name("queue", request->queue, error));
    if (request->from_revision > 0 && request->newer_than_ms > 0)
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_FIELD",
                         "newer_than_ms: not together with from_revision; leave one of them out");
    if (request->from_revision > revision && request->from_revision - revision > 1)
        return error_set(error, STATUS_OUT_OF_RANGE, "AHEAD_OF_STORE",
                         "from_revision: the store is only at %llu: it is another one, or an older copy of it",
                         (unsigned long long)revision);
    if (shell->event_watches.count == EVENT_WATCHES_MAX)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_WATCHES",
                         "%d streams of events are open already: end one, or read histories", EVENT_WATCHES_MAX);
    return STATUS_OK;
}

static uint64_t first_revision(struct shell *shell, const Ganger__V1__WatchEventsRequest *request)
{
    uint64_t age_ms = request->newer_than_ms;
    uint64_t revision = 0;

    if (request->from_revision > 0)
        return request->from_revision;
    if (age_ms == 0)
        return broker_revision(shell->broker) + 1;
    uint64_t since_ms = age_ms < shell->now.store_ms ? shell->now.store_ms - age_ms : 0;
    enum status status = broker_events_since(shell->broker, shell->txn, since_ms, &revision);
    if (status != STATUS_OK && status != STATUS_RESOURCE_EXHAUSTED)
        serve_fatal("events", status);
    return revision;
}

enum status event_watch_add(struct shell *shell, struct rpc_call *call, const Ganger__V1__WatchEventsRequest *request,
                            struct error *error)
{
    struct event_watches *watches = &shell->event_watches;

    TRY(check_request(shell, request, error));
    struct event_watch *watch = allocate_zero(1, sizeof *watch);
    watch->shell = shell;
    watch->call = call;
    watch->task_id = request->task_id;
    watch->namespace = duplicate_text(request->namespace_);
    watch->queue = duplicate_text(request->queue);
    watch->next = first_revision(shell, request);
    DL_PREPEND2(watches->all, watch, prev, following);
    watches->count++;
    rpc_call_keep(call, on_end, watch);
    return STATUS_OK;
}

/* Not before the batch is committed in which the watch began: it may have been discarded, and its revisions with it. */
static void open_stream(struct event_watch *watch)
{
    const struct broker *broker = watch->shell->broker;
    Ganger__V1__WatchEventsUpdate update = GANGER__V1__WATCH_EVENTS_UPDATE__INIT;

    update.revision = broker_revision(broker);
    if (watch->next > update.revision + 1)
        watch->next = update.revision + 1;
    update.next_revision = watch->next;
    update.store_id = borrowed_text(broker_store_id(broker));
    update.epoch = broker_epoch(broker);
    rpc_call_send(watch->call, &update.base);
    watch->told = watch->next;
    watch->began = update.revision;
    watch->is_open = true;
}

/* Also without an event now and then, so that a lost stream that asks for little need not look at everything again; and
 * at once where that tells those who look back that they have come to the end. */
static bool is_worth_telling(const struct event_watch *watch, const struct event_page *page)
{
    return page->count > 0 || page->gap > 0 || page->next - watch->told >= EVENTS_LOOK_MAX ||
           (watch->told <= watch->began && page->next > watch->began);
}

static void send_share(struct event_watch *watch, struct store_txn *txn, size_t *looked_at)
{
    struct arena *arena = &shell_enter(watch->shell)->arena;
    Ganger__V1__WatchEventsUpdate update = GANGER__V1__WATCH_EVENTS_UPDATE__INIT;
    const struct event_filter filter = {
        .task_id = watch->task_id, .namespace = watch->namespace, .queue = watch->queue};
    struct event_page page;

    enum status status = broker_events(watch->shell->broker, txn, &filter, watch->next, arena, &page);
    if (status != STATUS_OK)
        serve_fatal("events", status);
    *looked_at += page.looked_at;
    watch->next = page.next;
    if (!is_worth_telling(watch, &page))
        return;
    update.events = messages_of_events(arena, page.events, page.count);
    update.n_events = page.count;
    update.next_revision = page.next;
    update.gap_revision = page.gap;
    rpc_call_send(watch->call, &update.base);
    watch->told = page.next;
}

static bool wants_more(const struct event_watch *watch)
{
    return rpc_call_has_credit(watch->call) &&
           (!watch->is_open || watch->next <= broker_revision(watch->shell->broker));
}

/* Whoever was served longest ago: it goes to the end. */
static struct event_watch *next_watch(struct event_watches *watches)
{
    struct event_watch *watch = watches->all;

    DL_DELETE2(watches->all, watch, prev, following);
    DL_APPEND2(watches->all, watch, prev, following);
    return watch;
}

bool event_watches_serve(struct shell *shell)
{
    struct event_watches *watches = &shell->event_watches;
    CLEANUP(store_end)
    struct store_txn *txn = NULL;
    size_t looked_at = 0;
    bool more = false;

    for (size_t i = 0; i < watches->count; i++) {
        if (looked_at >= EVENT_TURN_ROWS_MAX)
            return true;
        struct event_watch *watch = next_watch(watches);
        if (!wants_more(watch))
            continue;
        if (!watch->is_open)
            open_stream(watch);
        enum status status = txn != NULL ? STATUS_OK : store_begin(shell->store, STORE_READ, &txn);
        if (status != STATUS_OK)
            serve_fatal("begin", status);
        if (wants_more(watch))
            send_share(watch, txn, &looked_at);
        more = more || wants_more(watch);
    }
    return more;
}
