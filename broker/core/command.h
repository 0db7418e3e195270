/* What the core is asked.
 *
 * A command is decided at once and whole. Everything that it points at is borrowed until broker_step returns; texts are
 * never NULL. The token names the call that waits for the answer, and comes back in it. */
#pragma once

#include "broker/core/event.h"
#include "broker/core/state.h"
#include "common/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct label {
    const char *key;
    const char *value;
};

/* What a task tree may use up. */
struct budget {
    uint64_t micro_dollars; /* 0 = no bound, as the following */
    uint64_t tokens;
    enum breach_policy { BREACH_SUSPEND = 1, BREACH_CANCEL = 2 } on_breach;
};

/* What runs have used up, from the beginning. */
struct usage {
    uint64_t micro_dollars;
    uint64_t tokens;
};

/* What to do with a task when a dependency did not complete. */
enum dependency_policy { DEPENDENCY_FAIL = 1, DEPENDENCY_CANCEL = 2, DEPENDENCY_RUN = 3 };
/* What to do with a task whose supervisor could not confirm that the lost run is gone. */
enum lost_policy { LOST_REASSIGN = 1, LOST_HOLD = 2 };
/* What to do with a submit whose idempotency key a task has already. */
enum conflict_policy { CONFLICT_RETURN = 1, CONFLICT_REJECT = 2, CONFLICT_REPLACE = 3 };

/* Zero and empty mean the default. */
struct task_spec {
    const char *namespace;
    const char *queue;
    const char *agent_type;
    const char *title;
    struct bytes payload;
    const char *content_type;
    const struct label *labels;
    size_t label_count;
    uint64_t not_before_ms;
    uint64_t delay_ms;
    uint64_t run_timeout_ms;
    uint64_t retention_ms;
    uint32_t priority;
    uint32_t max_attempts;
    uint32_t backoff_ms;
    uint32_t backoff_max_ms;
    uint64_t expires_at_ms; /* Unix time */
    uint32_t start_timeout_ms;
    uint32_t max_crashes;
    uint32_t max_deliveries;
    const char *const *non_retryable; /* types of errors after which no further attempt would help */
    size_t non_retryable_count;
    const uint64_t *depends_on; /* tasks */
    size_t depends_on_count;
    const uint32_t *depends_on_index; /* tasks of the same submit */
    size_t depends_on_index_count;
    enum dependency_policy on_dependency_failure;
    enum lost_policy on_lost;
    uint64_t parent_id;
    const char *idempotency_key;
    enum conflict_policy on_conflict;
    const char *const *limits;
    size_t limit_count;
    const char *fairness_key;
    struct budget budget; /* on_breach 0 = it brings none */
};

/* One run of a task. */
struct run_name {
    uint64_t task_id;
    uint64_t fence;
};

struct outcome {
    struct bytes result;
    const char *content_type;
    const char *message;
    const char *error_type; /* what kind of failure; "" = none is named */
    int32_t exit_status;    /* -1 where there was no process */
    int32_t signal;
    uint64_t fence;
    struct usage usage; /* of the whole run; not kept with the others */
};

/* What a peer has seen of a store, on this connection or an earlier one. */
struct seen_store {
    const char *store_id; /* NULL or "" = of none */
    uint64_t revision;    /* the latest */
};

struct profile {
    const char *agent_type;
    uint32_t max;
    uint32_t running;
    bool available;
    const char *problem;
};

struct command_submit {
    const struct task_spec *specs;
    size_t spec_count;
    bool atomic;
    struct bytes session;
    uint64_t sequence;
    uint64_t acked_below;
    bool store_is_nearly_full; /* what only adds is refused */
};

struct command_get {
    uint64_t task_id;
    bool with_payload;
};

struct command_history {
    uint64_t task_id;
    uint32_t page_size;
    uint64_t page_token;
};

struct command_note {
    enum event_kind kind;
    const char *subject;
    const char *why;
};

/* Which tasks are meant. Zero and empty mean all. */
struct task_filter {
    const char *namespace;
    const char *queue;
    const char *agent_type;
    uint32_t states; /* one bit each */
    const struct label *labels;
    size_t label_count;
    uint64_t min_task_id;
    uint64_t max_task_id;
    uint64_t parent_id;
    uint64_t ended_before_ms; /* Unix time */
};

struct command_list {
    struct task_filter filter;
    bool newest_first;
    uint32_t page_size;
    uint64_t page_token;
};

struct command_cancel {
    uint64_t task_id;
    const char *reason;
    bool cascade; /* its children as well, and theirs */
};

struct command_retry {
    uint64_t task_id;
    bool force;
};

struct command_register {
    const char *agent_id;
    uint64_t incarnation;
    const char *host;
    uint64_t pid;
    const char *version;
    uint32_t slots;
    const struct profile *profiles;
    size_t profile_count;
    const struct run_name *held;
    size_t held_count;
    bool all_gone; /* no process of any other run lives */
    struct seen_store seen;
};

struct command_claim {
    const char *namespace;
    const char *const *queues;
    size_t queue_count;
    const char *agent_type;
    const char *agent_id;
    uint64_t incarnation;
    uint64_t claim_seq;
    uint32_t max;
    bool waits; /* park it when nothing is ready */
    bool start;
    bool supervised; /* the claimer can confirm that no process of a run is left */
    struct seen_store seen;
};

struct command_start {
    struct run_name run;
    const char *agent_id;
};

struct beat {
    struct run_name run;
    uint32_t progress_percent;
    const char *progress_text;
    struct bytes checkpoint; /* empty = unchanged */
    struct usage usage;      /* of the whole run */
};

struct command_heartbeat {
    const char *agent_id;
    uint64_t incarnation;
    const struct beat *beats;
    size_t beat_count;
    struct seen_store seen;
};

struct command_complete {
    struct run_name run;
    struct outcome outcome;
};

enum failure { FAILURE_OF_ATTEMPT = 1, FAILURE_BY_CRASH = 2, FAILURE_BY_TIMEOUT = 3 };

struct command_fail {
    struct run_name run;
    enum failure failure;
    bool final;
    uint32_t retry_after_ms;
    struct outcome outcome;
};

struct command_release {
    struct run_name run;
    const char *reason;
    uint32_t delay_ms;
    struct usage usage;
};

/* What is not said stays as it is. */
struct command_set_budget {
    uint64_t task_id;
    bool has_micro_dollars;
    uint64_t micro_dollars; /* 0 = no bound, as the following */
    bool has_tokens;
    uint64_t tokens;
    enum breach_policy on_breach; /* 0 = not said */
};

/* What is not said stays as it is. */
struct command_set_limit {
    const char *name;
    bool remove; /* what was set, and the pause; tasks may name it still */
    bool has_max_running;
    uint32_t max_running; /* 0 = no bound */
    bool has_rate;
    uint32_t rate_count; /* 0 = no bound */
    uint32_t rate_interval_ms;
    bool has_pause;
    uint64_t paused_until_ms; /* Unix time; 0 with pause_for_ms 0 resumes */
    uint64_t pause_for_ms;
    const char *reason;
};

struct command_list_limits {
    const char *prefix; /* of their names */
};

struct command_pause_limit {
    struct run_name run;
    const char *limit;
    uint64_t until_ms; /* Unix time */
    uint64_t for_ms;
    const char *reason;
};

/* What the tasks of a queue get when their submitters do not say; 0 = what all get. */
struct queue_defaults {
    uint32_t priority;
    uint32_t max_attempts;
    uint64_t run_timeout_ms;
    uint64_t retention_ms;
    uint32_t backoff_ms;
    uint32_t backoff_max_ms;
};

struct command_pause_queue {
    const char *namespace;
    const char *queue;
    bool in;  /* neither = both */
    bool out; /* likewise */
    bool resumes;
    const char *reason;
};

/* What is not said stays as it is. */
struct command_set_queue {
    const char *namespace;
    const char *queue;
    bool has_length_max;
    uint64_t length_max; /* 0 = no bound */
    bool has_defaults;
    struct queue_defaults defaults;
};

struct command_move {
    const uint64_t *task_ids;
    size_t task_count;
    const char *queue; /* of their own namespace */
    const char *reason;
};

struct command_drain {
    const char *agent_id;
    bool ends;
    bool kills; /* also what they hold is ended */
    const char *reason;
};

struct command_raise_epoch {
    const char *store_id; /* of the store that is meant */
    uint32_t epoch;       /* its present one */
};

/* How a run ended. The numbers are kept in orphans. */
enum exit_kind {
    EXIT_COMPLETED = 1,
    EXIT_FAILED = 2,  /* the attempt */
    EXIT_CRASHED = 3, /* the agent died without saying anything */
    EXIT_TIMED_OUT = 4,
    EXIT_RELEASED = 5, /* given back, charged to nobody */
    EXIT_CANCELED = 6, /* ended because its holder was asked to */
    EXIT_LOST = 7,     /* killed, for its lease was lost; or there is nothing of it */
    EXIT_KINDS,
};

struct command_report_exit {
    struct run_name run;
    enum exit_kind how;
    bool final;             /* of a failure: no further attempt would help */
    uint32_t delay_ms;      /* before it is tried again, at least */
    bool streams_pending;   /* its output is not all in the context store yet */
    struct outcome outcome; /* its message is the reason of a release */
};

struct command_finish {
    struct run_name run;
    bool output_incomplete;
};

struct command_suspend {
    struct run_name run;
    const char *reason;
    struct bytes checkpoint; /* empty = unchanged */
    struct usage usage;
};

struct command_ask_suspend {
    uint64_t task_id;
    const char *reason;
};

/* New values for some of what its submitter said. */
struct command_update {
    uint64_t task_id;
    uint64_t expected_revision; /* 0 = whichever it has */
    const char *const *fields;  /* names of those that are given, as in the protocol */
    size_t field_count;
    struct task_spec spec; /* the others are not looked at */
};

struct command_resume {
    uint64_t task_id;
    struct bytes answer;
};

struct command_why {
    uint64_t task_id;
};

struct command_list_orphans {
    uint64_t task_id; /* 0 = all */
    uint32_t page_size;
    uint64_t page_token;
};

struct command_adopt {
    uint64_t task_id;
    uint64_t fence; /* 0 = the latest that has completed */
};

struct command_queue_stats {
    const char *namespace;
};

/* What is done to many tasks. The numbers are those of the protocol's JobKind, kept in records. */
enum job_kind {
    JOB_RELEASE = 1, /* tells those that wait for an ended task */
    JOB_CASCADE = 2, /* cancels the descendants of a task */
    JOB_CANCEL = 3,
    JOB_RETRY = 4,
    JOB_PURGE = 5,  /* removes ended tasks */
    JOB_BUDGET = 6, /* resumes what a budget has kept back */
    JOB_KINDS,
};

struct job_order {
    enum job_kind kind;
    struct task_filter filter;
    uint64_t root_id; /* of a cascade; whose budget it is */
    const char *reason;
    bool force; /* retries COMPLETED ones too */
};

struct command_start_job {
    struct job_order order;
};

struct command_preview_job {
    struct job_order order;
    uint64_t page_token;
};

struct command_list_jobs {
    uint64_t job_id; /* this one alone; 0 = all */
};

struct command_cancel_job {
    uint64_t job_id;
};

enum command_kind {
    COMMAND_SUBMIT,
    COMMAND_GET,
    COMMAND_LIST,
    COMMAND_CANCEL,
    COMMAND_RETRY,
    COMMAND_REGISTER,
    COMMAND_CLAIM,
    COMMAND_UNPARK, /* the parked claim with this token has waited enough: it is answered with nothing */
    COMMAND_FORGET, /* the parked claim with this token has nobody who waits for it: it is dropped without an answer */
    COMMAND_START,
    COMMAND_HEARTBEAT,
    COMMAND_COMPLETE,
    COMMAND_FAIL,
    COMMAND_RELEASE,
    COMMAND_REPORT_EXIT,
    COMMAND_FINISH,
    COMMAND_LIST_ORPHANS,
    COMMAND_ADOPT,
    COMMAND_SUSPEND,     /* by the holder */
    COMMAND_ASK_SUSPEND, /* by somebody else */
    COMMAND_RESUME,
    COMMAND_UPDATE,
    COMMAND_QUEUE_STATS,
    COMMAND_LIST_AGENTS,
    COMMAND_HISTORY,
    COMMAND_SET_LIMIT,
    COMMAND_LIST_LIMITS,
    COMMAND_PAUSE_LIMIT,
    COMMAND_WHY,
    COMMAND_RAISE_EPOCH,
    COMMAND_PAUSE_QUEUE,
    COMMAND_SET_QUEUE,
    COMMAND_NOTE, /* an event of an act that the shell has done; has no answer */
    COMMAND_DRAIN,
    COMMAND_MOVE,
    COMMAND_START_JOB,
    COMMAND_PREVIEW_JOB,
    COMMAND_SET_BUDGET,
    COMMAND_LIST_JOBS,
    COMMAND_CANCEL_JOB,
    COMMAND_KINDS,
};

struct command {
    enum command_kind kind;
    uint64_t token;
    const char *who; /* asks, for events: a user; NULL = the broker itself. Words of runs are their agents' */
    union {
        struct command_submit submit;
        struct command_get get;
        struct command_list list;
        struct command_cancel cancel;
        struct command_retry retry;
        struct command_register registration;
        struct command_claim claim;
        struct command_start start;
        struct command_heartbeat heartbeat;
        struct command_complete complete;
        struct command_fail fail;
        struct command_release release;
        struct command_report_exit report_exit;
        struct command_finish finish;
        struct command_list_orphans list_orphans;
        struct command_adopt adopt;
        struct command_suspend suspend;
        struct command_ask_suspend ask_suspend;
        struct command_resume resume;
        struct command_update update;
        struct command_start_job start_job;
        struct command_preview_job preview_job;
        struct command_list_jobs list_jobs;
        struct command_cancel_job cancel_job;
        struct command_queue_stats queue_stats;
        struct command_history history;
        struct command_note note;
        struct command_set_limit set_limit;
        struct command_list_limits list_limits;
        struct command_pause_limit pause_limit;
        struct command_why why;
        struct command_raise_epoch raise_epoch;
        struct command_pause_queue pause_queue;
        struct command_set_queue set_queue;
        struct command_drain drain;
        struct command_move move;
        struct command_set_budget set_budget;
    };
};
