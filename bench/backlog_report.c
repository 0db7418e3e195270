/* Medians over the rounds; ratios are those of one round, so that what else the machine did then is in both sides. */
#include "bench/backlog.h"
#include "bench/sample.h"

#include <jansson.h>
#include <stdio.h>

#define MIB (1024.0 * 1024.0)

static const char *const row_names[BACKLOG_ROWS] = {
    [BACKLOG_512] = "512 in flight (8 connections x 64)",
    [BACKLOG_BATCHED] = "batches of 64 (8 connections x 2)",
};
static const char *const row_keys[BACKLOG_ROWS] = {[BACKLOG_512] = "in_flight_512", [BACKLOG_BATCHED] = "batched"};
static const char *const call_names[BACKLOG_CALLS] = {[CALL_STATUS] = "status", [CALL_QUEUES] = "queues"};
static const char *const side_names[SIDES] = {[SIDE_EMPTY] = "empty", [SIDE_LOADED] = "loaded"};
static const char *const start_names[STARTS] = {[START_WARM] = "warm", [START_COLD] = "cold"};

typedef double number_fn(const struct backlog_round *round, int row, int side);

static double lives_of(const struct backlog_round *round, int row, int side)
{
    return round->lives[row][side].per_second;
}

static double broker_us_of(const struct backlog_round *round, int row, int side)
{
    return round->lives[row][side].broker_us;
}

static double lives_per_commit_of(const struct backlog_round *round, int row, int side)
{
    const struct life_result *lives = &round->lives[row][side];

    return lives->commits_per_second > 0 ? lives->per_second / lives->commits_per_second : 0;
}

static double lives_ratio_of(const struct backlog_round *round, int row, int side)
{
    (void)side;
    return lives_of(round, row, SIDE_LOADED) / lives_of(round, row, SIDE_EMPTY);
}

static double p50_of(const struct backlog_round *round, int row, int side)
{
    return round->calls[row][side].p50_us;
}

static double p99_of(const struct backlog_round *round, int row, int side)
{
    return round->calls[row][side].p99_us;
}

static double heap_of(const struct backlog_round *round, int row, int side)
{
    (void)row;
    return (double)round->heap_bytes[side] / MIB;
}

static double start_of(const struct backlog_round *round, int row, int side)
{
    (void)side;
    return round->start_us[row] / 1000;
}

static double median(const struct backlog_result *result, number_fn *number, int row, int side)
{
    double values[ROUNDS_MAX];

    for (size_t i = 0; i < result->round_count; i++)
        values[i] = number(&result->rounds[i], row, side);
    return median_of(values, result->round_count);
}

static double greatest(const struct backlog_result *result, number_fn *number, int row, int side)
{
    double most = 0;

    for (size_t i = 0; i < result->round_count; i++)
        most = number(&result->rounds[i], row, side) > most ? number(&result->rounds[i], row, side) : most;
    return most;
}

static void print_table(const struct backlog_result *result)
{
    (void)printf("ganger-bench backlog: %.1f million READY tasks, medians of %zu rounds\n"
                 "filled in %.0f s, %.0f tasks/s; the store has %.0f MiB\n\n",
                 (double)result->filled.ready / 1e6, result->round_count, result->fill_seconds,
                 (double)result->tasks / result->fill_seconds, (double)result->filled.store_bytes / MIB);
    (void)printf("%-36s %12s %12s %8s\n", "", "empty", "loaded", "ratio");
    for (int row = 0; row < BACKLOG_ROWS; row++) {
        (void)printf("%-36s %12.0f %12.0f %7.0f%%\n", row_names[row], median(result, lives_of, row, SIDE_EMPTY),
                     median(result, lives_of, row, SIDE_LOADED), 100 * median(result, lives_ratio_of, row, 0));
        (void)printf("%-36s %12.1f %12.1f\n", "  broker us per life", median(result, broker_us_of, row, SIDE_EMPTY),
                     median(result, broker_us_of, row, SIDE_LOADED));
        (void)printf("%-36s %12.1f %12.1f\n", "  lives per commit",
                     median(result, lives_per_commit_of, row, SIDE_EMPTY),
                     median(result, lives_per_commit_of, row, SIDE_LOADED));
    }
    for (int call = 0; call < BACKLOG_CALLS; call++)
        (void)printf("%-6s us, p50 / p99                 %6.0f /%6.0f %5.0f /%6.0f\n", call_names[call],
                     median(result, p50_of, call, SIDE_EMPTY), median(result, p99_of, call, SIDE_EMPTY),
                     median(result, p50_of, call, SIDE_LOADED), median(result, p99_of, call, SIDE_LOADED));
    (void)printf("%-36s %12.1f %12.1f\n", "heap of the broker, at most, MiB", greatest(result, heap_of, 0, SIDE_EMPTY),
                 greatest(result, heap_of, 0, SIDE_LOADED));
    for (int start = 0; start < STARTS; start++)
        (void)printf("start to first reply, %-4s, ms       %12s %12.1f   at most %.1f\n", start_names[start], "",
                     median(result, start_of, start, 0), greatest(result, start_of, start, 0));
}

static json_t *json_row(const struct backlog_result *result, int row)
{
    json_t *object = json_pack("{s:f}", "ratio", median(result, lives_ratio_of, row, 0));

    for (int side = 0; side < SIDES; side++)
        (void)json_object_set_new(object, side_names[side],
                                  json_pack("{s:f, s:f, s:f}", "lives_per_second", median(result, lives_of, row, side),
                                            "broker_us_per_life", median(result, broker_us_of, row, side),
                                            "lives_per_commit", median(result, lives_per_commit_of, row, side)));
    return object;
}

static json_t *json_call(const struct backlog_result *result, int call)
{
    json_t *object = json_object();

    for (int side = 0; side < SIDES; side++)
        (void)json_object_set_new(object, side_names[side],
                                  json_pack("{s:f, s:f}", "p50_us", median(result, p50_of, call, side), "p99_us",
                                            median(result, p99_of, call, side)));
    return object;
}

static void print_json(const struct backlog_result *result)
{
    json_t *all = json_pack("{s:I, s:I, s:I, s:f, s:I}", "rounds", (json_int_t)result->round_count, "tasks",
                            (json_int_t)result->tasks, "ready", (json_int_t)result->filled.ready, "fill_seconds",
                            result->fill_seconds, "store_bytes", (json_int_t)result->filled.store_bytes);

    for (int row = 0; row < BACKLOG_ROWS; row++)
        (void)json_object_set_new(all, row_keys[row], json_row(result, row));
    for (int call = 0; call < BACKLOG_CALLS; call++)
        (void)json_object_set_new(all, call_names[call], json_call(result, call));
    (void)json_object_set_new(all, "heap_mib",
                              json_pack("{s:f, s:f}", "empty", greatest(result, heap_of, 0, SIDE_EMPTY), "loaded",
                                        greatest(result, heap_of, 0, SIDE_LOADED)));
    (void)json_object_set_new(all, "start_ms",
                              json_pack("{s:f, s:f, s:f, s:f}", "warm", median(result, start_of, START_WARM, 0),
                                        "warm_most", greatest(result, start_of, START_WARM, 0), "cold",
                                        median(result, start_of, START_COLD, 0), "cold_most",
                                        greatest(result, start_of, START_COLD, 0)));
    (void)json_dumpf(all, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    json_decref(all);
}

void backlog_report(const struct backlog_result *result, enum report_format format)
{
    if (format == REPORT_JSON)
        print_json(result);
    else
        print_table(result);
}
