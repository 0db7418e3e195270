/* What the parts of ganger-bench share: what is measured, and where the numbers go.
 *
 * A round measures every row once, in a process of its own against fresh daemons; the report shows medians over the
 * rounds. Results live in memory that the processes share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ROUNDS_MAX 25
#define PAYLOAD_BYTES 200

/* Microseconds. */
struct latencies {
    double p50_us;
    double p99_us;
    double most_us;
};

enum limit { LIMIT_SYNC, LIMIT_ECHO_1, LIMIT_ECHO_64, LIMIT_ECHO_512, LIMITS };

enum life_row { LIFE_1, LIFE_64_CONNECTIONS, LIFE_64, LIFE_512, LIFE_BATCHED, LIFE_ALL_BATCHED, LIFE_ROWS };

enum life_step { STEP_SUBMIT, STEP_CLAIM, STEP_COMPLETE, LIFE_STEPS };

enum context_row { CONTEXT_PUT_1, CONTEXT_PUT_64, CONTEXT_GET_64, CONTEXT_APPEND, CONTEXT_ROWS };

struct limit_result {
    double per_second;
    struct latencies latency;
};

struct life_result {
    double per_second;
    struct latencies latency[LIFE_STEPS];
    double broker_us; /* CPU per life, both sides of the kernel */
    double client_us;
    double commits_per_second;
};

struct context_result {
    double per_second; /* calls; for CONTEXT_APPEND bytes */
    struct latencies latency;
    double store_us; /* CPU of the context store per call */
};

struct round_result {
    struct limit_result limits[LIMITS];
    struct life_result lives[LIFE_ROWS];
    struct latencies wake; /* from the submit's sending to the parked claim's reply */
    struct context_result context[CONTEXT_ROWS];
    bool has_context;
    bool failed;
};

struct bench {
    const char *directory; /* of the round: stores, sockets */
    char broker_endpoint[512];
    char context_endpoint[512];
    pid_t broker;
    pid_t contextd; /* 0 = there is none */
    double seconds; /* that each row is measured */
    struct round_result *result;
};

/* The parts. Each returns false, having said why on stderr, when it could not measure. */
bool measure_sync(struct bench *bench);
bool measure_echo(struct bench *bench);
bool measure_lives(struct bench *bench);
bool measure_wake(struct bench *bench);
bool measure_context(struct bench *bench);

/* A broker that lives are measured with. */
struct life_target {
    const char *endpoint;
    pid_t broker;
    double seconds;
};
/* One row, without the others. */
bool measure_life(const struct life_target *target, enum life_row row, struct life_result *ret_result);

/* How many connections and slots the row has, and how many tasks a slot has under way. */
struct life_shape {
    const char *name;
    uint32_t connections;
    uint32_t slots; /* per connection */
    uint32_t batch;
    bool completes_together; /* with one request for what a claim gave */
};
extern const struct life_shape life_shapes[LIFE_ROWS];

enum report_format { REPORT_TABLE, REPORT_JSON };
void report(const struct round_result *rounds, size_t count, double seconds, enum report_format format);
