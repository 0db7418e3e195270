/* ganger-torture: many processes claim and complete while the broker is killed again and again, and then a checker
 * reads what everybody saw. Exit status: 0 all promises kept, 1 a violation or no end in time, 2 usage. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "tests/history/replay.h"
#include "tests/support/process.h"
#include "tests/torture/checker.h"
#include "tests/torture/fleet.h"

#include <argp.h>
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES_MAX 64
#define TURN_NS 5000000L
#define STOP_TIMEOUT_MS 20000
#define STALL_MS 5000
#define READ_TIMEOUT_MS 60000

struct options {
    const char *broker;
    const char *directory;
    uint64_t seed;
    uint32_t works;
    uint32_t processes;
    uint32_t threads;
    uint32_t kill_ms;
    uint32_t lease_ms;
    uint32_t work_ms;
    uint32_t limit_s;
    bool keep;
};

/* The process that holds all others. It has no threads and no ZeroMQ, so it may fork at any time. */
struct torture {
    struct options options;
    struct fleet fleet;
    char configuration[300]; /* the broker's */
    pid_t broker;
    pid_t submitters;
    pid_t operator;
    pid_t agents[PROCESSES_MAX];
    uint32_t generations[PROCESSES_MAX];
    uint32_t kills;
    uint32_t pauses; /* of the kills */
    uint64_t progress_ms;
    unsigned completed; /* at that time */
    bool stalled;
    uint32_t problems; /* processes that ended as they must not */
    uint64_t begin_ms;
    uint64_t end_ms;
};

enum option_key { KEY_BROKER = 256, KEY_DIRECTORY, KEY_SEED, KEY_KILL, KEY_LEASE, KEY_WORK, KEY_LIMIT, KEY_KEEP };

static const struct argp_option argp_options[] = {
    {"broker", KEY_BROKER, "PROGRAM", 0, "the ganger-broker to torture (default: the one beside this program)", 0},
    {"tasks", 'n', "NUMBER", 0, "tasks to submit (20,000)", 0},
    {"processes", 'p', "NUMBER", 0, "processes that claim (10, at most 64)", 0},
    {"threads", 't', "NUMBER", 0, "agents in each process (8, at most 64)", 0},
    {"kill", KEY_KILL, "MS", 0, "the broker gets SIGKILL so often (500; 0 = never)", 0},
    {"lease", KEY_LEASE, "MS", 0, "how long a lease lasts (300)", 0},
    {"work", KEY_WORK, "MS", 0, "the longest that an ordinary run takes (100)", 0},
    {"limit", KEY_LIMIT, "SECONDS", 0, "all tasks must be completed by then (600)", 0},
    {"seed", KEY_SEED, "NUMBER", 0, "for the same works and the same mischief again", 0},
    {"directory", KEY_DIRECTORY, "PATH", 0, "where the store and the histories go (a new one below $TMPDIR)", 0},
    {"keep", KEY_KEEP, NULL, 0, "keep them", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    uint64_t number = 0;
    char *end = NULL;

    if (argument != NULL && key != KEY_BROKER && key != KEY_DIRECTORY) {
        number = strtoull(argument, &end, 0);
        if (end == argument || *end != '\0' || number > INT32_MAX)
            argp_error(state, "not a number: %s", argument);
    }
    switch (key) {
    case KEY_BROKER:
        options->broker = argument;
        return 0;
    case KEY_DIRECTORY:
        options->directory = argument;
        return 0;
    case KEY_SEED:
        options->seed = number;
        return 0;
    case KEY_KILL:
        options->kill_ms = (uint32_t)number;
        return 0;
    case KEY_LEASE:
        options->lease_ms = (uint32_t)number;
        return 0;
    case KEY_WORK:
        options->work_ms = (uint32_t)number;
        return 0;
    case KEY_LIMIT:
        options->limit_s = (uint32_t)number;
        return 0;
    case KEY_KEEP:
        options->keep = true;
        return 0;
    case 'n':
        options->works = (uint32_t)number;
        return 0;
    case 'p':
        options->processes = (uint32_t)number;
        return 0;
    case 't':
        options->threads = (uint32_t)number;
        return 0;
    case ARGP_KEY_ARG:
        argp_usage(state);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = argp_options,
    .parser = parse_option,
    .doc =
        "Claims and completes tasks from many processes while the broker is killed again and again, then checks that "
        "every task was completed exactly once.",
};

static void default_broker(char *path, size_t size)
{
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

    CHECK(length > 0);
    self[length] = '\0';
    CHECK(snprintf(path, size, "%s/ganger-broker", dirname(self)) < (int)size);
}

static void start_broker(struct torture *torture)
{
    char log[400];
    const char *const arguments[] = {torture->options.broker, "--config", torture->configuration, NULL};

    (void)snprintf(log, sizeof(log), "%s/broker.log", torture->fleet.directory);
    torture->broker = process_start(arguments, log);
    CHECK(torture->broker > 0);
}

static void note_problem(struct torture *torture, const char *what, int status)
{
    torture->problems++;
    (void)fprintf(stderr, "ganger-torture: %s ended with %s %d\n", what, WIFEXITED(status) ? "status" : "signal",
                  WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

/* Kills the broker and starts it again. One that had died by itself is a finding. */
static void restart_broker(struct torture *torture)
{
    int status = process_poll(torture->broker);

    if (status >= 0)
        note_problem(torture, "the broker (see broker.log)", status);
    else
        process_kill(torture->broker);
    torture->kills++;
    start_broker(torture);
}

enum part { PART_AGENTS, PART_SUBMITTERS, PART_OPERATOR, PART_READER };

/* A process of its own for one part; number is that of the agents' process, or the reader's round. */
static pid_t start_part(const struct torture *torture, enum part part, uint32_t number)
{
    const struct fleet *fleet = &torture->fleet;
    pid_t parent = getpid();
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid > 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    switch (part) {
    case PART_AGENTS:
        _exit(agents_main(fleet, number, torture->generations[number]));
    case PART_SUBMITTERS:
        _exit(submitters_main(fleet));
    case PART_OPERATOR:
        _exit(operator_main(fleet));
    case PART_READER:
        _exit(reader_main(fleet, number));
    }
    _exit(127);
}

/* Processes of agents kill themselves now and then; a new one takes the place. */
static void look_after_agents(struct torture *torture)
{
    for (uint32_t i = 0; i < torture->fleet.processes; i++) {
        int status = process_poll(torture->agents[i]);

        if (status < 0)
            continue;
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
            note_problem(torture, "a process of agents", status);
        torture->generations[i]++;
        torture->agents[i] = start_part(torture, PART_AGENTS, i);
    }
}

static void show_progress(const struct torture *torture)
{
    if (isatty(STDERR_FILENO))
        (void)fprintf(stderr,
                      "\r%" PRIu64 " s: %u of %" PRIu32 " tasks submitted, %u completed, broker killed %" PRIu32
                      " times ",
                      (clock_boot_ms() - torture->begin_ms) / 1000, atomic_load(&torture->fleet.shared->submitted),
                      torture->fleet.works, atomic_load(&torture->fleet.shared->completed), torture->kills);
}

/* When nothing has been completed for a while the faults pause. Every held task gets a fresh lease when the broker
 * starts, so on a machine where its lives are shorter than a lease, the tasks of dead agents stay held for as long as
 * the kills go on; what is promised is that every task ends once the faults have ended. */
static bool is_stalled(struct torture *torture)
{
    unsigned completed = atomic_load(&torture->fleet.shared->completed);
    bool was_stalled = torture->stalled;

    if (completed != torture->completed) {
        torture->completed = completed;
        torture->progress_ms = clock_boot_ms();
    }
    torture->stalled = clock_boot_ms() - torture->progress_ms > STALL_MS;
    torture->pauses += torture->stalled && !was_stalled;
    return torture->stalled;
}

/* Until the operator sees that all is completed, or the time is over. */
static void run(struct torture *torture)
{
    uint64_t limit_ms = torture->begin_ms + torture->options.limit_s * 1000ull;
    uint64_t kill_ms = torture->begin_ms + torture->options.kill_ms;
    int status = -1;

    while ((status = process_poll(torture->operator)) < 0 && clock_boot_ms() < limit_ms) {
        struct timespec turn = {.tv_nsec = TURN_NS};

        (void)nanosleep(&turn, NULL);
        look_after_agents(torture);
        if (torture->options.kill_ms == 0 || clock_boot_ms() < kill_ms || is_stalled(torture))
            continue;
        restart_broker(torture);
        kill_ms = clock_boot_ms() + torture->options.kill_ms;
        show_progress(torture);
    }
    if (isatty(STDERR_FILENO))
        (void)fputc('\n', stderr);
    torture->end_ms = clock_boot_ms();
    if (status != 0) {
        torture->problems++;
        (void)fprintf(stderr, "ganger-torture: %u of %" PRIu32 " tasks were completed in time\n",
                      atomic_load(&torture->fleet.shared->completed), torture->fleet.works);
        process_kill(status < 0 ? torture->operator : -1);
    }
}

static void end_part(struct torture *torture, pid_t pid, const char *what, uint32_t timeout_ms)
{
    uint64_t limit_ms = clock_boot_ms() + timeout_ms;
    int status = -1;

    while ((status = process_poll(pid)) < 0 && clock_boot_ms() < limit_ms) {
        struct timespec turn = {.tv_nsec = TURN_NS};

        (void)nanosleep(&turn, NULL);
    }
    if (status < 0)
        process_kill(pid);
    if (status < 0 || (WIFEXITED(status) && WEXITSTATUS(status) != 0) ||
        (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL))
        note_problem(torture, what, status < 0 ? SIGKILL : status);
}

/* Everybody goes home; then the broker is read, killed once more, and read again. */
static void finish(struct torture *torture)
{
    int status = 0;

    atomic_store(&torture->fleet.shared->stop, true);
    for (uint32_t i = 0; i < torture->fleet.processes; i++)
        end_part(torture, torture->agents[i], "a process of agents", STOP_TIMEOUT_MS);
    end_part(torture, torture->submitters, "the submitters", STOP_TIMEOUT_MS);
    atomic_store(&torture->fleet.shared->stop, false);
    for (uint32_t round = 0; round < 2; round++) {
        restart_broker(torture);
        end_part(torture, start_part(torture, PART_READER, round), "the reader", READ_TIMEOUT_MS);
    }
    status = process_stop(torture->broker, STOP_TIMEOUT_MS);
    if (status != 0) {
        torture->problems++;
        (void)fprintf(stderr, "ganger-torture: the broker stopped with %d (see broker.log)\n", status);
    }
}

static bool read_histories(const struct fleet *fleet, struct history *history)
{
    char pattern[400];
    glob_t found;
    struct error error = {0};
    bool read = true;

    (void)snprintf(pattern, sizeof(pattern), "%s/*.history", fleet->directory);
    if (glob(pattern, 0, NULL, &found) != 0)
        return false;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        if (history_read(history, found.gl_pathv[i], &error) == STATUS_OK)
            continue;
        (void)fprintf(stderr, "ganger-torture: %s\n", error.message);
        read = false;
    }
    globfree(&found);
    return read;
}

static void print_row(const char *name, uint64_t count)
{
    (void)printf("  %-40s %10" PRIu64 "\n", name, count);
}

static void print_replay(const struct replay_report *report)
{
    for (size_t i = 0; i < REPLAY_VIOLATIONS; i++) {
        print_row(replay_violation_name((enum replay_violation)i), report->violations[i]);
        if (report->violations[i] > 0)
            (void)printf("    %s\n", report->examples[i]);
    }
}

static void print_verdict(const struct torture *torture, const struct verdict *verdict,
                          const struct replay_report *replay)
{
    const struct fleet_shared *shared = torture->fleet.shared;
    uint64_t refused = 0;
    uint64_t unknown = 0;

    for (size_t i = 0; i < HISTORY_CALLS; i++) {
        refused += verdict->calls[i][HISTORY_REFUSED];
        unknown += verdict->calls[i][HISTORY_UNKNOWN];
    }
    (void)printf("torture with seed %" PRIu64 ": %" PRIu32 " processes x %" PRIu32 " agents, %.1f s\n",
                 torture->fleet.seed, torture->fleet.processes, torture->fleet.threads,
                 (double)(torture->end_ms - torture->begin_ms) / 1000);
    print_row("tasks submitted and acknowledged", verdict->tasks);
    print_row("completed by exactly one fence", verdict->completed);
    print_row("  of these, acknowledgement not received", verdict->completed_unseen);
    print_row("broker killed and restarted", torture->kills);
    print_row("  pauses of that, when nothing went on", torture->pauses);
    print_row("runs handed out", verdict->runs);
    print_row("  of these, replaced by a later run", verdict->replaced_runs);
    print_row("attempts failed", verdict->calls[CALL_FAIL][HISTORY_OK]);
    print_row("runs released", verdict->calls[CALL_RELEASE][HISTORY_OK]);
    print_row("failed tasks retried by the operator", verdict->calls[CALL_RETRY][HISTORY_OK]);
    print_row("agents that died in silence", atomic_load(&shared->agent_deaths));
    print_row("processes of agents killed", atomic_load(&shared->process_deaths));
    print_row("agents registered anew in mid-run", atomic_load(&shared->incarnations));
    print_row("leases overstayed on purpose", atomic_load(&shared->lease_overstayers));
    print_row("late words refused with STALE_FENCE", verdict->late_refused);
    print_row("calls refused", refused);
    print_row("repeats answered", verdict->repeats);
    print_row("calls without an answer in time", unknown);
    print_row("replies replayed by revision", replay->replies);
    (void)printf("violations\n");
    for (size_t i = 0; i < VIOLATIONS; i++) {
        print_row(violation_name((enum violation)i), verdict->violations[i]);
        if (verdict->violations[i] > 0)
            (void)printf("    %s\n", verdict->examples[i]);
    }
    print_replay(replay);
    print_row("processes that ended as they must not", torture->problems);
}

static void prepare(struct torture *torture)
{
    struct fleet *fleet = &torture->fleet;
    const struct options *options = &torture->options;

    fleet->shared = mmap(NULL, sizeof(*fleet->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(fleet->shared != MAP_FAILED);
    CHECK(scratch_make(options->directory, fleet->directory, sizeof(fleet->directory)));
    (void)snprintf(fleet->endpoint, sizeof(fleet->endpoint), "ipc://%s/broker.sock", fleet->directory);
    fleet->seed = options->seed;
    fleet->works = options->works;
    fleet->processes = options->processes;
    fleet->threads = options->threads;
    fleet->lease_ms = options->lease_ms;
    fleet->work_ms = options->work_ms;
    (void)snprintf(torture->configuration, sizeof(torture->configuration), "%s/broker.conf", fleet->directory);
    CHECK(configuration_write(torture->configuration,
                              "[broker]\nlisten = %s\nstore = %s/store\nlease = %" PRIu32 "ms\nlease_min = %" PRIu32
                              "ms\nheartbeat = %" PRIu32 "ms\n",
                              fleet->endpoint, fleet->directory, fleet->lease_ms, fleet->lease_ms,
                              fleet->lease_ms / 3));
    torture->begin_ms = torture->progress_ms = clock_boot_ms();
}

int main(int argc, char **argv)
{
    static struct torture torture;
    char broker[4096];
    struct history *history = allocate_zero(1, sizeof(*history));
    struct verdict verdict;
    struct replay_report replay;
    bool kept = false;

    torture.options = (struct options){.seed = seed_from_environment(),
                                       .works = 20000,
                                       .processes = 10,
                                       .threads = 8,
                                       .kill_ms = 500,
                                       .lease_ms = 300,
                                       .work_ms = 100,
                                       .limit_s = 600};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &torture.options);
    if (torture.options.processes == 0 || torture.options.processes > PROCESSES_MAX || torture.options.threads == 0 ||
        torture.options.threads > PROCESSES_MAX || torture.options.works == 0 || torture.options.lease_ms < 3) {
        (void)fprintf(stderr, "ganger-torture: 1 to 64 processes and threads, at least one task, leases from 3 ms\n");
        return 2;
    }
    if (torture.options.broker == NULL) {
        default_broker(broker, sizeof(broker));
        torture.options.broker = broker;
    }
    prepare(&torture);
    start_broker(&torture);
    torture.submitters = start_part(&torture, PART_SUBMITTERS, 0);
    torture.operator= start_part(&torture, PART_OPERATOR, 0);
    for (uint32_t i = 0; i < torture.fleet.processes; i++)
        torture.agents[i] = start_part(&torture, PART_AGENTS, i);
    run(&torture);
    finish(&torture);

    torture.problems += !read_histories(&torture.fleet, history);
    replay_run(history, &replay);
    checker_run(history, &verdict);
    print_verdict(&torture, &verdict, &replay);
    kept = torture.problems == 0 && verdict_violations(&verdict) == 0 && replay_violations(&replay) == 0 &&
           verdict.completed == torture.fleet.works;
    (void)printf("%s\n", kept ? "every task was completed exactly once" : "PROMISES BROKEN");
    if (torture.options.keep || !kept)
        (void)printf("kept: %s\n", torture.fleet.directory);
    else
        scratch_remove(torture.fleet.directory);
    (void)history_free(history);
    return kept ? 0 : 1;
}
