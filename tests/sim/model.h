/* The model: what the broker must be in, by the plainest means. Tasks are one array in the order of their ids, and
 * every question is answered by looking at all of them. It shares nothing with the core but the names of states and
 * commands.
 *
 * model_tick and model_step are told what the core has just done and answered; they do the same, compare, and report to
 * the world what differs. Everything that they change is kept until the batch is committed, so that a batch that is
 * given up is given up here too. Where the core may choose (a backoff is drawn), the model knows the bounds and takes
 * over what was chosen. */
#pragma once

#include "broker/core/broker.h"
#include "tests/sim/message.h"
#include "tests/sim/world.h"

#define MODEL_AGENTS_MAX 64
#define MODEL_SESSIONS_MAX 128
#define MODEL_SUBMITS_MAX 32 /* open ones of one session */
#define MODEL_LIMITS_MAX 8
#define MODEL_QUEUES_MAX 8
#define MODEL_LINES_MAX 32
#define MODEL_UNIQUES_MAX 8
#define MODEL_KEYS_MAX 4
#define MODEL_DRAINS_MAX 16
#define MODEL_WAITS_MAX (2 * DEPENDENCIES_IN_SPEC)

/* How a run ended: a repeat of that word gets the first answer. */
enum model_end { END_NONE, END_COMPLETED, END_FAILED, END_RELEASED, END_LOST, END_SUSPENDED };

struct model_task {
    uint64_t id;
    enum task_state state; /* TASK_NONE: removed */
    bool canceling;
    bool suspending;
    bool supervised; /* its holder can confirm that it is gone */
    bool reaping;
    bool was_running; /* before the word that ends it now */
    bool finishing;   /* RUNNING, held by nobody: end_state once its output is there */
    const char *idempotency_key;
    const char *fairness_key;
    uint64_t turn;
    uint64_t parent_id;
    enum lost_policy on_lost;
    const char *queue;
    const char *agent_type;
    uint32_t priority;
    uint32_t max_attempts;
    uint32_t backoff_ms;
    uint32_t backoff_max_ms;
    uint64_t run_timeout_ms;
    uint64_t retention_ms;
    uint32_t attempts;
    uint32_t crashes;
    uint32_t interruptions;
    uint32_t deliveries;
    uint64_t fence;
    uint64_t revision;
    const char *agent_id;
    enum model_end end;
    enum task_state end_state;
    bool due_is_wall;         /* the clock of the next two */
    uint64_t due_from_ms;     /* SCHEDULED: READY at a time from here */
    uint64_t due_to_ms;       /* to here; the same once it was seen. Ended: removed then */
    uint64_t lease_from_ms;   /* held: not lost before, as far as its holder can know */
    uint64_t lease_to_ms;     /* lost by then */
    bool has_late_result;     /* a run that was over said that it had completed the task */
    uint64_t reap_from_ms;    /* reaping: not given up before, also when renewals are forgotten */
    uint64_t heard_until_ms;  /* the end of the lease that was told last, whatever its timeouts say */
    uint64_t run_deadline_ms; /* 0 = none */
    uint64_t expires_ms;      /* wall time; 0 = never */
    uint64_t start_timeout_ms;
    uint32_t max_crashes;
    uint32_t max_deliveries;
    const char *const *non_retryable;
    size_t non_retryable_count;
    uint64_t waits_for[MODEL_WAITS_MAX]; /* BLOCKED: whose end it has not heard of */
    size_t wait_count;
    enum dependency_policy on_dependency_failure;
    const char *limits[LIMITS_IN_SPEC];
    size_t limit_count;
};

struct model_submit {
    uint64_t sequence;
    size_t count;
    uint64_t ids[SPECS_IN_REQUEST];
};

struct model_session {
    uint8_t name[16];
    uint64_t acked_below;
    struct model_submit submits[MODEL_SUBMITS_MAX];
    size_t submit_count;
};

/* A claim in waiting; token 0 = none. */
struct model_parked {
    uint64_t token;
    uint64_t arrival;
    const char *agent_id;
    uint64_t claim_seq;
    uint64_t incarnation;
    const char *agent_type;
    const char *queues[QUEUES_IN_REQUEST];
    size_t queue_count;
    uint32_t max;
    bool start;
    bool supervised;
};

struct model_agent {
    const char *id;
    bool registered; /* forgotten at a restart of the broker */
    uint64_t incarnation;
    bool remembered; /* its last claim that got something */
    uint64_t claim_incarnation;
    uint64_t claim_seq;
    struct run_name runs[ITEMS_MAX];
    size_t run_count;
    struct model_parked parked;
};

/* A named limit; what runs is counted when it is asked. */
struct model_limit {
    const char *name;
    bool is_set;
    uint32_t max_running;
    uint32_t rate_count;
    uint32_t rate_interval_ms;
    uint64_t credit; /* of the rate: a run takes rate_interval_ms of it */
    uint64_t credit_ms;
    uint64_t paused_until_ms; /* wall time */
};

/* Where the turns of one queue and priority stand. */
struct model_line {
    const char *queue;
    uint32_t priority;
    uint64_t claimed; /* the turn that was claimed last */
    const char *keys[MODEL_KEYS_MAX];
    uint64_t last[MODEL_KEYS_MAX];
    size_t key_count;
};

/* An idempotency key: which task has it, and since when. */
struct model_key {
    const char *text;
    uint64_t task_id; /* 0 = nobody's yet */
    uint64_t since_ms;
};

struct model_queue {
    const char *name;
    bool paused_in;
    bool paused_out;
    uint64_t length_max;
    struct queue_defaults defaults;
};

/* What a region of the model was before this batch. */
struct model_old {
    void *at;
    size_t size;
    size_t offset; /* in old_bytes */
};

struct model {
    struct world *world;
    struct broker_settings settings;
    struct model_task **tasks; /* by id */
    size_t task_count;
    size_t task_capacity;
    size_t first; /* those before it are removed */
    uint64_t last_id;
    uint64_t last_fence;
    uint64_t last_revision;
    uint64_t opened_ms;
    uint64_t arrivals;
    struct model_session sessions[MODEL_SESSIONS_MAX];
    struct model_agent agents[MODEL_AGENTS_MAX];
    size_t agent_count;
    struct model_limit limits[MODEL_LIMITS_MAX];
    size_t limit_count;
    struct model_queue queues[MODEL_QUEUES_MAX];
    size_t queue_count;
    struct model_key uniques[MODEL_UNIQUES_MAX];
    size_t unique_count;
    struct model_line lines[MODEL_LINES_MAX];
    size_t line_count;
    const char *drains[MODEL_DRAINS_MAX]; /* agents; NULL = free */
    bool kills[MODEL_DRAINS_MAX];
    struct model_task *touched[2048]; /* by this step: compared at its end */
    size_t touched_count;
    struct model_old *olds;
    size_t old_count;
    size_t old_capacity;
    struct buffer old_bytes;
};

/* What the core was asked at which time and what it did. */
struct judgement {
    struct model *model;
    struct broker_time now;
    const struct command *command; /* NULL: a tick */
    const struct answer *own;      /* NULL: none yet */
    const struct effects *effects;
};

struct model *model_new(struct world *world, const struct broker_settings *settings);
struct model *model_free(struct model *model);

/* A life of the broker begins: after its start, or after a batch that was given up. */
void model_opened(struct model *model, uint64_t store_ms);
/* Applies what broker_tick or broker_step just did and compares. Reads the touched rows in the same transaction. */
void model_tick(struct judgement *judgement);
void model_step(struct judgement *judgement);
/* After broker_settle. */
void model_settle(struct model *model);
void model_commit(struct model *model);
void model_abort(struct model *model);

/* NULL when there is none, or none any more. */
struct model_task *model_find(const struct model *model, uint64_t id);
/* Also those that were removed. */
bool model_ever_had(const struct model *model, uint64_t id);
size_t model_live_count(const struct model *model);

/* For the model's own files. */

/* To be called before a region of the model changes. */
void model_keep(struct model *model, void *at, size_t size);
/* The task, to be changed and compared at the end of the step. */
void model_touch(struct model *model, struct model_task *task);
struct model_task *model_add(struct model *model, uint64_t id);
struct model_agent *model_agent(struct model *model, const char *id);
struct model_limit *model_limit(struct model *model, const char *name);
/* Whether all limits of the task let one more run begin. */
bool model_gate_is_open(const struct judgement *judgement, const struct model_task *task);
/* It begins. */
void model_gate_pass(struct judgement *judgement, const struct model_task *task);
void model_limits_tick(struct judgement *judgement);
/* Those who wait for what has ended hear of it, and those who wait for them. */
void model_release_waiting(struct judgement *judgement);
struct model_key *model_unique(struct model *model, const char *text);
/* Whether it holds. Once its task has ended and its window has passed, the broker may have forgotten it, or not yet. */
enum { KEY_IS_FREE, KEY_IS_TAKEN, KEY_IS_ANY };
int model_unique_holds(const struct judgement *judgement, const struct model_key *key);
void model_unique_take(struct judgement *judgement, const char *text, uint64_t task_id);
/* The turn of a task that comes now, and that this one was claimed. */
uint64_t model_turn_give(struct model *model, const char *queue, uint32_t priority, const char *key);
void model_turn_claimed(struct model *model, const struct model_task *task);
void model_turns_settle(struct model *model);
bool model_is_drained(const struct model *model, const char *agent_id);
/* And what it holds is ended: the drain that is nearest to it says so. */
bool model_is_killed(const struct model *model, const char *agent_id);
/* Why this queue does not take one more task; NULL when it does. */
const char *model_queue_refusal(struct model *model, const char *name, uint64_t adding);
/* Whether the core says that it has changed the task. */
bool model_says_changed(const struct effects *effects, uint64_t id);
/* False when there is nothing to cancel. */
bool model_cancel_one(struct judgement *judgement, struct model_task *task);
void model_retry_one(struct judgement *judgement, struct model_task *task);
/* Its key may be another task's by now; where that may be forgotten, the answer tells. */
bool model_may_have_key_again(struct judgement *judgement, const struct model_task *task);
struct model_queue *model_queue(struct model *model, const char *name);
/* The lease begins at now: until when its holder was told, and no later than its timeouts allow. */
void model_renew(struct judgement *judgement, struct model_task *task, uint32_t told_ms);
bool model_is_waiting(const struct model_task *task);
bool model_is_held(const struct model_task *task);
bool model_has_ended(const struct model_task *task);
/* Ends it: the retention begins. */
void model_end_task(struct judgement *judgement, struct model_task *task, enum task_state state);
/* The word of the holder about this run: NULL when the model's task is not in this run any more; then the refusal has
 * been compared already. ret_is_repeat: the run has ended by this very word. */
struct model_task *model_run(struct judgement *judgement, struct run_name run, enum model_end word,
                             bool *ret_is_repeat);
/* A run ends: its lease ran out, or it was given back. */
void model_lose(struct judgement *judgement, struct model_task *task);
void model_release(struct judgement *judgement, struct model_task *task, uint64_t delay_ms);
void model_close_run(struct judgement *judgement, struct model_task *task, enum model_end end);
/* A lost run is over, by this word. */
void model_end_lost(struct judgement *judgement, struct model_task *task, enum model_end word);
/* Given back by its holder. */
void model_give_back(struct judgement *judgement, struct model_task *task, uint64_t delay_ms);
/* After a charged attempt: another one after a backoff, or the end. */
void model_retry_or_fail(struct judgement *judgement, struct model_task *task, bool final, uint64_t least_ms);
/* Whether its submitter wants no further attempt after a failure of this type. */
bool model_is_final(const struct model_task *task, const char *error_type);
/* Whether the answer is a refusal with this reason (NULL: a good one); else reports. */
bool model_expect(struct judgement *judgement, const char *reason);

typedef void model_fn(struct judgement *judgement);
model_fn model_submit;
model_fn model_claim;
model_fn model_unpark;
model_fn model_forget;
model_fn model_register;
model_fn model_start;
model_fn model_heartbeat;
model_fn model_complete;
model_fn model_fail;
model_fn model_release_run;
model_fn model_cancel;
model_fn model_retry;
model_fn model_get;
model_fn model_list;
model_fn model_queue_stats;
model_fn model_history;
model_fn model_why;
model_fn model_set_limit;
model_fn model_list_limits;
model_fn model_pause_limit;
model_fn model_pause_queue;
model_fn model_report_exit;
model_fn model_finish;
model_fn model_suspend;
model_fn model_ask_suspend;
model_fn model_resume;
model_fn model_drain;
model_fn model_adopt;
model_fn model_start_job;
model_fn model_update;
model_fn model_move;
model_fn model_set_queue;
/* After the step itself: answers to claims that waited. */
void model_wake(struct judgement *judgement);
