#include "broker/core/event.h"

#include "broker/core/core.h"
#include "broker/core/trail.h"
#include "common/base/check.h"

#include <string.h>

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
    [MOVE_PUT_OFF] = {"PUT_OFF", true},
    [MOVE_WITHHOLD] = {"WITHHOLD", true},
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
    [EVENT_BUDGET_SET] = {"BUDGET_SET", false},
    [EVENT_BUDGET_BREACHED] = {"BUDGET_BREACHED", false},
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

/* Gives it its revision, its time and whoever causes it. */
static uint64_t append(struct step *step, struct event *event)
{
    struct broker *broker = step->broker;

    event->revision = counters_next(&broker->counters, &broker->counters.revision);
    event->wall_ms = step->now.wall_ms;
    event->store_ms = step->now.store_ms;
    event->who = fit(step->who);
    trail_add(broker, step->txn, event);
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
