/* Events: what happened, in the order of revisions. Every revision of the store is one event.
 *
 * Whatever changes a task appends one (task_write does it), and so does whatever an operator does without a task
 * (event_note). An event of a task names the revision of the task's event before it, and the state record that of the
 * last one: its history is read backwards along this chain. The oldest events are trimmed away. */
#pragma once

#include "broker/core/state.h"
#include "common/base/bytes.h"
#include "common/base/status.h"

#define EVENT_TEXT_MAX 255 /* bytes; longer ones are cut */

struct step;
struct task;

/* The numbers are kept in records. */
enum event_kind {
    EVENT_NONE = 0,
    /* 1 to 63: a task has moved; the number is that of its enum task_move. */
    EVENT_MOVES_END = 64,
    /* 64 to 127: something else about a task has changed. */
    EVENT_CANCELING = 64,
    EVENT_SUSPENDING = 65,
    EVENT_REAPING = 66,
    EVENT_FINISHING = 67,
    EVENT_UPDATED = 68, /* what its submitter said */
    EVENT_MOVED = 69,   /* to another queue */
    EVENT_TASKS_END = 128,
    /* From 128: an operator's act without a task; the subject says on what. */
    EVENT_QUEUE_PAUSED = 128,
    EVENT_QUEUE_RESUMED = 129,
    EVENT_QUEUE_SET = 130,
    EVENT_LIMIT_SET = 131,
    EVENT_LIMIT_PAUSED = 132,
    EVENT_LIMIT_REMOVED = 133,
    EVENT_AGENT_DRAINED = 134,
    EVENT_AGENT_KILLED = 135,
    EVENT_JOB_STARTED = 136,
    EVENT_JOB_ENDED = 137,
    EVENT_BACKUP = 138,
    EVENT_RESTORED = 139, /* the store was restored from a backup, its epoch is a new one */
    EVENT_LIMIT_RESUMED = 140,
    EVENT_AGENT_RESUMED = 141,
    EVENT_BUDGET_SET = 142,      /* the subject is the task that brought it */
    EVENT_BUDGET_BREACHED = 143, /* likewise: by the run of the agent that said so */
    EVENT_KINDS,
};

struct event {
    uint64_t revision;
    uint64_t previous; /* the revision of the task's event before; 0 = this is its first */
    uint64_t task_id;  /* 0 = no task's */
    uint64_t fence;    /* the run that the task had then, 0 = none yet */
    uint64_t wall_ms;
    uint64_t store_ms;
    enum event_kind kind;
    enum task_state from; /* both the same when the task has not moved */
    enum task_state to;
    struct bytes who;     /* empty = the broker itself */
    struct bytes subject; /* "namespace/queue" of the task or of what is about a queue; else a name */
    struct bytes why;     /* empty = there is nothing to say */
};

/* "CLAIM", "CANCELING", "QUEUE_PAUSED"; NULL when there is no such kind. */
const char *event_name(enum event_kind kind);
/* Whether its subject is "namespace/queue". */
bool event_is_of_queue(enum event_kind kind);

/* An act without a task, by step->who. */
void event_note(struct step *step, enum event_kind kind, const char *subject, const char *why);
/* For task_write and task_erase only: the change in hand, under a new revision, which becomes the task's. */
void event_of_task(struct step *step, struct task *task);
