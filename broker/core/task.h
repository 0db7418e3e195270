/* A task in hand: its state record decoded, and the rows that the indexes have of it.
 *
 * task_write is the only place that touches the indexes, the counts of the lanes and the revision: it compares the rows
 * that the task has with those that its new state implies, and writes the difference, and the event that tells of it.
 * So neither an index nor an event can be forgotten by a command. */
#pragma once

#include "broker/core/command.h"
#include "broker/core/effect.h"
#include "broker/core/event.h"
#include "broker/core/keys.h"
#include "broker/core/state.h"
#include "common/base/bytes.h"

struct step;
struct lane;

/* How the last run ended. A repeat of the word that ended it gets the first answer. */
enum run_end {
    RUN_IS_OPEN = 0,
    RUN_COMPLETED = 1,
    RUN_FAILED = 2,
    RUN_RELEASED = 3,
    RUN_LOST = 4,
    RUN_SUSPENDED = 5,
};

/* What the keys of a task's index rows are made of. */
struct task_place {
    enum task_state state;
    uint8_t priority;
    bool finishing; /* RUNNING: the outcome is there, its output is still on its way; nobody holds it */
    uint32_t lane;
    uint64_t turn;            /* among those of its priority */
    uint64_t parent_id;       /* 0 = none */
    uint64_t withheld_by;     /* the budget that has it SUSPENDED, or is to have it; 0 = none */
    uint64_t expires_ms;      /* Unix time: EXPIRED then if it still waits; 0 = never */
    enum time_base time_base; /* of due_ms */
    uint64_t due_ms; /* BLOCKED: not READY before; SCHEDULED: READY then; held: its lease row; finishing: ended then;
                        ended: removed then */
    char agent_id[AGENT_ID_MAX + 1]; /* who holds it, or held it last */
};

struct task {
    uint64_t id;
    struct task_place now;
    struct task_place was; /* what the store has; state TASK_NONE when it has nothing */
    bool canceling;
    bool suspending;        /* its holder is asked to give it back as SUSPENDED */
    bool reaping;           /* its lease is lost, and that its processes are gone is not confirmed */
    bool supervised;        /* its run is held by a supervisor, who can confirm that */
    bool output_incomplete; /* it ended before all of its output was there */
    bool has_checkpoint;
    bool has_key;     /* an idempotency key */
    bool has_waits;   /* somebody has waited for its end */
    bool has_outcome; /* the last run that ended said more than that; else what it said is made up when it is shown */
    uint8_t max_attempts;
    uint8_t max_crashes;
    uint16_t max_deliveries;
    enum dependency_policy dependency_policy;
    enum lost_policy lost_policy;
    uint32_t open_dependencies; /* BLOCKED: those whose end it has not heard of */
    enum run_end run_end;
    enum task_state run_end_state; /* that the end of the last run led to */
    uint16_t attempts;
    uint16_t crashes;
    uint32_t interruptions;
    uint32_t deliveries;
    uint64_t fence;
    uint64_t revision;
    uint64_t submitted_ms;
    uint64_t claimed_ms;
    uint64_t started_ms;
    uint64_t ended_ms;
    uint64_t run_deadline_ms; /* store time: ASSIGNED: to be started by then; RUNNING: to be over by then; else 0 */
    uint64_t budget_id;       /* the task whose budget it draws on; 0 = none */
    struct usage used;        /* by all its runs */
    struct usage used_by_run; /* of this, by the last one */
    uint64_t retention_ms;
    uint32_t lease_ms; /* the longest that its holder was promised */
    uint32_t start_timeout_ms;
    uint32_t run_timeout_ms;
    uint32_t backoff_ms;
    uint32_t backoff_max_ms;
    char cancel_reason[256]; /* while it is suspending: why that */
    /* In hand only: what the next event of it says. */
    enum event_kind event; /* set by task_move and task_note */
    const char *why;       /* NULL = nothing; borrowed until the write */
    bool output_pending;   /* the run that ends has output that is still on its way */
};

/* ASSIGNED or RUNNING, and somebody is still at it. */
static inline bool task_is_at_work(const struct task *task)
{
    return task_is_held(task->now.state) && !task->now.finishing;
}

/* A row of an index: a key without a value. */
struct index_row {
    enum broker_table table;
    struct key key;
};
#define INDEX_ROWS_MAX 4

/* The rows that a task in this place has. */
size_t task_rows(uint64_t id, const struct task_place *place, struct index_row rows[static INDEX_ROWS_MAX]);

/* NOT_FOUND/NO_SUCH_TASK, DATA_LOSS/DAMAGED_RECORD. */
enum status task_load(struct step *step, uint64_t id, struct task *ret_task) NODISCARD;
/* Refuses with FAILED_PRECONDITION when the table has no arrow for this move from where the task is. */
enum status task_check_move(struct step *step, const struct task *task, enum task_move move) NODISCARD;
/* Moves it, in hand only. An arrow that the table does not have is a bug: check first. */
void task_move(struct task *task, enum task_move move, enum task_state to);
/* The same for a change that is no move: a flag, say. Where the task moves as well, its event is the move. */
void task_note(struct task *task, enum event_kind kind, const char *why);
/* Writes what has changed, with a new revision and its event. A change without task_move or task_note is a bug. */
void task_write(struct step *step, struct task *task);
/* The same, for what nobody sees from outside: no new revision and no event, nobody is told. */
void task_write_quietly(struct step *step, struct task *task);
/* After MOVE_REMOVE: takes it out of the store. Its orphans are dropped before. */
void task_erase(struct step *step, struct task *task);

/* Ends it: the retention begins. */
void task_end(struct step *step, struct task *task, enum task_move move, enum task_state to);

/* Everything about it, in the arena of the effects. DATA_LOSS/DAMAGED_RECORD. */
enum status task_view(struct step *step, const struct task *task, bool with_payload, struct task_view **ret_view)
    NODISCARD;
