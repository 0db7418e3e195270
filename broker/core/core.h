/* What the core's files share: the broker's memory, and one command on its way through it. Everything in the broker can
 * be read again from the store, or may be forgotten. */
#pragma once

#include "broker/core/agent.h"
#include "broker/core/broker.h"
#include "broker/core/counters.h"
#include "broker/core/drain.h"
#include "broker/core/effect.h"
#include "broker/core/job.h"
#include "broker/core/lane.h"
#include "broker/core/parked.h"
#include "broker/core/run.h"
#include "broker/core/task.h"
#include "broker/core/trail.h"
#include "common/base/bytes.h"

#define QUEUE_KEY_MAX 160

struct broker {
    struct broker_settings settings;
    struct counters counters;
    uint64_t newest_seen;    /* a revision of this store that a peer has seen and the store has not, 0 = none */
    bool is_dirty;           /* the counters are to be saved */
    uint64_t opened_ms;      /* store time */
    uint64_t leases_from_ms; /* store time: every lease gets a full term from here */
    uint64_t jitter;         /* the state of the generator */
    bool has_releases;       /* tasks have ended for which others wait that have not heard of it */
    uint32_t work_left;      /* that the commands of this batch may do beyond their own tasks */
    struct jobs jobs;
    struct broker_totals totals;
    struct lanes lanes;
    struct agents agents;
    struct drains drains;
    struct parking parking;
    struct runs runs;
    struct trail trail;
    struct buffer scratch; /* for records on their way to the store */
};

/* One command, or one tick. Functions that decide return a status: STATUS_OK, or a refusal with error filled, or (with
 * error not filled) the store's own failure. */
struct step {
    struct broker *broker;
    struct store_txn *txn;
    struct broker_time now;
    struct effects *effects;
    const char *who; /* causes it, for events: who asks, or the agent that speaks; "" = the broker itself */
    struct error error;
};

enum status step_submit(struct step *step, const struct command *command) NODISCARD;
enum status step_get(struct step *step, const struct command *command) NODISCARD;
enum status step_list(struct step *step, const struct command *command) NODISCARD;
enum status step_cancel(struct step *step, const struct command *command) NODISCARD;
enum status step_retry(struct step *step, const struct command *command) NODISCARD;
enum status step_register(struct step *step, const struct command *command) NODISCARD;
enum status step_claim(struct step *step, const struct command *command) NODISCARD;
enum status step_unpark(struct step *step, const struct command *command) NODISCARD;
enum status step_forget(struct step *step, const struct command *command) NODISCARD;
enum status step_start(struct step *step, const struct command *command) NODISCARD;
enum status step_heartbeat(struct step *step, const struct command *command) NODISCARD;
enum status step_complete(struct step *step, const struct command *command) NODISCARD;
enum status step_fail(struct step *step, const struct command *command) NODISCARD;
enum status step_release(struct step *step, const struct command *command) NODISCARD;
enum status step_report_exit(struct step *step, const struct command *command) NODISCARD;
enum status step_finish(struct step *step, const struct command *command) NODISCARD;
enum status step_list_orphans(struct step *step, const struct command *command) NODISCARD;
enum status step_adopt(struct step *step, const struct command *command) NODISCARD;
enum status step_suspend(struct step *step, const struct command *command) NODISCARD;
enum status step_ask_suspend(struct step *step, const struct command *command) NODISCARD;
enum status step_resume(struct step *step, const struct command *command) NODISCARD;
enum status step_update(struct step *step, const struct command *command) NODISCARD;
enum status step_queue_stats(struct step *step, const struct command *command) NODISCARD;
enum status step_note(struct step *step, const struct command *command) NODISCARD;
enum status step_history(struct step *step, const struct command *command) NODISCARD;
enum status step_list_agents(struct step *step, const struct command *command) NODISCARD;
enum status step_set_limit(struct step *step, const struct command *command) NODISCARD;
enum status step_list_limits(struct step *step, const struct command *command) NODISCARD;
enum status step_why(struct step *step, const struct command *command) NODISCARD;
enum status step_pause_limit(struct step *step, const struct command *command) NODISCARD;
enum status step_pause_queue(struct step *step, const struct command *command) NODISCARD;
enum status step_move(struct step *step, const struct command *command) NODISCARD;
enum status step_drain(struct step *step, const struct command *command) NODISCARD;
enum status step_set_queue(struct step *step, const struct command *command) NODISCARD;
enum status step_raise_epoch(struct step *step, const struct command *command) NODISCARD;
enum status step_start_job(struct step *step, const struct command *command) NODISCARD;
enum status step_preview_job(struct step *step, const struct command *command) NODISCARD;
enum status step_set_budget(struct step *step, const struct command *command) NODISCARD;
enum status step_list_jobs(struct step *step, const struct command *command) NODISCARD;
enum status step_cancel_job(struct step *step, const struct command *command) NODISCARD;

/* What the broker tells holders to count with. */
struct terms broker_terms(const struct broker *broker);

/* From the broker's seeded generator: 0 to below bound. */
uint64_t step_random(struct step *step, uint64_t bound);
