/* What the core answers and wants done.
 *
 * Effects own what they point at (in their arena) until effects_reset. An answer goes to the call that its token names,
 * which need not be the one of the command that caused it. Nothing of it may leave before the commit. */
#pragma once

#include "broker/core/command.h"
#include "broker/core/event.h"
#include "common/base/arena.h"
#include "common/base/status.h"

struct job;

/* The budget of a task tree, as it is now. */
struct budget_row {
    uint64_t id;        /* the task that brought it; 0 = none */
    uint64_t parent_id; /* the budget that it draws on as well; 0 = none */
    struct budget budget;
    struct usage used;
};

/* A task as it is now. */
struct task_view {
    uint64_t id;
    enum task_state state;
    bool canceling;
    bool reaping;
    bool finishing;
    bool output_incomplete;
    bool suspending;
    struct task_spec spec;
    uint32_t attempts;
    uint32_t crashes;
    uint32_t interruptions;
    uint32_t deliveries;
    uint32_t open_dependencies;
    uint64_t fence;
    const char *agent_id;
    uint64_t submitted_ms;
    uint64_t claimed_ms;
    uint64_t started_ms;
    uint64_t ended_ms;
    uint64_t due_in_ms;
    bool has_outcome;
    struct outcome outcome;
    uint64_t revision;
    uint32_t progress_percent;
    const char *progress_text;
    const char *cancel_reason;
    const char *suspend_reason;
    struct usage used;
    struct budget_row budget; /* that it draws on */
    uint64_t withheld_by;     /* SUSPENDED because that budget is used up */
    struct bytes checkpoint;  /* both only with the payload */
    struct bytes answer;
    size_t size; /* about how much of a message it takes, in bytes */
};

/* What became of one task of a command about many. */
struct submit_outcome {
    uint64_t task_id;            /* 0 when refused */
    bool existing;               /* the task was there before this submit: it has the idempotency key */
    const struct error *refusal; /* NULL when taken */
    uint32_t retry_after_ms;     /* a hint to whoever was refused; 0 = none */
};

/* The numbers are those of the protocol. */
enum verdict {
    VERDICT_GO_ON = 1,
    VERDICT_STOP = 2,
    VERDICT_STALE = 3,
    VERDICT_SUSPEND = 4,
    VERDICT_DRAIN = 5,
    VERDICT_KILL = 6,
    VERDICT_GIVE_BACK = 7,
};

/* What holders are told to count with. */
struct terms {
    uint32_t heartbeat_ms; /* the interval to keep */
    uint32_t reap_grace_ms;
    uint32_t terminate_ms;
};

struct beat_reply {
    struct run_name run;
    enum verdict verdict;
    const char *reason;
    uint32_t lease_ms;
};

struct queue_view {
    const char *namespace;
    const char *queue;
    uint64_t counts[TASK_STATES];
    uint64_t oldest_ready_ms; /* age; 0 = none */
    char **agent_types;
    size_t agent_type_count;
    bool paused_in;
    bool paused_out;
    const char *paused_by;
    const char *pause_reason;
    uint64_t length_max; /* 0 = no bound */
    struct queue_defaults defaults;
};

struct agent_view {
    const char *agent_id;
    uint64_t incarnation;
    const char *host;
    uint64_t pid;
    const char *version;
    uint32_t slots;
    const struct profile *profiles;
    size_t profile_count;
    uint32_t held;
    uint64_t silent_ms;
    bool is_known; /* has registered; else it is only draining */
    bool draining;
    bool killed;
    const char *drained_by;
    const char *drain_reason;
    uint64_t interval_us; /* between its heartbeats, as far as they are known */
    uint64_t lateness_us;
    uint32_t lease_ms;
};

struct limit_view {
    const char *name;
    bool is_set;
    uint32_t max_running;
    uint32_t rate_count;
    uint32_t rate_interval_ms;
    uint64_t running;
    uint64_t refill_in_ms;    /* until its rate lets the next one begin */
    uint64_t paused_until_ms; /* Unix time; 0 = it is not paused */
    const char *paused_by;
    const char *pause_reason;
    uint32_t lanes;
    uint64_t ready;
};

/* Why a task is not at work. The numbers are those of the protocol's WaitKind. */
enum wait_kind {
    WAIT_DEPENDENCY = 1,
    WAIT_TIME = 2,
    WAIT_BACKOFF = 3,
    WAIT_QUEUE_PAUSED = 4,
    WAIT_LIMIT_FULL = 5,
    WAIT_LIMIT_RATE = 6,
    WAIT_LIMIT_PAUSED = 7,
    WAIT_BUDGET = 8,
    WAIT_NO_AGENT = 9,
    WAIT_AGENTS_BUSY = 10,
    WAIT_BEHIND = 11,
    WAIT_HELD = 12,
    WAIT_SUSPENDED = 13,
    WAIT_ENDED = 14,
};

struct wait_reason {
    enum wait_kind kind;
    const char *text;    /* a sentence for people, without the time */
    const char *subject; /* the queue, limit, agent or agent type */
    uint64_t task_id;    /* the dependency; whose budget */
    uint64_t until_ms;   /* Unix time; 0 = nobody knows */
    uint64_t count;      /* tasks before it; runs of the limit; agents */
};
#define WAIT_REASONS_MAX 32

/* Of what a job would be about, one page. */
struct preview {
    uint64_t matched;
    uint64_t looked_at;
    const struct task_view **sample;
    size_t sample_count;
    uint64_t next_page_token; /* 0 = that was the last page */
};
struct orphan_view;

struct answer {
    struct answer *next;
    uint64_t token;
    enum command_kind kind;      /* of the command that it answers: which member of the union counts */
    const struct error *refusal; /* NULL: a good one */
    uint64_t job_id;             /* cancel, set budget: the job that goes on with it; 0 = none */
    union {
        struct {
            struct submit_outcome *outcomes;
            size_t count;
        } submit;                     /* also move: with its id each, also when refused */
        const struct task_view *task; /* get, cancel, retry */
        const struct job *job;        /* start, cancel */
        struct {
            const struct job **jobs;
            size_t count;
        } jobs;
        struct preview preview;
        struct budget_row budget; /* set budget */
        struct {
            const struct task_view **tasks;
            size_t count;
            uint64_t next_page_token;
        } list;
        struct {
            struct run_name *released;
            size_t released_count;
            struct terms terms;
            uint32_t lease_ms;
            const char *store_id;
            bool draining;
        } registration;
        struct {
            const struct task_view **tasks;
            size_t count;
            struct terms terms;
            uint32_t lease_ms;
            bool is_repeat; /* of an answer that was given before */
        } claim;
        uint32_t attempt; /* start */
        uint16_t epoch;   /* raise epoch: the new one */
        struct {
            uint32_t released; /* runs that are over */
            uint32_t told;     /* whose holders are to end them first */
        } ended;               /* kill: the runs of an agent */
        struct {
            struct beat_reply *replies;
            size_t count;
            struct terms terms;
            bool registered;
            bool draining;
        } heartbeat;
        enum task_state state; /* fail, release, finish */
        struct {
            enum task_state state; /* that it led to, or will lead to when it is finishing */
            bool finishing;
        } exit;
        struct {
            struct orphan_view *orphans;
            size_t count;
            uint64_t next_page_token;
        } orphans;
        struct {
            struct queue_view *queues;
            size_t count;
        } queue_stats; /* also pause and set queue: that one */
        struct {
            struct agent_view *agents;
            size_t count;
        } agents;
        struct {
            struct event *events; /* the newest first */
            size_t count;
            uint64_t next_page_token;
            bool is_trimmed; /* older ones are not kept any more */
        } history;
        struct {
            struct limit_view *limits; /* set and pause: the one */
            size_t count;
            bool has_more;
        } limits;
        struct {
            enum task_state state;
            uint64_t submitted_ms;
            struct wait_reason *reasons; /* what would have to change first comes first */
            size_t count;
        } why;
    };
};

/* A command to the holder of a run, who need not attend: the next heartbeat says the same. */
struct push {
    struct push *next;
    const char *agent_id;
    struct run_name run;
    enum verdict verdict;
    const char *reason;
};

/* The zero value is empty. */
struct effects {
    struct arena arena;
    struct answer *answers;
    struct answer **answers_end;
    struct push *pushes;
    struct push **pushes_end;
    uint64_t *changed; /* tasks that changed or are gone */
    size_t changed_count;
    size_t changed_capacity;
    uint64_t damaged_id; /* the last task whose record was found damaged, 0 = none */
};

void effects_done(struct effects *effects);
DEFINE_CLEANUP_EMBEDDED(struct effects, effects_done)
/* Forgets everything. */
void effects_reset(struct effects *effects);

/* For the core. */
struct answer *effects_answer(struct effects *effects, uint64_t token, enum command_kind kind);
void effects_refuse(struct effects *effects, uint64_t token, enum command_kind kind, const struct error *error);
void effects_push(struct effects *effects, const char *agent_id, struct run_name run, enum verdict verdict,
                  const char *reason);
void effects_change(struct effects *effects, uint64_t task_id);
