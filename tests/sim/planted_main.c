/* ganger-sim-planted: simulates with each planted bug in turn, until it is caught; fails when one is not.
 *
 *     ganger-sim-planted [--markdown] [NAME...] */
#include "common/base/check.h"
#include "tests/sim/planted.h"
#include "tests/sim/run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEEDS_MAX 200
#define EVENTS 5000
#define BUGS_MAX 128

/* Shared with the process that simulates, which may die of a CHECK: that is one way to be caught. */
struct hunt {
    pid_t process;
    unsigned seeds; /* begun */
    bool caught;
    char by[512];
};

static void hunt(struct hunt *hunt, size_t bug)
{
    planted_now = (int)bug;
    while (hunt->seeds < SEEDS_MAX && !hunt->caught) {
        hunt->seeds++;
        struct run_result result = run_seed_through(&(struct run_options){.seed = hunt->seeds, .events = EVENTS});
        hunt->caught = result.failed;
        (void)snprintf(hunt->by, sizeof hunt->by, "%s", result.violation);
    }
}

static void start(struct hunt *hunts, size_t bug)
{
    (void)fflush(NULL);
    pid_t process = fork();
    if (process == 0) {
        (void)freopen("/dev/null", "w", stderr);
        hunt(&hunts[bug], bug);
        _exit(0);
    }
    hunts[bug].process = process;
}

static void wait_for_one(struct hunt *hunts)
{
    int status = 0;
    pid_t process = wait(&status);

    for (size_t bug = 0; bug < BUGS_MAX; bug++) {
        struct hunt *of = &hunts[bug];
        if (process <= 0 || of->process != process || !WIFSIGNALED(status))
            continue;
        of->caught = WTERMSIG(status) == SIGABRT;
        (void)snprintf(of->by, sizeof of->by, "%s", of->caught ? "a CHECK of the core" : strsignal(WTERMSIG(status)));
    }
}

static bool is_wanted(const char *name, int count, char **names)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return count == 0;
}

static bool report(const struct hunt *hunt, const struct planted *bug, bool markdown)
{
    if (markdown)
        printf("| %s | %s | %s | %u |\n", bug->name, bug->what, hunt->by, hunt->seeds);
    else
        printf("%-22s %s after %3u seeds: %s\n", bug->name, hunt->caught ? "caught" : "NOT CAUGHT", hunt->seeds,
               hunt->by);
    return hunt->caught;
}

int main(int argument_count, char **arguments)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    bool markdown = argument_count > 1 && strcmp(arguments[1], "--markdown") == 0;
    int name_count = argument_count - 1 - markdown;
    char **names = arguments + 1 + markdown;
    size_t running = 0;
    size_t missed = 0;
    size_t wanted = 0;
    struct hunt *hunts =
        mmap(NULL, BUGS_MAX * sizeof *hunts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    CHECK(hunts != MAP_FAILED);
    for (size_t bug = 0; planted_bugs[bug].name != NULL; bug++) {
        CHECK(bug < BUGS_MAX);
        if (!is_wanted(planted_bugs[bug].name, name_count, names))
            continue;
        if (running == (size_t)cores) {
            wait_for_one(hunts);
            running--;
        }
        start(hunts, bug);
        running++;
    }
    for (; running > 0; running--)
        wait_for_one(hunts);
    for (size_t bug = 0; planted_bugs[bug].name != NULL; bug++) {
        if (hunts[bug].process == 0)
            continue;
        wanted++;
        missed += !report(&hunts[bug], &planted_bugs[bug], markdown);
    }
    printf("%zu of %zu planted bugs were caught within %d seeds\n", wanted - missed, wanted, SEEDS_MAX);
    return missed == 0 && wanted > 0 ? 0 : 1;
}
