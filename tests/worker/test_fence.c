/* Two process trees never live for one task, whatever becomes of supervisors and brokers. Each run writes its fence
 * into one file again and again while it lives: the fences in it never go back. */
#include "common/base/check.h"
#include "common/base/cleanup.h"
#include "tests/support/process.h"
#include "tests/worker/processes.h"
#include "tests/worker/site.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define COMPLETED GANGER__V1__TASK_STATE__COMPLETED
#define CANCELED GANGER__V1__TASK_STATE__CANCELED
#define SUSPENDED GANGER__V1__TASK_STATE__SUSPENDED
#define RUNNING GANGER__V1__TASK_STATE__RUNNING

/* Ends when the file "go" is there. */
#define WRITER(file)                                                                                                   \
    "command = sh -c 'trap \"\" TERM; while [ ! -e @/go ]; do printenv GANGER_FENCE >> @/" file                        \
    "; sleep 0.05; done'\n"                                                                                            \
    "environment = PATH\ngrace = 10s\n"

/* The lease of 1 s ends 11.1 s before the task is given to another, the fence time comes at 6 s. */
static void set_up(void)
{
    site.broker_settings[0] = "broker.lease=1s";
    site.broker_settings[1] = "broker.lease_min=1s";
    site.broker_settings[2] = "broker.terminate=100ms";
    site.broker_settings[3] = "broker.reap_grace=10100ms";
    site.broker_settings[4] = NULL;
    site_set_up();
}

TestSuite(fence, .init = set_up, .fini = site_tear_down, .timeout = 180);

static void start(unsigned slots, const char *profiles)
{
    site_write_profiles(slots, profiles);
    site_start_worker();
}

static char *read_file(const char *name)
{
    CLEANUP(free)
    char *path = site_file(name);
    return read_whole(path, NULL);
}

static bool is_there(const char *name)
{
    CLEANUP(free)
    char *text = read_file(name);
    return text != NULL && text[0] != '\0';
}

static void write_file(const char *name)
{
    CLEANUP(free)
    char *path = site_file(name);
    cr_assert(configuration_write(path, "\n"));
}

/* How many runs have written into it, one after the other. */
static unsigned count_runs(const char *name)
{
    CLEANUP(free)
    char *text = read_file(name);
    unsigned runs = 0;
    unsigned long long last = 0;
    char *rest = text;

    for (char *line; text != NULL && (line = strsep(&rest, "\n")) != NULL && line[0] != '\0';) {
        unsigned long long fence = strtoull(line, NULL, 10);
        cr_assert_geq(fence, last, "%s: run %llu lived while run %llu was there", name, fence, last);
        runs += fence != last;
        last = fence;
    }
    return runs;
}

static bool is_reaping(uint64_t task_id)
{
    Ganger__V1__GetTaskResponse *response = site_get(task_id);
    bool reaping = response->task->reaping;
    ganger_free(response);
    return reaping;
}

Test(fence, makes_the_shims_of_a_hanging_supervisor_kill_alone_before_the_task_runs_elsewhere)
{
    start(2, "[agent again]\n" WRITER("again") "[agent held]\n" WRITER("held"));
    Ganger__V1__TaskSpec spec = GANGER__V1__TASK_SPEC__INIT;
    spec.backoff_ms = 1;
    uint64_t again = site_submit("again", "", 0, &spec);
    Ganger__V1__TaskSpec hold = GANGER__V1__TASK_SPEC__INIT;
    hold.on_lost = GANGER__V1__LOST_POLICY__HOLD;
    uint64_t held = site_submit("held", "", 0, &hold);
    cr_assert(WAIT_UNTIL(is_there("again") && is_there("held"), SITE_LIMIT_MS));
    cr_assert_eq(kill(site.worker, SIGSTOP), 0);
    pid_t other = site_start_other();

    cr_assert(WAIT_UNTIL(is_reaping(again) && is_reaping(held), SITE_LIMIT_MS));
    cr_assert(WAIT_UNTIL(count_runs("again") == 2, SITE_LIMIT_MS));
    ganger_free(site_wait(held, SUSPENDED));
    write_file("go");
    Ganger__V1__GetTaskResponse *response = site_wait(again, COMPLETED);
    cr_expect_str_eq(response->task->agent_id, "other/again1");
    cr_expect_eq(response->task->crashes, 1);
    ganger_free(response);
    cr_expect_eq(count_runs("held"), 1);
    cr_assert_eq(kill(site.worker, SIGCONT), 0);
    cr_expect_eq(process_stop(other, SITE_LIMIT_MS), 0);
}

Test(fence, lets_agents_live_while_the_broker_is_away_for_longer_than_their_lease)
{
    start(1, "[agent again]\n" WRITER("again"));
    uint64_t task_id = site_submit_text("again", "");
    cr_assert(WAIT_UNTIL(is_there("again"), SITE_LIMIT_MS));
    process_kill(site.broker);
    pause_ms(3000); /* three leases */
    site_start_broker();
    pause_ms(1500);
    write_file("go");
    Ganger__V1__GetTaskResponse *response = site_wait(task_id, COMPLETED);
    cr_expect_eq(response->task->deliveries, 1);
    cr_expect_eq(response->task->crashes, 0);
    ganger_free(response);
    cr_expect_eq(count_runs("again"), 1);
}

Test(fence, ends_the_agents_of_a_supervisor_that_does_not_find_its_broker_again)
{
    start(1, "[agent again]\n" WRITER("again"));
    uint64_t task_id = site_submit_text("again", "");
    cr_assert(WAIT_UNTIL(is_there("again"), SITE_LIMIT_MS));
    process_kill(site.broker);
    cr_assert(WAIT_UNTIL(processes_with(site.directory) == 0, SITE_LIMIT_MS), "it kills at its fence time");
    write_file("go");
    site_start_broker();
    Ganger__V1__GetTaskResponse *response = site_wait(task_id, COMPLETED);
    cr_expect_eq(response->task->deliveries, 2);
    cr_expect_eq(response->task->crashes, 1, "it says what it has done");
    ganger_free(response);
}

Test(fence, a_cancel_is_over_when_nothing_of_the_run_is_left)
{
    start(1, "[agent stubborn]\ncommand = $ ignore-term 60\ngrace = 500ms\n");
    uint64_t task_id = site_submit_text("stubborn", "");
    ganger_free(site_wait(task_id, RUNNING));
    cr_assert(WAIT_UNTIL(site_output_length(task_id, 1, "stdout") > 0, SITE_LIMIT_MS));
    site_cancel(task_id);
    Ganger__V1__GetTaskResponse *response = site_get(task_id);
    cr_expect(response->task->canceling || response->task->state == CANCELED);
    ganger_free(response);
    response = site_wait(task_id, CANCELED);
    cr_expect_eq(processes_with(site.directory), 0);
    cr_expect_eq(response->task->outcome->signal, SIGKILL);
    ganger_free(response);
}
