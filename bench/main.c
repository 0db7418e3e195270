/* ganger-bench: how fast the daemons are on this machine, beside what the machine allows. Each round starts fresh
 * daemons and measures every row once, in a process of its own; shown are medians over the rounds. */
#include "bench/backlog.h"
#include "bench/bench.h"
#include "bench/daemon.h"
#include "common/base/check.h"
#include "tests/support/process.h"

#include <argp.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_TIMEOUT_MS 10000
#define DEFAULT_DIRECTORY "build/bench"
#define TASKS_MAX 100000000

struct options {
    char programs[4096]; /* the folder of this program and the daemons */
    const char *directory;
    size_t rounds;
    double seconds;
    enum report_format format;
    unsigned parts; /* bits of enum part */
    bool backlog;
    uint64_t tasks;
};

enum part { PART_LIMITS = 1, PART_LIVES = 2, PART_WAKE = 4, PART_CONTEXT = 8, PARTS_ALL = 15 };

static const struct {
    const char *name;
    enum part part;
} part_names[] = {{"limits", PART_LIMITS}, {"lives", PART_LIVES}, {"wake", PART_WAKE}, {"context", PART_CONTEXT}};

enum option_key { KEY_JSON = 256, KEY_DIRECTORY, KEY_PROGRAMS, KEY_ONLY, KEY_TASKS };

static const struct argp_option argp_options[] = {
    {"rounds", 'r', "NUMBER", 0, "how often everything is measured (5, at most 25)", 0},
    {"seconds", 's', "SECONDS", 0, "how long each row is measured in a round (0.7)", 0},
    {"directory", KEY_DIRECTORY, "PATH", 0, "where the stores are; best on the disk that counts (build/bench)", 0},
    {"programs", KEY_PROGRAMS, "PATH", 0, "where the daemons are (beside this program)", 0},
    {"only", KEY_ONLY, "PART", 0, "limits, lives, wake or context; may be given more than once", 0},
    {"json", KEY_JSON, NULL, 0, "for programs", 0},
    {"tasks", KEY_TASKS, "NUMBER", 0, "backlog: how many tasks wait (10,000,000)", 0},
    {0},
};

static enum part part_of_name(const char *name)
{
    for (size_t i = 0; i < sizeof(part_names) / sizeof(part_names[0]); i++) {
        if (strcmp(part_names[i].name, name) == 0)
            return part_names[i].part;
    }
    return PARTS_ALL;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    char *end = NULL;

    switch (key) {
    case 'r':
        options->rounds = strtoul(argument, &end, 10);
        if (*end != '\0' || options->rounds < 1 || options->rounds > ROUNDS_MAX)
            argp_error(state, "1 to %d rounds", ROUNDS_MAX);
        return 0;
    case 's':
        options->seconds = strtod(argument, &end);
        if (*end != '\0' || !(options->seconds >= 0.1 && options->seconds <= 600))
            argp_error(state, "0.1 to 600 seconds");
        return 0;
    case KEY_DIRECTORY:
        options->directory = argument;
        return 0;
    case KEY_PROGRAMS:
        (void)snprintf(options->programs, sizeof(options->programs), "%s", argument);
        return 0;
    case KEY_ONLY:
        if (part_of_name(argument) == PARTS_ALL)
            argp_error(state, "there is no part \"%s\"", argument);
        options->parts |= part_of_name(argument);
        return 0;
    case KEY_JSON:
        options->format = REPORT_JSON;
        return 0;
    case KEY_TASKS:
        options->tasks = strtoull(argument, &end, 10);
        if (*end != '\0' || options->tasks < 1 || options->tasks > TASKS_MAX)
            argp_error(state, "1 to %d tasks", TASKS_MAX);
        return 0;
    case ARGP_KEY_ARG:
        if (strcmp(argument, "backlog") != 0)
            argp_error(state, "there is no measurement \"%s\"", argument);
        options->backlog = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = argp_options,
    .parser = parse_option,
    .args_doc = "[backlog]",
    .doc = "Measures the lives of tasks per second and the latency of each step, and the context store, beside the "
           "machine's sync time and ZeroMQ's echo rate. With \"backlog\": the lives while millions of tasks wait, "
           "beside those of an empty broker; the start, the memory, the status.",
};

/* In a process of its own: this one never has a ZeroMQ context, so that it may fork the daemons. */
static bool measure(struct bench *bench, unsigned parts)
{
    if ((parts & PART_LIMITS) != 0 && !(measure_sync(bench) && measure_echo(bench)))
        return false;
    if ((parts & PART_LIVES) != 0 && !measure_lives(bench))
        return false;
    if ((parts & PART_WAKE) != 0 && !measure_wake(bench))
        return false;
    return (parts & PART_CONTEXT) == 0 || bench->contextd == 0 || measure_context(bench);
}

static bool run_round(const struct options *options, struct round_result *result)
{
    char directory[256];
    struct bench bench = {.directory = directory, .seconds = options->seconds, .result = result};
    int status = -1;
    pid_t pid = -1;

    if (!scratch_make(options->directory, directory, sizeof(directory))) {
        (void)fprintf(stderr, "ganger-bench: %s: %s\n", options->directory, strerror(errno));
        return false;
    }
    (void)snprintf(bench.broker_endpoint, sizeof(bench.broker_endpoint), "ipc://%s/broker.sock", directory);
    (void)snprintf(bench.context_endpoint, sizeof(bench.context_endpoint), "ipc://%s/context.sock", directory);
    bench.broker = daemon_start(options->programs, directory, "ganger-broker", "broker", bench.broker_endpoint);
    bench.contextd = daemon_start(options->programs, directory, "ganger-contextd", "context", bench.context_endpoint);
    if (bench.broker <= 0 && (options->parts & (PART_LIVES | PART_WAKE)) != 0) {
        (void)fprintf(stderr, "ganger-bench: there is no %s/ganger-broker: build it first\n", options->programs);
        return false;
    }
    pid = fork();
    if (pid == 0)
        _exit(measure(&bench, options->parts) ? 0 : 1);
    if (pid > 0)
        (void)waitpid(pid, &status, 0);
    if (bench.broker > 0)
        (void)process_stop(bench.broker, STOP_TIMEOUT_MS);
    if (bench.contextd > 0)
        (void)process_stop(bench.contextd, STOP_TIMEOUT_MS);
    if (status != 0)
        (void)fprintf(stderr, "ganger-bench: see the logs in %s\n", directory);
    else
        scratch_remove(directory);
    return status == 0;
}

static bool run_rounds(const struct options *options)
{
    size_t size = ROUNDS_MAX * sizeof(struct round_result);
    struct round_result *rounds = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    CHECK(rounds != MAP_FAILED);
    for (size_t i = 0; i < options->rounds; i++) {
        if (isatty(STDERR_FILENO))
            (void)fprintf(stderr, "\rround %zu of %zu ", i + 1, options->rounds);
        if (!run_round(options, &rounds[i]))
            return false;
    }
    if (isatty(STDERR_FILENO))
        (void)fputs("\r\033[K", stderr);
    report(rounds, options->rounds, options->seconds, options->format);
    return true;
}

static bool run_backlog(const struct options *options)
{
    return backlog(&(struct backlog_options){.programs = options->programs,
                                             .directory = options->directory,
                                             .tasks = options->tasks,
                                             .rounds = options->rounds,
                                             .seconds = options->seconds,
                                             .format = options->format});
}

int main(int argc, char **argv)
{
    struct options options = {.directory = DEFAULT_DIRECTORY, .rounds = 5, .seconds = 0.7, .tasks = 10000000};
    char self[4096] = {0};

    CHECK(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    (void)snprintf(options.programs, sizeof(options.programs), "%s", dirname(self));
    (void)argp_parse(&argp, argc, argv, 0, NULL, &options);
    options.parts = options.parts != 0 ? options.parts : PARTS_ALL;
    if (strcmp(options.directory, DEFAULT_DIRECTORY) == 0)
        (void)mkdir("build", 0777);
    (void)mkdir(options.directory, 0777);
    return (options.backlog ? run_backlog(&options) : run_rounds(&options)) ? 0 : 1;
}
