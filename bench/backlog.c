#include "bench/backlog.h"

#include "bench/daemon.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "tests/support/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_TIMEOUT_MS 30000

static const char *const side_names[SIDES] = {"empty", "loaded"};
static const enum life_row life_rows[BACKLOG_ROWS] = {[BACKLOG_512] = LIFE_512, [BACKLOG_BATCHED] = LIFE_BATCHED};

struct bench_side {
    char directory[512];
    char endpoint[600];
    pid_t broker;
};

struct state {
    const struct backlog_options *options;
    struct bench_side sides[SIDES];
    struct backlog_result *result; /* shared with the processes that measure */
    struct backlog_round *round;
    enum side side; /* that is measured */
    enum backlog_row row;
    enum start start;
    uint64_t began_us;
};

static bool start_broker(struct state *state, enum side side)
{
    struct bench_side *own = &state->sides[side];

    own->broker = daemon_start(state->options->programs, own->directory, "ganger-broker", "broker", own->endpoint);
    if (own->broker > 0)
        return true;
    (void)fprintf(stderr, "ganger-bench: %s/ganger-broker does not start\n", state->options->programs);
    return false;
}

/* In a process of its own: this one never has a ZeroMQ context, so that it may fork the daemons. */
static bool in_child(struct state *state, bool (*part)(struct state *state))
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0)
        _exit(part(state) ? 0 : 1);
    if (pid > 0)
        (void)waitpid(pid, &status, 0);
    return status == 0;
}

static bool fill(struct state *state)
{
    return backlog_fill(state->sides[SIDE_LOADED].endpoint, state->options->tasks, state->result);
}

static bool live(struct state *state)
{
    const struct bench_side *own = &state->sides[state->side];
    struct life_target target = {.endpoint = own->endpoint, .broker = own->broker, .seconds = state->options->seconds};

    return measure_life(&target, life_rows[state->row], &state->round->lives[state->row][state->side]);
}

static bool ask(struct state *state)
{
    struct latencies calls[BACKLOG_CALLS];

    if (!backlog_ask(state->sides[state->side].endpoint, state->options->seconds, calls))
        return false;
    for (int call = 0; call < BACKLOG_CALLS; call++)
        state->round->calls[call][state->side] = calls[call];
    return true;
}

static bool await(struct state *state)
{
    return backlog_await(state->sides[SIDE_LOADED].endpoint, state->began_us, &state->round->start_us[state->start],
                         &state->round->started[state->start]);
}

/* Which side comes first changes with the rounds. */
static bool run_round(struct state *state, size_t number)
{
    state->round = &state->result->rounds[number];
    for (int row = 0; row < BACKLOG_ROWS; row++) {
        for (size_t i = 0; i < SIDES; i++) {
            state->row = (enum backlog_row)row;
            state->side = (enum side)((number + i) % SIDES);
            if (!in_child(state, live))
                return false;
        }
    }
    for (int side = 0; side < SIDES; side++) {
        state->side = (enum side)side;
        if (!in_child(state, ask))
            return false;
        state->round->heap_bytes[side] = process_memory_bytes(state->sides[side].broker);
    }
    return true;
}

/* What the kernel keeps of the store in memory. Nothing of it is dirty: every commit was synced. */
static void drop_pages(const struct bench_side *side)
{
    char path[600];
    int file = -1;

    (void)snprintf(path, sizeof(path), "%s/broker/data.mdb", side->directory);
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    (void)posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    (void)close(file);
}

/* Each life takes a task and leaves one: all of them are always there. */
static bool is_whole(const struct state *state, const struct backlog_look *look)
{
    if (look->ready == state->options->tasks)
        return true;
    (void)fprintf(stderr, "ganger-bench: %" PRIu64 " tasks are READY, not %" PRIu64 "\n", look->ready,
                  state->options->tasks);
    return false;
}

/* After a kill: the start is the recovery. */
static bool run_starts(struct state *state, size_t number)
{
    struct bench_side *own = &state->sides[SIDE_LOADED];

    state->round = &state->result->rounds[number];
    for (int start = 0; start < STARTS; start++) {
        process_kill(own->broker);
        own->broker = 0;
        if (start == START_COLD)
            drop_pages(own);
        state->start = (enum start)start;
        state->began_us = clock_boot_us();
        if (!start_broker(state, SIDE_LOADED) || !in_child(state, await) ||
            !is_whole(state, &state->round->started[start]))
            return false;
    }
    return true;
}

static bool run_all(struct state *state)
{
    size_t rounds = state->options->rounds;
    bool measured = true;

    for (int side = 0; side < SIDES && measured; side++)
        measured = start_broker(state, (enum side)side);
    measured = measured && in_child(state, fill) && is_whole(state, &state->result->filled);
    for (size_t i = 0; i < rounds && measured; i++) {
        (void)fprintf(stderr, "ganger-bench: round %zu of %zu\n", i + 1, rounds);
        measured = run_round(state, i);
    }
    for (size_t i = 0; i < rounds && measured; i++)
        measured = run_starts(state, i);
    for (int side = 0; side < SIDES; side++)
        if (state->sides[side].broker > 0)
            (void)process_stop(state->sides[side].broker, STOP_TIMEOUT_MS);
    state->result->tasks = state->options->tasks;
    state->result->round_count = rounds;
    return measured;
}

static void place_side(const char *directory, const char *name, struct bench_side *ret_side)
{
    (void)snprintf(ret_side->directory, sizeof(ret_side->directory), "%s/%s", directory, name);
    (void)snprintf(ret_side->endpoint, sizeof(ret_side->endpoint), "ipc://%s/%s/broker.sock", directory, name);
    (void)mkdir(ret_side->directory, 0700);
}

bool backlog(const struct backlog_options *options)
{
    struct state state = {.options = options};
    char directory[256];

    state.result = mmap(NULL, sizeof(*state.result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(state.result != MAP_FAILED);
    if (!scratch_make(options->directory, directory, sizeof(directory))) {
        (void)fprintf(stderr, "ganger-bench: %s: %s\n", options->directory, strerror(errno));
        return false;
    }
    for (int side = 0; side < SIDES; side++)
        place_side(directory, side_names[side], &state.sides[side]);
    bool measured = run_all(&state);
    if (measured) {
        scratch_remove(directory);
        backlog_report(state.result, options->format);
    } else {
        (void)fprintf(stderr, "ganger-bench: see the logs in %s\n", directory);
    }
    (void)munmap(state.result, sizeof(*state.result));
    return measured;
}
