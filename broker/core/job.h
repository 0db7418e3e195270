/* Jobs: what affects more tasks than one transaction may change.
 *
 * A job is a record in the store: what is to be done, to which tasks, and how far it is. Its first slice is worked off
 * by the command that begins it, as far as the batch's bound allows; then every batch works off one slice of one open
 * job, in turn, so that nobody waits for more than a slice. An open job goes on after a restart. Those that are over
 * are kept for people to see, the last JOBS_KEPT of them. */
#pragma once

#include "broker/core/command.h"
#include "broker/core/keys.h"
#include "common/base/bytes.h"
#include "common/base/status.h"

#include <stdbool.h>

#define JOBS_OPEN_MAX 64
#define JOBS_KEPT 256

/* Work is counted in units of about a microsecond. */
#define WORK_OF_LOOK 1     /* at a task */
#define WORK_OF_CHANGE 10  /* of a task, with its indexes */
#define WORK_AT_ONCE 10000 /* by the commands of a batch beyond their own task: a thousand changes */
#define WORK_OF_SLICE 2000

struct broker;
struct step;
struct arena;

enum job_state {
    JOB_OPEN = 1,
    JOB_DONE = 2,
    JOB_STOPPED = 3,
};

struct job {
    uint64_t id;
    struct job_order order;
    enum job_state state;
    bool stopping;   /* its walk is being taken out of the store */
    uint64_t cursor; /* what was looked at last: a task, or a child of the first one on its walk */
    uint64_t looked_at;
    uint64_t matched;
    uint64_t done;
    const char *who;
    uint64_t began_ms; /* Unix time, as the following */
    uint64_t ended_ms;
};

/* The open ones. */
struct jobs {
    uint64_t open[JOBS_OPEN_MAX + 1]; /* the release comes on top */
    size_t count;
    size_t turn;
    uint64_t release_id; /* 0 = none is open */
};

struct bytes record_of_job(struct buffer *buffer, const struct job *job);
/* Texts are borrowed from value, the labels are in arena. */
bool record_read_job(struct bytes value, uint64_t id, struct arena *arena, struct job *ret_job);

/* At the opening. A damaged one is left out: it does not go on. */
enum status jobs_load(struct broker *broker, struct store_txn *txn) NODISCARD;
/* One slice of one open job. */
enum status jobs_tick(struct step *step) NODISCARD;
/* What every step ends with: those that wait for a task that has ended are told, by a job if they are many. */
enum status jobs_release(struct step *step) NODISCARD;

/* RESOURCE_EXHAUSTED/TOO_MANY_JOBS. */
enum status jobs_check_room(struct step *step) NODISCARD;
/* Begins one and works off its first slice. Texts of the order are borrowed. There must be room. */
enum status job_begin(struct step *step, const struct job_order *order, struct job *ret_job) NODISCARD;

/* Works on it until it is over or the work is used up, which is taken off. */
enum status job_work(struct step *step, struct job *job, uint32_t *work, bool *ret_is_over) NODISCARD;
/* What the order leaves open is set as it is meant, or it is refused: INVALID_ARGUMENT/BAD_FIELD. */
enum status job_complete_order(struct step *step, struct job_order *order) NODISCARD;
