#include "broker/core/history.h"

#include "broker/core/core.h"

#include <string.h>

#define PAGE_BYTES_MAX ((size_t)768 * 1024) /* so that a page fits one frame */
#define PAGE_DEFAULT 100
#define EVENT_SIZE 80 /* about what one takes in a message, without its texts */

/* Copies what is borrowed from the store. */
static void keep(struct event *event, struct arena *arena)
{
    event->who = arena_bytes(arena, event->who);
    event->subject = arena_bytes(arena, event->subject);
    event->why = arena_bytes(arena, event->why);
}

static size_t size_of(const struct event *event)
{
    return EVENT_SIZE + event->who.size + event->subject.size + event->why.size;
}

static enum status damaged_event(struct step *step, uint64_t revision)
{
    return error_set(&step->error, STATUS_DATA_LOSS, "DAMAGED_RECORD",
                     "event %llu is missing or damaged in the store: what came before it cannot be followed",
                     (unsigned long long)revision);
}

static enum status load_event(struct step *step, uint64_t revision, struct event *ret_event)
{
    enum status status = trail_find(step->txn, revision, ret_event);

    return status == STATUS_NOT_FOUND ? damaged_event(step, revision) : status;
}

static enum status bad_token(struct step *step)
{
    return error_set(&step->error, STATUS_INVALID_ARGUMENT, "BAD_FIELD",
                     "page_token: it is not one that the history of this task has given");
}

/* From the newest one that is wanted, along the chain. */
static enum status follow_chain(struct step *step, const struct command_history *history, uint64_t revision,
                                struct answer *answer)
{
    size_t max = history->page_size > 0 ? history->page_size : PAGE_DEFAULT;
    struct event *events = arena_zero(&step->effects->arena, max, sizeof *events);
    size_t size = 0;
    size_t count = 0;

    while (revision > step->broker->counters.trimmed && count < max && size < PAGE_BYTES_MAX) {
        TRY(load_event(step, revision, &events[count]));
        if (events[count].task_id != history->task_id)
            return count == 0 ? bad_token(step) : damaged_event(step, revision);
        size += size_of(&events[count]);
        keep(&events[count], &step->effects->arena);
        revision = events[count++].previous;
    }
    answer->history.events = events;
    answer->history.count = count;
    answer->history.is_trimmed = revision > 0 && revision <= step->broker->counters.trimmed;
    answer->history.next_page_token = revision > step->broker->counters.trimmed ? revision : 0;
    return STATUS_OK;
}

enum status step_history(struct step *step, const struct command *command)
{
    const struct command_history *history = &command->history;
    struct answer answer = {0};
    struct task task;

    if (history->page_size > EVENTS_PAGE_MAX)
        return error_set(&step->error, STATUS_INVALID_ARGUMENT, "BAD_FIELD", "page_size: at most %d are allowed",
                         EVENTS_PAGE_MAX);
    TRY(task_load(step, history->task_id, &task));
    if (history->page_token > task.revision)
        return bad_token(step);
    /* The task may have changed in this very batch. */
    trail_settle(step->broker, step->txn);
    TRY(follow_chain(step, history, history->page_token > 0 ? history->page_token : task.revision, &answer));
    effects_answer(step->effects, command->token, command->kind)->history = answer.history;
    return STATUS_OK;
}

static bool has_name(const char *wanted, struct bytes name)
{
    return wanted[0] == '\0' || bytes_equal(bytes_of_text(wanted), name);
}

static bool matches(const struct event_filter *filter, const struct event *event)
{
    struct bytes subject = event->subject;

    if (filter->task_id != 0 && filter->task_id != event->task_id)
        return false;
    if (filter->namespace[0] == '\0' && filter->queue[0] == '\0')
        return true;
    const uint8_t *slash = subject.size > 0 ? memchr(subject.data, '/', subject.size) : NULL;
    if (!event_is_of_queue(event->kind) || slash == NULL)
        return false;
    size_t namespace_size = (size_t)(slash - subject.data);
    return has_name(filter->namespace, bytes_slice(subject, 0, namespace_size)) &&
           has_name(filter->queue, bytes_slice(subject, namespace_size + 1, subject.size));
}

/* A page on its way. */
struct reading {
    const struct event_filter *filter;
    struct arena *arena;
    struct event_page *page;
    size_t size;     /* bytes, about */
    bool has_damage; /* the last row could not be read */
};

/* False when the page ends before this event. */
static bool take_event(struct reading *reading, struct event *event)
{
    struct event_page *page = reading->page;

    if (event->revision < page->next)
        return true; /* the row begins before what is wanted */
    if (page->looked_at == EVENTS_LOOK_MAX)
        return false;
    if (matches(reading->filter, event)) {
        if (page->count == EVENTS_SHARE_MAX || reading->size >= EVENTS_SHARE_BYTES)
            return false;
        keep(event, reading->arena);
        reading->size += size_of(event);
        page->events[page->count++] = *event;
    }
    page->looked_at++;
    page->next = event->revision + 1;
    return true;
}

/* False when the page ends before its end. */
static bool take_row(struct reading *reading, uint64_t first, struct bytes value)
{
    struct event_page *page = reading->page;
    struct trail_row row;
    struct event event;

    if (!trail_row_open(value, first, &row)) {
        /* As good as trimmed. The page before it ends, so that what is missing can be told in its place. */
        reading->has_damage = true;
        return page->count == 0;
    }
    if (reading->has_damage)
        page->gap = page->next = first;
    reading->has_damage = false;
    while (trail_row_next(&row, &event))
        if (!take_event(reading, &event))
            return false;
    return true;
}

static enum status read_rows(struct reading *reading, struct store_txn *txn)
{
    struct event_page *page = reading->page;
    struct bytes key;
    struct bytes value;
    enum status status = trail_seek(txn, page->next, &key, &value);

    for (; status == STATUS_OK; status = store_next(txn, TABLE_EVENT, &key, &value)) {
        page->has_more = !take_row(reading, key_read_id(key), value);
        if (page->has_more)
            return STATUS_OK;
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status broker_events(const struct broker *broker, struct store_txn *txn, const struct event_filter *filter,
                          uint64_t from, struct arena *arena, struct event_page *ret_page)
{
    uint64_t trimmed = broker->counters.trimmed;
    struct reading reading = {.filter = filter, .arena = arena, .page = ret_page};

    *ret_page = (struct event_page){.next = from};
    if (from <= trimmed) {
        ret_page->next = trimmed + 1;
        ret_page->gap = trimmed + 1;
    }
    ret_page->events = arena_zero(arena, EVENTS_SHARE_MAX, sizeof(struct event));
    TRY(read_rows(&reading, txn));
    if (ret_page->has_more)
        return STATUS_OK;
    ret_page->next = broker->counters.revision + 1;
    if (reading.has_damage)
        ret_page->gap = ret_page->next;
    return STATUS_OK;
}

/* When the first event at or after this revision happened; UINT64_MAX when there is none. */
static enum status time_at(struct store_txn *txn, uint64_t revision, uint64_t *ret_store_ms)
{
    struct event event = {0};
    enum status status = trail_find_from(txn, revision, &event);

    *ret_store_ms = status == STATUS_OK ? event.store_ms : UINT64_MAX;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status broker_events_since(const struct broker *broker, struct store_txn *txn, uint64_t store_ms,
                                uint64_t *ret_revision)
{
    uint64_t low = broker->counters.trimmed + 1;
    uint64_t high = broker->counters.revision + 1;

    /* Their times never go back. */
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        uint64_t middle_ms = 0;
        TRY(time_at(txn, middle, &middle_ms));
        if (middle_ms < store_ms)
            low = middle + 1;
        else
            high = middle;
    }
    uint64_t trimmed = broker->counters.trimmed;
    *ret_revision = trimmed > 0 && low == trimmed + 1 ? trimmed : low;
    return STATUS_OK;
}
