/* Medians over the rounds, as a table for people or as JSON for programs. */
#include "bench/sample.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const limit_names[LIMITS] = {
    [LIMIT_SYNC] = "append of 4 KiB + fdatasync",
    [LIMIT_ECHO_1] = "ZeroMQ echo, 1 in flight",
    [LIMIT_ECHO_64] = "ZeroMQ echo, 64 in flight (1 connection)",
    [LIMIT_ECHO_512] = "ZeroMQ echo, 512 in flight (8 connections)",
};

static const char *const step_names[LIFE_STEPS] = {
    [STEP_SUBMIT] = "submit", [STEP_CLAIM] = "claim", [STEP_COMPLETE] = "complete"};

static const char *const context_names[CONTEXT_ROWS] = {
    [CONTEXT_PUT_1] = "put 1 KiB, 1 in flight",
    [CONTEXT_PUT_64] = "put 1 KiB, 64 in flight",
    [CONTEXT_GET_64] = "get 1 KiB, 64 in flight",
    [CONTEXT_APPEND] = "append 256 KiB, one stream (MiB/s)",
};

/* Which echo does the same number of frames in flight. */
static const enum limit echo_of[LIFE_ROWS] = {
    [LIFE_1] = LIMIT_ECHO_1,     [LIFE_64_CONNECTIONS] = LIMIT_ECHO_64, [LIFE_64] = LIMIT_ECHO_64,
    [LIFE_512] = LIMIT_ECHO_512, [LIFE_BATCHED] = LIMIT_ECHO_512,       [LIFE_ALL_BATCHED] = LIMIT_ECHO_512,
};

/* The median of the same number in all rounds: offset is where it is in a round. */
static double median(const struct round_result *rounds, size_t count, size_t offset)
{
    double values[ROUNDS_MAX];

    for (size_t i = 0; i < count; i++)
        memcpy(&values[i], (const char *)&rounds[i] + offset, sizeof(values[i]));
    return median_of(values, count);
}

#define MEDIAN(field) median(rounds, count, offsetof(struct round_result, field))

static struct latencies median_latencies(const struct round_result *rounds, size_t count, size_t offset)
{
    return (struct latencies){.p50_us = median(rounds, count, offset + offsetof(struct latencies, p50_us)),
                              .p99_us = median(rounds, count, offset + offsetof(struct latencies, p99_us))};
}

#define MEDIAN_LATENCIES(field) median_latencies(rounds, count, offsetof(struct round_result, field))

static struct round_result medians_of(const struct round_result *rounds, size_t count)
{
    struct round_result result = rounds[0];

    for (size_t i = 0; i < LIMITS; i++) {
        result.limits[i].per_second = MEDIAN(limits[i].per_second);
        result.limits[i].latency = MEDIAN_LATENCIES(limits[i].latency);
    }
    for (size_t i = 0; i < LIFE_ROWS; i++) {
        result.lives[i].per_second = MEDIAN(lives[i].per_second);
        result.lives[i].broker_us = MEDIAN(lives[i].broker_us);
        result.lives[i].client_us = MEDIAN(lives[i].client_us);
        result.lives[i].commits_per_second = MEDIAN(lives[i].commits_per_second);
        for (size_t j = 0; j < LIFE_STEPS; j++)
            result.lives[i].latency[j] = MEDIAN_LATENCIES(lives[i].latency[j]);
    }
    result.wake = MEDIAN_LATENCIES(wake);
    for (size_t i = 0; i < CONTEXT_ROWS; i++) {
        result.context[i].per_second = MEDIAN(context[i].per_second);
        result.context[i].store_us = MEDIAN(context[i].store_us);
        result.context[i].latency = MEDIAN_LATENCIES(context[i].latency);
    }
    return result;
}

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static void print_lives(const struct round_result *result)
{
    double sync_us = result->limits[LIMIT_SYNC].latency.p50_us;

    (void)printf("\nlives of tasks (submit, claim with start, complete; 200 bytes of payload; every commit synced)\n"
                 "%-30s %9s %17s %17s %17s %9s %9s %9s %8s\n",
                 "in flight", "lives/s", "submit us", "claim us", "complete us", "broker us", "client us", "lives per",
                 "of echo");
    (void)printf("%-30s %9s %17s %17s %17s %9s %9s %9s %8s\n", "", "", "p50 / p99", "p50 / p99", "p50 / p99",
                 "per life", "per life", "commit", "");
    for (size_t i = 0; i < LIFE_ROWS; i++) {
        const struct life_result *row = &result->lives[i];
        double requests = row->per_second * LIFE_STEPS;

        (void)printf("%-30s %9.0f", life_shapes[i].name, row->per_second);
        for (size_t j = 0; j < LIFE_STEPS; j++)
            (void)printf(" %8.0f /%7.0f", row->latency[j].p50_us, row->latency[j].p99_us);
        (void)printf(" %9.1f %9.1f %9.1f", row->broker_us, row->client_us,
                     share(row->per_second, row->commits_per_second));
        if (life_shapes[i].batch > 1)
            (void)printf(" %8s\n", "-");
        else
            (void)printf(" %7.1f%%\n", 100 * share(requests, result->limits[echo_of[i]].per_second));
    }
    (void)printf("%-30s %9s %8.0f /%7.0f\n", "parked claim gets a task", "", result->wake.p50_us, result->wake.p99_us);
    (void)printf("one submit at 1 in flight takes %.1f syncs; a parked claim is woken after %.1f\n",
                 share(result->lives[LIFE_1].latency[STEP_SUBMIT].p50_us, sync_us),
                 share(result->wake.p50_us, sync_us));
}

static void print_table(const struct round_result *result, size_t count, double seconds)
{
    (void)printf("ganger-bench: medians of %zu rounds, %.1f s for each row\n\n", count, seconds);
    (void)printf("%-45s %10s %17s\n%-45s %10s %17s\n", "limits of the machine", "per second", "us", "", "",
                 "p50 / p99");
    for (size_t i = 0; i < LIMITS; i++)
        (void)printf("%-45s %10.0f %8.0f /%7.0f\n", limit_names[i], result->limits[i].per_second,
                     result->limits[i].latency.p50_us, result->limits[i].latency.p99_us);
    if (result->lives[LIFE_1].per_second > 0)
        print_lives(result);
    if (!result->has_context)
        return;
    (void)printf("\n%-45s %10s %17s %10s\n%-45s %10s %17s %10s\n", "context store", "per second", "us", "store us", "",
                 "", "p50 / p99", "per call");
    for (size_t i = 0; i < CONTEXT_ROWS; i++) {
        const struct context_result *row = &result->context[i];

        (void)printf("%-45s %10.0f %8.0f /%7.0f %10.1f\n", context_names[i],
                     i == CONTEXT_APPEND ? row->per_second / (1024 * 1024) : row->per_second, row->latency.p50_us,
                     row->latency.p99_us, row->store_us);
    }
}

static json_t *json_latencies(struct latencies latencies)
{
    return json_pack("{s:f, s:f}", "p50_us", latencies.p50_us, "p99_us", latencies.p99_us);
}

static json_t *json_lives(const struct round_result *result)
{
    json_t *lives = json_array();

    for (size_t i = 0; i < LIFE_ROWS; i++) {
        const struct life_result *row = &result->lives[i];
        const struct life_shape *shape = &life_shapes[i];
        json_t *object =
            json_pack("{s:i, s:i, s:i, s:b, s:f, s:f, s:f, s:f}", "connections", (int)shape->connections, "slots",
                      (int)shape->slots, "batch", (int)shape->batch, "completes_together", shape->completes_together,
                      "lives_per_second", row->per_second, "broker_us_per_life", row->broker_us, "client_us_per_life",
                      row->client_us, "commits_per_second", row->commits_per_second);

        for (size_t j = 0; j < LIFE_STEPS; j++)
            (void)json_object_set_new(object, step_names[j], json_latencies(row->latency[j]));
        (void)json_array_append_new(lives, object);
    }
    return lives;
}

static void print_json(const struct round_result *result, size_t count, double seconds)
{
    json_t *limits = json_array();
    json_t *context = json_array();
    json_t *all = NULL;

    for (size_t i = 0; i < LIMITS; i++)
        (void)json_array_append_new(limits, json_pack("{s:s, s:f, s:o}", "name", limit_names[i], "per_second",
                                                      result->limits[i].per_second, "latency",
                                                      json_latencies(result->limits[i].latency)));
    for (size_t i = 0; i < CONTEXT_ROWS && result->has_context; i++)
        (void)json_array_append_new(context, json_pack("{s:s, s:f, s:f, s:o}", "name", context_names[i],
                                                       i == CONTEXT_APPEND ? "bytes_per_second" : "per_second",
                                                       result->context[i].per_second, "store_us_per_call",
                                                       result->context[i].store_us, "latency",
                                                       json_latencies(result->context[i].latency)));
    all = json_pack("{s:I, s:f, s:o, s:o, s:o, s:o}", "rounds", (json_int_t)count, "seconds", seconds, "limits", limits,
                    "lives", json_lives(result), "wake", json_latencies(result->wake), "context", context);
    (void)json_dumpf(all, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    json_decref(all);
}

void report(const struct round_result *rounds, size_t count, double seconds, enum report_format format)
{
    struct round_result result = medians_of(rounds, count);

    if (format == REPORT_JSON)
        print_json(&result, count, seconds);
    else
        print_table(&result, count, seconds);
}
