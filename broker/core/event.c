#include "broker/core/event.h"

#include "broker/core/core.h"
#include "broker/core/record.h"
#include "common/base/check.h"

#include <string.h>

#define EVENT_VERSION 1
#define EVENT_FIXED_SIZE 46 /* with the version, before the texts and the checksum */
#define CHECKSUM_SIZE 4
#define TRIM_EVERY_MS 60000 /* what is too old waits for more of its kind */
#define TRIM_MAX 16384      /* as many as a batch may have brought */

static const struct {
    const char *name;
    bool is_of_queue;
} kinds[EVENT_KINDS] = {
    [MOVE_SUBMIT] = {"SUBMIT", true},
    [MOVE_UNBLOCK] = {"UNBLOCK", true},
    [MOVE_FAIL_BLOCKED] = {"FAIL_BLOCKED", true},
    [MOVE_DUE] = {"DUE", true},
    [MOVE_EXPIRE] = {"EXPIRE", true},
    [MOVE_CLAIM] = {"CLAIM", true},
    [MOVE_START] = {"START", true},
    [MOVE_COMPLETE] = {"COMPLETE", true},
    [MOVE_FAIL] = {"FAIL", true},
    [MOVE_RELEASE] = {"RELEASE", true},
    [MOVE_LOSE] = {"LOSE", true},
    [MOVE_SUSPEND] = {"SUSPEND", true},
    [MOVE_RESUME] = {"RESUME", true},
    [MOVE_CANCEL] = {"CANCEL", true},
    [MOVE_RETRY] = {"RETRY", true},
    [MOVE_ADOPT] = {"ADOPT", true},
    [MOVE_REMOVE] = {"REMOVE", true},
    [EVENT_CANCELING] = {"CANCELING", true},
    [EVENT_SUSPENDING] = {"SUSPENDING", true},
    [EVENT_REAPING] = {"REAPING", true},
    [EVENT_FINISHING] = {"FINISHING", true},
    [EVENT_UPDATED] = {"UPDATED", true},
    [EVENT_MOVED] = {"MOVED", true},
    [EVENT_QUEUE_PAUSED] = {"QUEUE_PAUSED", true},
    [EVENT_QUEUE_RESUMED] = {"QUEUE_RESUMED", true},
    [EVENT_QUEUE_SET] = {"QUEUE_SET", true},
    [EVENT_LIMIT_SET] = {"LIMIT_SET", false},
    [EVENT_LIMIT_PAUSED] = {"LIMIT_PAUSED", false},
    [EVENT_LIMIT_REMOVED] = {"LIMIT_REMOVED", false},
    [EVENT_AGENT_DRAINED] = {"AGENT_DRAINED", false},
    [EVENT_AGENT_KILLED] = {"AGENT_KILLED", false},
    [EVENT_JOB_STARTED] = {"JOB_STARTED", false},
    [EVENT_JOB_ENDED] = {"JOB_ENDED", false},
    [EVENT_BACKUP] = {"BACKUP", false},
    [EVENT_RESTORED] = {"RESTORED", false},
    [EVENT_LIMIT_RESUMED] = {"LIMIT_RESUMED", false},
    [EVENT_AGENT_RESUMED] = {"AGENT_RESUMED", false},
};

_Static_assert((int)TASK_MOVES <= (int)EVENT_MOVES_END, "the moves have numbers below those of other events");

const char *event_name(enum event_kind kind)
{
    return (size_t)kind < EVENT_KINDS ? kinds[kind].name : NULL;
}

bool event_is_of_queue(enum event_kind kind)
{
    return (size_t)kind < EVENT_KINDS && kinds[kind].is_of_queue;
}

static struct bytes fit(const char *text)
{
    return (struct bytes){.data = (const uint8_t *)text, .size = text_fit(text, EVENT_TEXT_MAX)};
}

static uint8_t *put_text(uint8_t *at, struct bytes text)
{
    if (text.size > 0)
        memcpy(at, text.data, text.size);
    return at + text.size;
}

/* In place and not through buffer_add: there is one for each change of a task. */
static struct bytes record_of_event(struct buffer *buffer, const struct event *event)
{
    size_t texts_size = event->who.size + event->subject.size + event->why.size;

    buffer->size = 0;
    uint8_t *at = buffer_reserve(buffer, EVENT_FIXED_SIZE + texts_size + CHECKSUM_SIZE);
    at[0] = EVENT_VERSION;
    at[1] = (uint8_t)event->kind;
    at[2] = (uint8_t)((unsigned int)event->from << 4 | (unsigned int)event->to);
    at[3] = (uint8_t)event->who.size;
    at[4] = (uint8_t)event->subject.size;
    at[5] = (uint8_t)event->why.size;
    store_u64(at + 6, event->task_id);
    store_u64(at + 14, event->previous);
    store_u64(at + 22, event->fence);
    store_u64(at + 30, event->wall_ms);
    store_u64(at + 38, event->store_ms);
    at = put_text(at + EVENT_FIXED_SIZE, event->who);
    at = put_text(at, event->subject);
    (void)put_text(at, event->why);
    buffer->size = EVENT_FIXED_SIZE + texts_size;
    return record_seal(buffer, event->revision);
}

bool event_read(struct bytes value, uint64_t revision, struct event *ret_event)
{
    struct reader reader;

    if (!record_open(value, EVENT_VERSION, revision, &reader))
        return false;
    struct event event = {.revision = revision, .kind = (enum event_kind)reader_u8(&reader)};
    unsigned int states = reader_u8(&reader);
    event.from = (enum task_state)(states >> 4);
    event.to = (enum task_state)(states & 15U);
    event.who.size = reader_u8(&reader);
    event.subject.size = reader_u8(&reader);
    event.why.size = reader_u8(&reader);
    event.task_id = reader_u64(&reader);
    event.previous = reader_u64(&reader);
    event.fence = reader_u64(&reader);
    event.wall_ms = reader_u64(&reader);
    event.store_ms = reader_u64(&reader);
    event.who = reader_take(&reader, event.who.size);
    event.subject = reader_take(&reader, event.subject.size);
    event.why = reader_take(&reader, event.why.size);
    if (reader.failed || event_name(event.kind) == NULL || (size_t)event.from >= TASK_STATES ||
        (size_t)event.to >= TASK_STATES)
        return false;
    *ret_event = event;
    return true;
}

/* Gives it its revision, its time and whoever causes it. */
static uint64_t append(struct step *step, struct event *event)
{
    struct broker *broker = step->broker;
    struct key key;

    event->revision = counters_next(&broker->counters, &broker->counters.revision);
    event->wall_ms = step->now.wall_ms;
    event->store_ms = step->now.store_ms;
    event->who = fit(step->who);
    key = key_of_id(event->revision);
    store_put_append(step->txn, TABLE_EVENT, key_bytes(&key), record_of_event(&broker->scratch, event));
    broker->counters.events++;
    broker->is_dirty = true;
    return event->revision;
}

void event_note(struct step *step, enum event_kind kind, const char *subject, const char *why)
{
    struct event event = {.kind = kind, .subject = fit(subject), .why = fit(why)};

    CHECK(kind >= EVENT_TASKS_END && event_name(kind) != NULL);
    (void)append(step, &event);
}

enum status step_note(struct step *step, const struct command *command)
{
    event_note(step, command->note.kind, command->note.subject, command->note.why);
    return STATUS_OK;
}

void event_of_task(struct step *step, struct task *task)
{
    const struct queue *queue = lanes_by_number(&step->broker->lanes, task->now.lane)->type->queue;
    uint8_t subject[QUEUE_KEY_MAX];
    size_t namespace_size = strlen(queue->namespace);

    CHECK(task->event != EVENT_NONE);
    /* The key of a queue is its two names with a NUL behind each. */
    memcpy(subject, queue->key, queue->key_size);
    subject[namespace_size] = '/';
    struct event event = {.task_id = task->id,
                          .previous = task->revision,
                          .fence = task->fence,
                          .kind = task->event,
                          .from = task->was.state,
                          .to = task->now.state,
                          .subject = {.data = subject, .size = queue->key_size - 1},
                          .why = fit(task->why != NULL ? task->why : "")};
    task->revision = append(step, &event);
    task->event = EVENT_NONE;
    task->why = NULL;
}

static bool is_over(const struct broker *broker)
{
    return broker->counters.events > broker->settings.events_max;
}

/* When the event becomes too old; what cannot be read is so at once. */
static uint64_t old_at_ms(const struct broker *broker, struct bytes value, uint64_t revision)
{
    struct event event;

    if (!event_read(value, revision, &event))
        return 0;
    return event.store_ms + broker->settings.events_age_ms;
}

/* Whether there is one more to trim. When there is none, the time of the next look is set. */
static enum status trim_one(struct step *step, bool *ret_trimmed)
{
    struct broker *broker = step->broker;
    struct bytes key;
    struct bytes value;
    enum status status = store_seek(step->txn, TABLE_EVENT, (struct bytes){0}, &key, &value);

    *ret_trimmed = false;
    if (status == STATUS_NOT_FOUND) {
        broker->trim_due_ms = step->now.store_ms + broker->settings.events_age_ms;
        return STATUS_OK;
    }
    TRY(status);
    uint64_t revision = key_read_id(key);
    uint64_t old_ms = is_over(broker) ? 0 : old_at_ms(broker, value, revision);
    if (old_ms > step->now.store_ms) {
        uint64_t soonest_ms = step->now.store_ms + TRIM_EVERY_MS;
        broker->trim_due_ms = old_ms > soonest_ms ? old_ms : soonest_ms;
        return STATUS_OK;
    }
    struct key first = key_of_id(revision);
    store_delete(step->txn, TABLE_EVENT, key_bytes(&first));
    broker->counters.events--;
    broker->counters.trimmed = revision;
    broker->is_dirty = true;
    *ret_trimmed = true;
    return STATUS_OK;
}

enum status events_trim(struct step *step)
{
    struct broker *broker = step->broker;
    uint64_t come = broker->counters.revision - broker->trim_revision;
    uint64_t max = broker->settings.tick_max + (come < TRIM_MAX ? 2 * come : 2 * TRIM_MAX);
    bool trimmed = true;

    broker->trim_revision = broker->counters.revision;
    if (!is_over(broker) && step->now.store_ms < broker->trim_due_ms)
        return STATUS_OK;
    for (uint64_t i = 0; i < max && trimmed; i++)
        TRY(trim_one(step, &trimmed));
    return STATUS_OK;
}

uint64_t events_next_ms(const struct broker *broker, uint64_t store_ms)
{
    if (broker->counters.events == 0)
        return UINT64_MAX;
    if (is_over(broker) || broker->trim_due_ms <= store_ms)
        return 0;
    return broker->trim_due_ms - store_ms;
}
