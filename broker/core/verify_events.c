/* Proves the events: their revisions have no holes, and the chain of each task leads from arrow to arrow. */
#include "broker/core/trail.h"
#include "broker/core/verify.h"
#include "common/base/id.h"

/* False when it cannot be told, or need not be: it was trimmed, or it is missing or damaged, which is counted. */
static enum status find_event(struct scan *scan, uint64_t revision, const struct counters *counters,
                              struct event *ret_event, bool *ret_found)
{
    *ret_found = false;
    if (revision <= counters->trimmed)
        return STATUS_OK;
    enum status status = trail_find(scan->txn, revision, ret_event);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    *ret_found = status == STATUS_OK;
    if (!*ret_found)
        problem(scan, "event %llu is missing or damaged", (unsigned long long)revision);
    return STATUS_OK;
}

enum status check_last_event(struct scan *scan, const struct task *task, const struct counters *counters)
{
    struct event event;
    bool found = false;
    char text[ID_TEXT_SIZE];

    TRY(find_event(scan, task->revision, counters, &event, &found));
    if (found && (event.task_id != task->id || event.to != task->now.state || event.fence != task->fence))
        problem(scan, "the last event of task %s is not what has become of it", id_format(task->id, text));
    return STATUS_OK;
}

static enum status check_link(struct scan *scan, const struct event *event, const struct counters *counters)
{
    struct event before;
    bool found = false;

    if (event->task_id == 0 || event->previous == 0) {
        if (event->from != TASK_NONE)
            problem(scan, "event %llu begins nowhere", (unsigned long long)event->revision);
        return STATUS_OK;
    }
    if (event->previous >= event->revision) {
        problem(scan, "event %llu follows a later one", (unsigned long long)event->revision);
        return STATUS_OK;
    }
    TRY(find_event(scan, event->previous, counters, &before, &found));
    if (found && (before.task_id != event->task_id || before.to != event->from || before.fence > event->fence))
        problem(scan, "event %llu does not begin where the one before it ends", (unsigned long long)event->revision);
    return STATUS_OK;
}

/* A greater epoch begins to count anew, and is greater by itself. */
static bool follows(const struct counters *counters, uint64_t before, uint64_t revision)
{
    struct counters at = *counters;

    at.epoch = epoch_of(revision);
    return revision > before && counters_next(&at, &before) == revision;
}

/* How far the walk over all events is. */
struct walk {
    uint64_t before; /* the revision of the last event */
    uint64_t count;
};

static enum status check_row(struct scan *scan, struct bytes value, uint64_t first, const struct counters *counters,
                             struct walk *walk)
{
    struct trail_row row;
    struct event event;

    if (!trail_row_open(value, first, &row)) {
        problem(scan, "the events from %llu on are damaged", (unsigned long long)first);
        return STATUS_OK;
    }
    while (trail_row_next(&row, &event)) {
        if (!follows(counters, walk->before, event.revision))
            problem(scan, "event %llu does not follow %llu", (unsigned long long)event.revision,
                    (unsigned long long)walk->before);
        walk->before = event.revision;
        walk->count++;
        TRY(check_link(scan, &event, counters));
    }
    if (row.left > 0)
        problem(scan, "event %llu is damaged", (unsigned long long)row.next);
    return STATUS_OK;
}

enum status check_events(struct scan *scan, const struct counters *counters)
{
    struct walk walk = {.before = counters->trimmed};
    uint64_t from = 0;
    struct bytes key;
    struct bytes value;

    for (;;) {
        /* Links are looked up in between: the place in the table is lost. */
        struct key next = key_of_id(from);
        enum status status = store_seek(scan->txn, TABLE_EVENT, key_bytes(&next), &key, &value);
        if (status == STATUS_NOT_FOUND)
            break;
        TRY(status);
        from = key_read_id(key) + 1;
        TRY(check_row(scan, value, from - 1, counters, &walk));
    }
    if (walk.before != counters->revision || walk.count != counters->events)
        problem(scan, "there are %llu events up to %llu, %llu up to %llu are counted", (unsigned long long)walk.count,
                (unsigned long long)walk.before, (unsigned long long)counters->events,
                (unsigned long long)counters->revision);
    return STATUS_OK;
}
