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

/* Of the tasks of the backlog; a million of ten. */
#define CROWD_PART 10

static const enum life_row life_rows[BACKLOG_ROWS] = {[BACKLOG_512] = LIFE_512, [BACKLOG_BATCHED] = LIFE_BATCHED};

enum place { PLACE_EMPTY, PLACE_LOADED, PLACE_CROWDED, PLACES };

static const char *const place_names[PLACES] = {"empty", "loaded", "crowded"};
static const enum place places_of_sides[SIDES] = {[SIDE_EMPTY] = PLACE_EMPTY, [SIDE_LOADED] = PLACE_LOADED};

struct place_of_broker {
    char directory[512];
    char endpoint[600];
    pid_t broker;
};

struct state {
    const struct backlog_options *options;
    struct place_of_broker places[PLACES];
    struct backlog_result *result; /* shared with the processes that measure */
    struct backlog_round *round;
    enum side side; /* that is measured */
    enum backlog_row row;
    enum start start;
    enum crowd_job job;
    uint64_t began_us;
};

static bool start_broker(struct state *state, enum place place)
{
    struct place_of_broker *own = &state->places[place];

    own->broker = daemon_start(state->options->programs, own->directory, "ganger-broker", "broker", own->endpoint);
    if (own->broker > 0)
        return true;
    (void)fprintf(stderr, "ganger-bench: %s/ganger-broker does not start\n", state->options->programs);
    return false;
}

static uint64_t crowd_size(const struct state *state)
{
    return state->options->tasks >= CROWD_PART ? state->options->tasks / CROWD_PART : 1;
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
    struct backlog_order order = {.endpoint = state->places[PLACE_LOADED].endpoint, .tasks = state->options->tasks};

    return backlog_fill(&order, &state->result->fill);
}

static struct life_target target_at(const struct state *state, enum place place)
{
    const struct place_of_broker *own = &state->places[place];

    return (struct life_target){.endpoint = own->endpoint, .broker = own->broker, .seconds = state->options->seconds};
}

static bool live(struct state *state)
{
    struct life_target target = target_at(state, places_of_sides[state->side]);

    return measure_life(&target, life_rows[state->row], &state->round->lives[state->row][state->side]);
}

static bool ask(struct state *state)
{
    struct latencies calls[BACKLOG_CALLS];

    if (!backlog_ask(state->places[places_of_sides[state->side]].endpoint, state->options->seconds, calls))
        return false;
    for (int call = 0; call < BACKLOG_CALLS; call++)
        state->round->calls[call][state->side] = calls[call];
    return true;
}

static bool await(struct state *state)
{
    return backlog_await(state->places[PLACE_LOADED].endpoint, state->began_us, &state->round->start_us[state->start],
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
        state->round->heap_bytes[side] = process_memory_bytes(state->places[places_of_sides[side]].broker);
    }
    return true;
}

/* What the kernel keeps of the store in memory. Nothing of it is dirty: every commit was synced. */
static void drop_pages(const struct place_of_broker *own)
{
    char path[600];
    int file = -1;

    (void)snprintf(path, sizeof(path), "%s/broker/data.mdb", own->directory);
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
    struct place_of_broker *own = &state->places[PLACE_LOADED];

    state->round = &state->result->rounds[number];
    for (int start = 0; start < STARTS; start++) {
        process_kill(own->broker);
        own->broker = 0;
        if (start == START_COLD)
            drop_pages(own);
        state->start = (enum start)start;
        state->began_us = clock_boot_us();
        if (!start_broker(state, PLACE_LOADED) || !in_child(state, await) ||
            !is_whole(state, &state->round->started[start]))
            return false;
    }
    return true;
}

static bool fill_crowd(struct state *state)
{
    return crowd_fill(state->places[PLACE_CROWDED].endpoint, crowd_size(state), &state->result->crowd,
                      &state->result->crowd_parent_id);
}

static bool measure_crowd(struct state *state)
{
    const struct life_target sides[SIDES] = {
        [SIDE_EMPTY] = target_at(state, PLACE_EMPTY),
        [SIDE_LOADED] = target_at(state, PLACE_CROWDED),
    };

    return crowd_measure(sides, &state->round->crowd);
}

static bool close_crowd(struct state *state)
{
    return crowd_close(state->places[PLACE_CROWDED].endpoint);
}

static bool run_job(struct state *state)
{
    struct life_target target = target_at(state, PLACE_CROWDED);

    return crowd_run_job(&target, state->job, state->result->crowd_parent_id, &state->result->jobs[state->job]);
}

static bool run_jobs(struct state *state)
{
    bool measured = in_child(state, close_crowd);

    for (int job = 0; job < CROWD_JOBS && measured; job++) {
        (void)fprintf(stderr, "ganger-bench: %s of %" PRIu64 " tasks\n", job == JOB_CANCEL ? "cancel" : "purge",
                      crowd_size(state));
        state->job = (enum crowd_job)job;
        measured = in_child(state, run_job);
        state->result->jobs[job].heap_bytes = process_memory_bytes(state->places[PLACE_CROWDED].broker);
    }
    return measured;
}

static bool run_crowd(struct state *state)
{
    size_t rounds = state->options->rounds;
    bool measured = start_broker(state, PLACE_CROWDED) && in_child(state, fill_crowd);

    for (size_t i = 0; i < rounds && measured; i++) {
        (void)fprintf(stderr, "ganger-bench: round %zu of %zu, a full limit\n", i + 1, rounds);
        state->round = &state->result->rounds[i];
        measured = in_child(state, measure_crowd);
    }
    return measured;
}

static bool run_backlog(struct state *state)
{
    size_t rounds = state->options->rounds;
    bool measured = start_broker(state, PLACE_EMPTY) && start_broker(state, PLACE_LOADED) && in_child(state, fill) &&
                    is_whole(state, &state->result->fill.look);

    for (size_t i = 0; i < rounds && measured; i++) {
        (void)fprintf(stderr, "ganger-bench: round %zu of %zu\n", i + 1, rounds);
        measured = run_round(state, i);
    }
    for (size_t i = 0; i < rounds && measured; i++)
        measured = run_starts(state, i);
    return measured;
}

static bool run_all(struct state *state)
{
    bool measured = run_backlog(state) && run_crowd(state) && run_jobs(state);

    for (int place = 0; place < PLACES; place++)
        if (state->places[place].broker > 0)
            (void)process_stop(state->places[place].broker, STOP_TIMEOUT_MS);
    state->result->tasks = state->options->tasks;
    state->result->crowd_tasks = crowd_size(state);
    state->result->round_count = state->options->rounds;
    return measured;
}

static void place_init(struct place_of_broker *place, const char *directory, const char *name)
{
    (void)snprintf(place->directory, sizeof(place->directory), "%s/%s", directory, name);
    (void)snprintf(place->endpoint, sizeof(place->endpoint), "ipc://%s/%s/broker.sock", directory, name);
    (void)mkdir(place->directory, 0700);
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
    for (int place = 0; place < PLACES; place++)
        place_init(&state.places[place], directory, place_names[place]);
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
