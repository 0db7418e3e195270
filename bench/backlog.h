/* ganger-bench backlog: what a broker with millions of READY tasks is slower by than one with none.
 *
 * Both brokers run beside each other on one disk, and are measured in turns: what else the machine does hits both. */
#pragma once

#include "bench/bench.h"

enum side { SIDE_EMPTY, SIDE_LOADED, SIDES };

/* Of the rows of lives, those that are measured here. */
enum backlog_row { BACKLOG_512, BACKLOG_BATCHED, BACKLOG_ROWS };

enum backlog_call { CALL_STATUS, CALL_QUEUES, BACKLOG_CALLS };

/* The claim of a free task, behind a crowd of tasks that a full limit keeps. */
enum crowd_call { CROWD_PAUSE, CROWD_RESUME, CROWD_CALLS };

/* What is done to the whole crowd, one after the other. */
enum crowd_job { JOB_CANCEL, JOB_PURGE, CROWD_JOBS };

enum start { START_WARM, START_COLD, STARTS };

/* What its status says. */
struct backlog_look {
    uint64_t ready;
    uint64_t store_bytes;
};

struct backlog_fill {
    double seconds;
    struct backlog_look look; /* after it */
};

struct crowd_round {
    struct latencies claims[SIDES];      /* one at a time, in turns */
    struct latencies calls[CROWD_CALLS]; /* of the limit's pause and resume */
    double claim_broker_us[SIDES];       /* CPU per claim */
    double broker_most_us[CROWD_CALLS];  /* the most CPU that one of them took */
};

/* A claim at a time by another client, before the job and while it goes on. */
struct job_result {
    uint64_t done; /* tasks */
    double seconds;
    struct latencies claims_before;
    struct latencies claims;
    uint64_t heap_bytes; /* of the broker, at the end */
};

struct backlog_round {
    struct life_result lives[BACKLOG_ROWS][SIDES];
    struct latencies calls[BACKLOG_CALLS][SIDES];
    uint64_t heap_bytes[SIDES];
    double start_us[STARTS]; /* of the loaded one: from the start of the process to its first reply */
    struct backlog_look started[STARTS];
    struct crowd_round crowd;
};

struct backlog_result {
    uint64_t tasks;
    struct backlog_fill fill;
    uint64_t crowd_tasks;
    struct backlog_fill crowd;
    uint64_t crowd_parent_id;
    struct job_result jobs[CROWD_JOBS];
    size_t round_count;
    struct backlog_round rounds[ROUNDS_MAX];
};

struct backlog_options {
    const char *programs;  /* the folder of the daemons */
    const char *directory; /* where the stores are */
    uint64_t tasks;
    size_t rounds;
    double seconds; /* that each row is measured */
    enum report_format format;
};

/* Fills, measures and reports. False, having said why on stderr, when it could not. */
bool backlog(const struct backlog_options *options);

/* The parts, each for a process of its own. */

struct backlog_order {
    const char *endpoint;
    uint64_t tasks;
    char *limit;        /* that they name; NULL = none */
    uint64_t parent_id; /* 0 = none */
};
/* Submits the tasks. */
bool backlog_fill(const struct backlog_order *order, struct backlog_fill *ret_fill);
/* Asks for the status and the queues, one call at a time. */
bool backlog_ask(const char *endpoint, double seconds, struct latencies ret_calls[static BACKLOG_CALLS]);
/* Waits for the first reply of a broker that was started at began_us. */
bool backlog_await(const char *endpoint, uint64_t began_us, double *ret_start_us, struct backlog_look *ret_look);

/* Submits the crowd, all children of one task that nobody claims. */
bool crowd_fill(const char *endpoint, uint64_t tasks, struct backlog_fill *ret_fill, uint64_t *ret_parent_id);
/* The claims of both sides in turns, while the limit is full; then the crowd's pauses, while it is open. */
bool crowd_measure(const struct life_target sides[static SIDES], struct crowd_round *ret_round);

/* Nobody can take a task of the crowd from here on. */
bool crowd_close(const char *endpoint);
bool crowd_run_job(const struct life_target *target, enum crowd_job job, uint64_t parent_id,
                   struct job_result *ret_result);

void backlog_report(const struct backlog_result *result, enum report_format format);
