/* Proves the events: their revisions have no holes, and the chain of each task leads from arrow to arrow. */
#include "broker/core/event.h"
#include "broker/core/verify.h"
#include "common/base/id.h"

/* False when it cannot be told, or need not be: it was trimmed, or it is missing or damaged, which is counted. */
static enum status find_event(struct scan *scan, uint64_t revision, const struct counters *counters,
                              struct event *ret_event, bool *ret_found)
{
    struct key key = key_of_id(revision);
    struct bytes value;

    *ret_found = false;
    if (revision <= counters->trimmed)
        return STATUS_OK;
    enum status status = store_get(scan->txn, TABLE_EVENT, key_bytes(&key), &value);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    *ret_found = status == STATUS_OK && event_read(value, revision, ret_event);
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

enum status check_events(struct scan *scan, const struct counters *counters)
{
    uint64_t before = counters->trimmed;
    uint64_t count = 0;
    struct bytes key;
    struct bytes value;
    struct event event;
    enum status status = store_seek(scan->txn, TABLE_EVENT, (struct bytes){0}, &key, &value);

    for (; status == STATUS_OK; status = store_next(scan->txn, TABLE_EVENT, &key, &value)) {
        uint64_t revision = key_read_id(key);
        count++;
        if (!follows(counters, before, revision))
            problem(scan, "event %llu does not follow %llu", (unsigned long long)revision, (unsigned long long)before);
        before = revision;
        if (event_read(value, revision, &event))
            TRY(check_link(scan, &event, counters));
        else
            problem(scan, "event %llu is damaged", (unsigned long long)revision);
    }
    if (status != STATUS_NOT_FOUND)
        return status;
    if (before != counters->revision || count != counters->events)
        problem(scan, "there are %llu events up to %llu, %llu up to %llu are counted", (unsigned long long)count,
                (unsigned long long)before, (unsigned long long)counters->events,
                (unsigned long long)counters->revision);
    return STATUS_OK;
}
