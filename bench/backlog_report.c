/* Every figure is a row here. It is the median over the rounds, or the most that any of them had; a ratio is the median
 * of the rounds' own ratios, so that what else the machine did then is in both sides. */
#include "bench/backlog.h"
#include "bench/sample.h"

#include <jansson.h>
#include <stdio.h>

#define MIB (1024.0 * 1024.0)

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

static double call_p50_of(const struct backlog_round *round, int row, int side)
{
    return round->calls[row][side].p50_us;
}

static double call_p99_of(const struct backlog_round *round, int row, int side)
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

static double claim_p50_of(const struct backlog_round *round, int row, int side)
{
    (void)row;
    return round->crowd.claims[side].p50_us;
}

static double claim_p99_of(const struct backlog_round *round, int row, int side)
{
    (void)row;
    return round->crowd.claims[side].p99_us;
}

static double claim_cpu_of(const struct backlog_round *round, int row, int side)
{
    (void)row;
    return round->crowd.claim_broker_us[side];
}

static double pause_p50_of(const struct backlog_round *round, int row, int side)
{
    (void)side;
    return round->crowd.calls[row].p50_us;
}

static double pause_most_of(const struct backlog_round *round, int row, int side)
{
    (void)side;
    return round->crowd.calls[row].most_us;
}

static double pause_cpu_of(const struct backlog_round *round, int row, int side)
{
    (void)side;
    return round->crowd.broker_most_us[row];
}

enum figure_kind { OF_BOTH, OF_BOTH_WITH_RATIO, OF_LOADED };

static const struct figure {
    const char *key;
    const char *label;
    number_fn *number;
    int row;
    enum figure_kind kind;
    bool is_most; /* of the rounds, not their median */
} figures[] = {
    {"lives_512", "lives/s, 8 connections x 64", lives_of, BACKLOG_512, OF_BOTH_WITH_RATIO, false},
    {"lives_512_broker_us", "  broker us per life", broker_us_of, BACKLOG_512, OF_BOTH, false},
    {"lives_512_per_commit", "  lives per commit", lives_per_commit_of, BACKLOG_512, OF_BOTH, false},
    {"lives_batched", "lives/s, 8 x 2, batches of 64", lives_of, BACKLOG_BATCHED, OF_BOTH_WITH_RATIO, false},
    {"lives_batched_broker_us", "  broker us per life", broker_us_of, BACKLOG_BATCHED, OF_BOTH, false},
    {"lives_batched_per_commit", "  lives per commit", lives_per_commit_of, BACKLOG_BATCHED, OF_BOTH, false},
    {"status_p50_us", "status, us, p50", call_p50_of, CALL_STATUS, OF_BOTH, false},
    {"status_p99_us", "status, us, p99", call_p99_of, CALL_STATUS, OF_BOTH, false},
    {"queues_p50_us", "queues, us, p50", call_p50_of, CALL_QUEUES, OF_BOTH, false},
    {"queues_p99_us", "queues, us, p99", call_p99_of, CALL_QUEUES, OF_BOTH, false},
    {"heap_mib", "heap of the broker, MiB, most", heap_of, 0, OF_BOTH, true},
    {"start_warm_ms", "start to first reply, warm, ms", start_of, START_WARM, OF_LOADED, false},
    {"start_warm_most_ms", "  most", start_of, START_WARM, OF_LOADED, true},
    {"start_cold_ms", "start to first reply, cold, ms", start_of, START_COLD, OF_LOADED, false},
    {"start_cold_most_ms", "  most", start_of, START_COLD, OF_LOADED, true},
    {"free_claim_p50_us", "claim behind a full limit, us, p50", claim_p50_of, 0, OF_BOTH_WITH_RATIO, false},
    {"free_claim_p99_us", "claim behind a full limit, us, p99", claim_p99_of, 0, OF_BOTH, false},
    {"free_claim_broker_us", "  broker us per claim", claim_cpu_of, 0, OF_BOTH_WITH_RATIO, false},
    {"pause_p50_us", "pause of the limit, us, p50", pause_p50_of, CROWD_PAUSE, OF_LOADED, false},
    {"pause_most_us", "  most", pause_most_of, CROWD_PAUSE, OF_LOADED, true},
    {"pause_broker_most_us", "  most of the broker's CPU", pause_cpu_of, CROWD_PAUSE, OF_LOADED, true},
    {"resume_p50_us", "resume of the limit, us, p50", pause_p50_of, CROWD_RESUME, OF_LOADED, false},
    {"resume_most_us", "  most", pause_most_of, CROWD_RESUME, OF_LOADED, true},
    {"resume_broker_most_us", "  most of the broker's CPU", pause_cpu_of, CROWD_RESUME, OF_LOADED, true},
};
#define FIGURES (sizeof(figures) / sizeof(figures[0]))

static double most_of(const double *values, size_t count)
{
    double most = 0;

    for (size_t i = 0; i < count; i++)
        most = values[i] > most ? values[i] : most;
    return most;
}

static double value_of(const struct backlog_result *result, const struct figure *figure, int side)
{
    double values[ROUNDS_MAX];

    for (size_t i = 0; i < result->round_count; i++)
        values[i] = figure->number(&result->rounds[i], figure->row, side);
    return figure->is_most ? most_of(values, result->round_count) : median_of(values, result->round_count);
}

static double ratio_of(const struct backlog_result *result, const struct figure *figure)
{
    double values[ROUNDS_MAX];

    for (size_t i = 0; i < result->round_count; i++) {
        double empty = figure->number(&result->rounds[i], figure->row, SIDE_EMPTY);
        values[i] = empty > 0 ? figure->number(&result->rounds[i], figure->row, SIDE_LOADED) / empty : 0;
    }
    return median_of(values, result->round_count);
}

static void print_fill(const char *what, const struct backlog_fill *fill, uint64_t tasks)
{
    (void)printf("%s: %.3g million tasks in %.1f s, %.0f tasks/s; the store has %.0f MiB\n", what, (double)tasks / 1e6,
                 fill->seconds, (double)tasks / fill->seconds, (double)fill->look.store_bytes / MIB);
}

static const char *const job_names[CROWD_JOBS] = {[JOB_CANCEL] = "cancel", [JOB_PURGE] = "purge"};

static void print_job(const char *when, const char *name, struct latencies claims)
{
    (void)printf("%-6s %-29s %24.0f /%7.0f /%7.0f", name, when, claims.p50_us, claims.p99_us, claims.most_us);
}

static void print_jobs(const struct backlog_result *result)
{
    (void)printf("\n%-36s %42s %10s %9s\n", "jobs", "claims of another, us, p50 / p99 / most", "tasks/s", "heap MiB");
    for (int job = 0; job < CROWD_JOBS; job++) {
        const struct job_result *own = &result->jobs[job];

        print_job("before", job_names[job], own->claims_before);
        (void)putchar('\n');
        print_job("while it goes on", job_names[job], own->claims);
        (void)printf(" %10.0f %9.1f\n", (double)own->done / own->seconds, (double)own->heap_bytes / MIB);
    }
}

static void print_table(const struct backlog_result *result)
{
    (void)printf("ganger-bench backlog: medians of %zu rounds\n", result->round_count);
    print_fill("backlog", &result->fill, result->tasks);
    print_fill("behind the full limit", &result->crowd, result->crowd_tasks);
    (void)printf("\n%-36s %12s %12s %8s\n", "", "empty", "loaded", "ratio");
    for (size_t i = 0; i < FIGURES; i++) {
        const struct figure *figure = &figures[i];

        (void)printf("%-36s ", figure->label);
        if (figure->kind == OF_LOADED)
            (void)printf("%12s", "");
        else
            (void)printf("%12.1f", value_of(result, figure, SIDE_EMPTY));
        (void)printf(" %12.1f", value_of(result, figure, SIDE_LOADED));
        if (figure->kind == OF_BOTH_WITH_RATIO)
            (void)printf(" %7.0f%%", 100 * ratio_of(result, figure));
        (void)putchar('\n');
    }
    print_jobs(result);
}

static json_t *json_claims(struct latencies claims)
{
    return json_pack("{s:f, s:f, s:f}", "p50_us", claims.p50_us, "p99_us", claims.p99_us, "most_us", claims.most_us);
}

static json_t *json_job(const struct job_result *job)
{
    return json_pack("{s:I, s:f, s:o, s:o, s:f}", "tasks", (json_int_t)job->done, "seconds", job->seconds,
                     "claims_before", json_claims(job->claims_before), "claims", json_claims(job->claims), "heap_mib",
                     (double)job->heap_bytes / MIB);
}

static json_t *json_fill(const struct backlog_fill *fill, uint64_t tasks)
{
    return json_pack("{s:I, s:f, s:I}", "tasks", (json_int_t)tasks, "seconds", fill->seconds, "store_bytes",
                     (json_int_t)fill->look.store_bytes);
}

static void print_json(const struct backlog_result *result)
{
    json_t *all = json_pack("{s:I, s:o, s:o}", "rounds", (json_int_t)result->round_count, "backlog",
                            json_fill(&result->fill, result->tasks), "behind_limit",
                            json_fill(&result->crowd, result->crowd_tasks));

    for (size_t i = 0; i < FIGURES; i++) {
        const struct figure *figure = &figures[i];
        json_t *object = json_pack("{s:f}", "loaded", value_of(result, figure, SIDE_LOADED));

        if (figure->kind != OF_LOADED)
            (void)json_object_set_new(object, "empty", json_real(value_of(result, figure, SIDE_EMPTY)));
        if (figure->kind == OF_BOTH_WITH_RATIO)
            (void)json_object_set_new(object, "ratio", json_real(ratio_of(result, figure)));
        (void)json_object_set_new(all, figure->key, object);
    }
    for (int job = 0; job < CROWD_JOBS; job++)
        (void)json_object_set_new(all, job_names[job], json_job(&result->jobs[job]));
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
