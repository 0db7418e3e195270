/* ganger-sim: simulates one seed, or many, and says how fast that went.
 *
 * Ends with 0 when nothing was violated, 1 when something was, 2 when it cannot understand its arguments. */
#include "tests/sim/run.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX 64
#define DEFAULT_EVENTS 5000

struct options {
    uint64_t from;
    uint64_t seeds;
    uint64_t events;
    uint64_t jobs;
    bool traced;
    bool twice;
};

struct totals {
    uint64_t seeds;
    uint64_t events;
    uint64_t tasks;
    uint64_t crashes;
    uint64_t violations;
    uint64_t hash; /* of all traces */
};

static const char usage[] = "usage: ganger-sim [SEED] [OPTIONS]\n"
                            "  SEED          simulate this one; without it, those from --from on\n"
                            "  --seeds N     how many seeds (default 1,000)\n"
                            "  --from SEED   the first of them (default 1)\n"
                            "  --events N    events with faults in each, before the world is healed (default 5,000)\n"
                            "  --jobs N      processes at a time (default: one for each core)\n"
                            "  --trace       print what happens\n"
                            "  --twice       simulate each seed twice: both must have the same trace\n";

/* The sanitizers', where there are any. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

/* For a process that dies of its own check or of a sanitizer: which seed it was. */
static void tell_death(void)
{
    // NOLINTBEGIN(bugprone-signal-handler): the process is lost in any case
    char text[128];
    int size =
        snprintf(text, sizeof text, "seed %" PRIu64 " died at event %" PRIu64 "; replay: ./dev sim %" PRIu64 "\n",
                 run_seed, *run_event(), run_seed);

    (void)!write(STDERR_FILENO, text, (size_t)size);
    // NOLINTEND(bugprone-signal-handler)
}

static void tell_abort(int signal_number)
{
    tell_death();
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
}

static void tell_violation(const struct options *options, uint64_t seed, const struct run_result *result)
{
    char events[48] = "";

    if (options->events != DEFAULT_EVENTS)
        (void)snprintf(events, sizeof events, " --events %" PRIu64, options->events);
    printf("seed %" PRIu64 ", event %" PRIu64 ": %s\n  replay: ./dev sim %" PRIu64 "%s --trace\n", seed,
           result->failed_at, result->violation, seed, events);
    (void)fflush(stdout);
}

static bool simulate(const struct options *options, uint64_t seed, struct totals *totals)
{
    struct run_options run = {.seed = seed, .events = options->events, .traced = options->traced};
    struct run_result result = run_seed_through(&run);

    totals->seeds++;
    totals->events += result.events;
    totals->tasks += result.tasks;
    totals->crashes += result.crashes;
    totals->hash ^= result.hash;
    if (!result.failed && options->twice) {
        uint64_t hash = result.hash;
        result = run_seed_through(&run);
        if (result.hash != hash) {
            result.failed = true;
            (void)snprintf(result.violation, sizeof result.violation,
                           "two runs of one seed differ: trace %016" PRIx64 " and %016" PRIx64, hash, result.hash);
        }
    }
    if (!result.failed)
        return true;
    totals->violations++;
    tell_violation(options, seed, &result);
    return false;
}

/* Every seed whose turn it is for this job, up to the first violation. */
static struct totals simulate_share(const struct options *options, uint64_t job)
{
    struct totals totals = {0};

    for (uint64_t i = job; i < options->seeds; i += options->jobs)
        if (!simulate(options, options->from + i, &totals))
            break;
    return totals;
}

static pid_t start_job(const struct options *options, uint64_t job, int output)
{
    (void)fflush(NULL);
    pid_t child = fork();
    if (child != 0)
        return child;
    struct totals totals = simulate_share(options, job);
    bool good = totals.violations == 0;
    totals.violations = 0; /* the exit status tells */
    _exit(write(output, &totals, sizeof totals) == (ssize_t)sizeof totals && good ? 0 : 1);
}

static void add(struct totals *sum, const struct totals *part)
{
    sum->seeds += part->seeds;
    sum->events += part->events;
    sum->tasks += part->tasks;
    sum->crashes += part->crashes;
    sum->violations += part->violations;
    sum->hash ^= part->hash;
}

/* A job that dies counts as a violation: it has said which seed it was. */
static struct totals simulate_all(const struct options *options)
{
    struct totals sum = {0};
    int output[2] = {-1, -1};

    if (options->jobs == 1)
        return simulate_share(options, 0);
    if (pipe(output) != 0)
        return (struct totals){.violations = 1};
    for (uint64_t job = 0; job < options->jobs; job++)
        sum.violations += start_job(options, job, output[1]) < 0;
    (void)close(output[1]);
    int status = 0;
    while (wait(&status) > 0)
        sum.violations += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    struct totals part;
    while (read(output[0], &part, sizeof part) == (ssize_t)sizeof part)
        add(&sum, &part);
    (void)close(output[0]);
    return sum;
}

static bool parse_number(const char *text, uint64_t *ret_number)
{
    char *end = NULL;

    errno = 0;
    *ret_number = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

static bool parse(int count, char **arguments, struct options *options)
{
    static const struct option names[] = {
        {"seeds", required_argument, NULL, 's'},
        {"from", required_argument, NULL, 'f'},
        {"events", required_argument, NULL, 'e'},
        {"jobs", required_argument, NULL, 'j'},
        {"trace", no_argument, NULL, 't'},
        {"twice", no_argument, NULL, '2'},
        {NULL, 0, NULL, 0},
    };
    bool good = true;

    for (int name; (name = getopt_long(count, arguments, "", names, NULL)) != -1;) {
        if (name == 's')
            good = good && parse_number(optarg, &options->seeds);
        else if (name == 'f')
            good = good && parse_number(optarg, &options->from);
        else if (name == 'e')
            good = good && parse_number(optarg, &options->events);
        else if (name == 'j')
            good = good && parse_number(optarg, &options->jobs) && options->jobs > 0 && options->jobs <= JOBS_MAX;
        else if (name == 't')
            options->traced = true;
        else if (name == '2')
            options->twice = true;
        else
            good = false;
    }
    if (good && optind < count) {
        good = parse_number(arguments[optind++], &options->from);
        options->seeds = 1;
    }
    if (options->seeds == 1)
        options->jobs = 1;
    return good && optind == count;
}

static double seconds_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argument_count, char **arguments)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct options options = {.from = 1,
                              .seeds = 1000,
                              .events = DEFAULT_EVENTS,
                              .jobs = cores > 0 && cores < JOBS_MAX ? (uint64_t)cores : 1};

    if (!parse(argument_count, arguments, &options)) {
        (void)fputs(usage, stderr);
        return 2;
    }
    (void)signal(SIGABRT, tell_abort);
    (void)signal(SIGFPE, tell_abort);
    if (__sanitizer_set_death_callback == NULL)
        (void)signal(SIGSEGV, tell_abort);
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(tell_death);
    double begin = seconds_now();
    struct totals totals = simulate_all(&options);
    double took = seconds_now() - begin;
    printf("%" PRIu64 " seeds, %" PRIu64 " events, %" PRIu64 " tasks, %" PRIu64 " crashes of the broker in %.1f s: "
           "%.0f seeds/s, %.0f events/s\ntrace %016" PRIx64 "; %s\n",
           totals.seeds, totals.events, totals.tasks, totals.crashes, took, (double)totals.seeds / took,
           (double)totals.events / took, totals.hash,
           totals.violations == 0 ? "nothing was violated" : "something was violated");
    return totals.violations == 0 ? 0 : 1;
}
