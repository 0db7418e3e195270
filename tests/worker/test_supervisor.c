#include "common/base/check.h"
#include "common/base/cleanup.h"
#include "common/base/id.h"
#include "tests/support/process.h"
#include "tests/worker/processes.h"
#include "tests/worker/site.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define COMPLETED GANGER__V1__TASK_STATE__COMPLETED
#define FAILED GANGER__V1__TASK_STATE__FAILED
#define CANCELED GANGER__V1__TASK_STATE__CANCELED
#define RUNNING GANGER__V1__TASK_STATE__RUNNING
#define READY GANGER__V1__TASK_STATE__READY

static void start(unsigned slots, const char *profiles)
{
    site_write_profiles(slots, profiles);
    site_start_worker();
}

static void expect_output(uint64_t task_id, uint64_t fence, const void *expected, size_t expected_size)
{
    size_t size = 0;
    CLEANUP(free)
    char *output = NULL;

    cr_assert(WAIT_UNTIL((output = site_output(task_id, fence, "stdout", &size)) != NULL, SITE_LIMIT_MS));
    cr_expect_eq(size, expected_size);
    cr_expect(size == expected_size && memcmp(output, expected, size) == 0, "other bytes have arrived");
}

static bool file_has(const char *name, const char *text)
{
    CLEANUP(free)
    char *path = site_file(name);
    CLEANUP(free)
    char *found = read_whole(path, NULL);
    return found != NULL && strstr(found, text) != NULL;
}

TestSuite(supervisor, .init = site_set_up, .fini = site_tear_down, .timeout = 180);

/* What agents get */

Test(supervisor, gives_the_payload_byte_for_byte_as_argument_as_stdin_and_as_file)
{
    static const char nasty[] =
        "`touch /tmp/x` $(id) \"quotes\" 'and' \\ $HOME {} * ; rm -rf /tmp/x\r\n\t&& \xC3\xA9\xFF|";
    static const char *const types[] = {"argument", "stdin", "file"};
    char payload[60 * 1024];
    uint64_t ids[3];

    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = nasty[i % (sizeof nasty - 1)];
    start(3, "[agent argument]\ncommand = $ argument\n"
             "[agent stdin]\ncommand = $ stdin\ninput = stdin\n"
             "[agent file]\ncommand = $ file\ninput = file\n");
    for (size_t i = 0; i < 3; i++)
        ids[i] = site_submit(types[i], payload, sizeof payload, NULL);
    for (size_t i = 0; i < 3; i++) {
        Ganger__V1__GetTaskResponse *response = site_wait(ids[i], COMPLETED);
        cr_expect_eq(response->task->attempts, 1);
        expect_output(ids[i], response->task->fence, payload, sizeof payload);
        ganger_free(response);
    }
}

Test(supervisor, fails_for_good_a_payload_that_cannot_be_an_argument)
{
    start(1, "[agent argument]\ncommand = $ argument\n");
    Ganger__V1__GetTaskResponse *response = site_wait(site_submit("argument", "a\0b", 3, NULL), FAILED);
    cr_expect_not_null(strstr(response->task->outcome->message, "NUL"), "%s", response->task->outcome->message);
    cr_expect_eq(response->task->deliveries, 1);
    ganger_free(response);
}

Test(supervisor, gives_its_agents_no_more_of_its_environment_than_the_profile_names)
{
    size_t size = 0;

    cr_assert_eq(setenv("SECRET_OF_THE_SUPERVISOR", "1", 1), 0);
    cr_assert_eq(setenv("NAMED", "yes", 1), 0);
    cr_assert_eq(setenv("CLAUDECODE", "1", 1), 0);
    start(1, "[agent environment]\ncommand = $ environment\nenvironment = NAMED CLAUDECODE SET='a b'\n");
    Ganger__V1__GetTaskResponse *response = site_wait(site_submit_text("environment", ""), COMPLETED);
    CLEANUP(free)
    char *output = site_output(response->task->task_id, response->task->fence, "stdout", &size);
    cr_assert_not_null(output);
    cr_expect_null(strstr(output, "SECRET"));
    cr_expect_null(strstr(output, "CLAUDECODE"));
    cr_expect_null(strstr(output, "PATH="));
    cr_expect_not_null(strstr(output, "NAMED=yes\n"));
    cr_expect_not_null(strstr(output, "SET=a b\n"));
    cr_expect_not_null(strstr(output, "GANGER_ATTEMPT=1\n"));
    cr_expect_not_null(strstr(output, "GANGER_AGENT_ID=host/environment1\n"));
    ganger_free(response);
}

Test(supervisor, takes_the_result_file_before_the_output)
{
    start(1, "[agent result]\ncommand = $ result\n[agent argument]\ncommand = $ argument\n");
    Ganger__V1__GetTaskResponse *response = site_wait(site_submit_text("result", "said in the file"), COMPLETED);
    cr_expect_eq(response->task->outcome->result.len, strlen("said in the file"));
    ganger_free(response);
    response = site_wait(site_submit_text("argument", "said on stdout"), COMPLETED);
    cr_expect_eq(response->task->outcome->result.len, strlen("said on stdout"));
    cr_expect_str_eq(response->task->outcome->content_type, "text/plain; charset=utf-8");
    ganger_free(response);
}

/* Limits */

Test(supervisor, never_starts_more_than_its_slots_and_the_maximum_of_a_type)
{
    uint64_t ids[24];
    unsigned running[2] = {0};
    unsigned most[2] = {0};
    unsigned most_together = 0;
    unsigned lines = 0;

    start(3, "[agent a]\ncommand = $ interval @/lines 0.05\nmax = 2\n[agent b]\ncommand = $ interval @/lines 0.05\n");
    for (size_t i = 0; i < 24; i++)
        ids[i] = site_submit_text(i < 12 ? "a" : "b", "");
    for (size_t i = 0; i < 24; i++)
        ganger_free(site_wait(ids[i], COMPLETED));

    CLEANUP(free)
    char *path = site_file("lines");
    CLEANUP(free)
    char *text = read_whole(path, NULL);
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0] != '\0'; lines++) {
        size_t type = strstr(line, "host/a") != NULL ? 0 : 1;
        running[type] += strncmp(line, "start", 5) == 0 ? 1U : -1U;
        most[type] = running[type] > most[type] ? running[type] : most[type];
        most_together = running[0] + running[1] > most_together ? running[0] + running[1] : most_together;
    }
    cr_expect_eq(lines, 48);
    cr_expect_leq(most[0], 2);
    cr_expect_eq(most_together, 3, "at most %u of both at once", most_together);
}

Test(supervisor, ends_an_agent_that_writes_more_than_its_profile_allows)
{
    start(1, "[agent flood]\ncommand = $ flood 100000000\noutput_max = 1M\ngrace = 100ms\n");
    Ganger__V1__TaskSpec spec = GANGER__V1__TASK_SPEC__INIT;
    spec.max_attempts = 1;
    uint64_t task_id = site_submit("flood", "", 0, &spec);
    Ganger__V1__GetTaskResponse *response = site_wait(task_id, FAILED);
    cr_expect_not_null(strstr(response->task->outcome->message, "output_max"), "%s", response->task->outcome->message);
    size_t size = 0;
    CLEANUP(free)
    char *output = site_output(task_id, response->task->fence, "stdout", &size);
    cr_expect_eq(size, 1048576);
    ganger_free(response);
}

/* Outcomes */

Test(supervisor, gives_a_task_back_whose_agent_exits_with_75)
{
    start(1, "[agent later]\ncommand = $ once @/flag 75\n");
    Ganger__V1__TaskSpec spec = GANGER__V1__TASK_SPEC__INIT;
    spec.backoff_ms = 50;
    Ganger__V1__GetTaskResponse *response = site_wait(site_submit("later", "", 0, &spec), COMPLETED);
    cr_expect_eq(response->task->deliveries, 2);
    cr_expect_eq(response->task->interruptions, 1);
    cr_expect_eq(response->task->attempts, 1);
    ganger_free(response);
}

Test(supervisor, tries_again_after_a_failure_and_says_how_it_ended)
{
    start(1, "[agent once]\ncommand = $ once @/flag 3\n[agent dies]\ncommand = $ raise 6\n");
    Ganger__V1__TaskSpec spec = GANGER__V1__TASK_SPEC__INIT;
    spec.backoff_ms = 50;
    Ganger__V1__GetTaskResponse *response = site_wait(site_submit("once", "", 0, &spec), COMPLETED);
    cr_expect_eq(response->task->attempts, 2);
    ganger_free(response);

    Ganger__V1__TaskSpec last = GANGER__V1__TASK_SPEC__INIT;
    last.max_attempts = 1;
    response = site_wait(site_submit("dies", "", 0, &last), FAILED);
    cr_expect_eq(response->task->outcome->signal, SIGABRT);
    cr_expect_eq(response->task->outcome->exit_status, -1);
    ganger_free(response);
}

Test(supervisor, ends_a_run_when_its_timeout_has_passed)
{
    start(1, "[agent slow]\ncommand = $ grandchildren @/ready\ngrace = 100ms\n");
    Ganger__V1__TaskSpec spec = GANGER__V1__TASK_SPEC__INIT;
    spec.run_timeout_ms = 500;
    spec.max_attempts = 1;
    Ganger__V1__GetTaskResponse *response = site_wait(site_submit("slow", "", 0, &spec), FAILED);
    cr_expect_not_null(strstr(response->task->outcome->message, "timeout"), "%s", response->task->outcome->message);
    cr_expect_eq(processes_with(site.directory), 0);
    ganger_free(response);
}

Test(supervisor, cancels_a_running_agent_with_all_that_it_has_started)
{
    start(1, "[agent slow]\ncommand = $ grandchildren @/ready\ngrace = 100ms\n");
    uint64_t task_id = site_submit_text("slow", "");
    cr_assert(WAIT_UNTIL(file_has("ready", "ready"), SITE_LIMIT_MS));
    cr_assert_eq(processes_with(site.directory), 3);
    site_cancel(task_id);
    ganger_free(site_wait(task_id, CANCELED));
    cr_expect_eq(processes_with(site.directory), 0, "the task was canceled before its processes were gone");
}

/* Faults */

Test(supervisor, gives_its_runs_back_when_it_is_told_to_stop)
{
    start(2, "[agent slow]\ncommand = $ grandchildren @/ready\ngrace = 100ms\n");
    uint64_t task_id = site_submit_text("slow", "");
    cr_assert(WAIT_UNTIL(file_has("ready", "ready"), SITE_LIMIT_MS));
    cr_expect_eq(process_stop(site.worker, SITE_LIMIT_MS), 0);
    site.worker = 0;
    Ganger__V1__GetTaskResponse *response = site_get(task_id);
    cr_expect_eq(response->task->state, READY, "state %d", response->task->state);
    cr_expect_eq(response->task->interruptions, 1);
    cr_expect_eq(response->task->attempts, 0);
    ganger_free(response);
    cr_expect_eq(processes_with(site.directory), 0);
    cr_expect_eq(site_shims(), 0);
    cr_expect_eq(site_run_directories(), 0);
}

Test(supervisor, that_was_killed_leaves_no_process_and_its_task_runs_again)
{
    start(1, "[agent slow]\ncommand = $ grandchildren @/ready\ngrace = 200ms\n");
    uint64_t task_id = site_submit_text("slow", "");
    cr_assert(WAIT_UNTIL(file_has("ready", "ready"), SITE_LIMIT_MS));
    process_kill(site.worker);
    cr_expect(WAIT_UNTIL(processes_with(site.directory) == 0 && site_shims() == 0, SITE_LIMIT_MS));

    start(1, "[agent slow]\ncommand = $ exit 0\n");
    Ganger__V1__GetTaskResponse *response = site_wait(task_id, COMPLETED);
    cr_expect_eq(response->task->interruptions, 1, "given back at once, not after its lease");
    ganger_free(response);
}

Test(supervisor, that_is_started_at_once_after_a_kill_waits_for_the_end_of_old_runs)
{
    char task_text[ID_TEXT_SIZE];
    char fence_text[ID_TEXT_SIZE];

    start(1, "[agent slow]\ncommand = $ grandchildren @/ready\ngrace = 3s\n");
    uint64_t task_id = site_submit_text("slow", "");
    cr_assert(WAIT_UNTIL(file_has("ready", "ready"), SITE_LIMIT_MS));
    Ganger__V1__GetTaskResponse *response = site_get(task_id);
    CLEANUP(free)
    char *old_run = format_text("%s/worker/runs/%s.%s/", site.directory, id_format(task_id, task_text),
                                id_format(response->task->fence, fence_text));
    ganger_free(response);
    cr_assert_eq(processes_with(old_run), 3);
    process_kill(site.worker);
    start(1, "[agent slow]\ncommand = $ interval @/lines 0\n");
    cr_assert(WAIT_UNTIL(file_has("lines", "start"), SITE_LIMIT_MS));
    cr_expect_eq(processes_with(old_run), 0, "a process of the old run lives when the new one begins");
    ganger_free(site_wait(task_id, COMPLETED));
}

Test(supervisor, keeps_its_agents_when_the_broker_is_killed)
{
    start(1, "[agent work]\ncommand = $ interval @/lines 1\n");
    uint64_t task_id = site_submit_text("work", "");
    cr_assert(WAIT_UNTIL(file_has("lines", "start"), SITE_LIMIT_MS));
    process_kill(site.broker);
    cr_assert(WAIT_UNTIL(file_has("lines", "end"), SITE_LIMIT_MS));
    site_start_broker();
    Ganger__V1__GetTaskResponse *response = site_wait(task_id, COMPLETED);
    cr_expect_eq(response->task->attempts, 1);
    cr_expect_eq(response->task->deliveries, 1);
    ganger_free(response);
    ganger_free(site_wait(site_submit_text("work", ""), COMPLETED));
}

Test(supervisor, sends_every_byte_though_the_context_store_is_killed)
{
    start(1, "[agent flood]\ncommand = sh -c '$ flood 3000000; echo > @/half; sleep 1; $ flood 3000000'\n"
             "environment = PATH\n");
    uint64_t task_id = site_submit_text("flood", "");
    cr_assert(WAIT_UNTIL(file_has("half", "\n"), SITE_LIMIT_MS));
    process_kill(site.context);
    site_start_context();
    Ganger__V1__GetTaskResponse *response = site_wait(task_id, COMPLETED);
    size_t size = 0;
    CLEANUP(free)
    char *output = NULL;
    cr_assert(
        WAIT_UNTIL((output = site_output(task_id, response->task->fence, "stdout", &size)) != NULL, SITE_LIMIT_MS));
    cr_expect_eq(size, 6000000);
    ganger_free(response);
}

Test(supervisor, reports_an_outcome_while_the_context_store_is_away_and_sends_the_output_later)
{
    start(1, "[agent argument]\ncommand = $ argument\n");
    process_kill(site.context);
    uint64_t task_id = site_submit_text("argument", "kept for later");
    Ganger__V1__GetTaskResponse *response = site_wait_finishing(task_id);
    cr_expect_eq(response->task->outcome->result.len, strlen("kept for later"));
    cr_expect_eq(site_run_directories(), 1);
    ganger_free(response);
    site_start_context();
    response = site_wait(task_id, COMPLETED);
    cr_expect_not(response->task->output_incomplete);
    expect_output(task_id, response->task->fence, "kept for later", strlen("kept for later"));
    cr_expect(WAIT_UNTIL(site_run_directories() == 0, SITE_LIMIT_MS));
    ganger_free(response);
}

Test(supervisor, that_was_killed_with_output_on_its_way_says_so_when_it_starts_again)
{
    start(1, "[agent argument]\ncommand = $ argument\n");
    process_kill(site.context);
    uint64_t task_id = site_submit_text("argument", "lost");
    ganger_free(site_wait_finishing(task_id));
    process_kill(site.worker);
    site_start_worker();
    Ganger__V1__GetTaskResponse *response = site_wait(task_id, COMPLETED);
    cr_expect(response->task->output_incomplete);
    cr_expect_eq(response->task->deliveries, 1);
    ganger_free(response);
    site_start_context();
    response = site_wait(site_submit_text("argument", "not lost"), COMPLETED);
    cr_expect_not(response->task->output_incomplete);
    ganger_free(response);
}

Test(supervisor, claims_nothing_more_when_too_much_output_waits_for_the_context_store)
{
    start(1, "spool_max = 1K\n[agent flood]\ncommand = $ flood 4096\n");
    process_kill(site.context);
    ganger_free(site_wait_finishing(site_submit_text("flood", "")));
    uint64_t task_id = site_submit_text("flood", "");
    pause_ms(300);
    Ganger__V1__GetTaskResponse *response = site_get(task_id);
    cr_expect_eq(response->task->state, READY);
    ganger_free(response);
    site_start_context();
    ganger_free(site_wait(task_id, COMPLETED));
}

Test(supervisor, ends_what_a_killed_shim_has_left)
{
    start(1, "[agent slow]\ncommand = $ grandchildren @/ready\n[agent ok]\ncommand = $ exit 0\n");
    Ganger__V1__TaskSpec spec = GANGER__V1__TASK_SPEC__INIT;
    spec.max_attempts = 1;
    uint64_t task_id = site_submit("slow", "", 0, &spec);
    cr_assert(WAIT_UNTIL(file_has("ready", "ready"), SITE_LIMIT_MS));
    pid_t shim = child_of(site.worker);
    cr_assert_gt(shim, 0);
    cr_assert_eq(kill(shim, SIGKILL), 0);
    Ganger__V1__GetTaskResponse *response = site_wait(task_id, FAILED);
    cr_expect_eq(response->task->crashes, 1);
    cr_expect_eq(processes_with(site.directory), 0, "told before its processes were gone");
    ganger_free(response);
    ganger_free(site_wait(site_submit_text("ok", ""), COMPLETED));
}

Test(supervisor, that_slept_past_its_lease_is_asked_to_kill_the_run_and_confirms_it)
{
    start(1, "[agent work]\ncommand = sh -c 'if [ -e @/flag ]; then exit 0; fi; echo begun > @/flag; sleep 60'\n"
             "environment = PATH\ngrace = 100ms\n");
    Ganger__V1__TaskSpec spec = GANGER__V1__TASK_SPEC__INIT;
    spec.backoff_ms = 50;
    uint64_t task_id = site_submit("work", "", 0, &spec);
    cr_assert(WAIT_UNTIL(file_has("flag", "begun"), SITE_LIMIT_MS));
    cr_assert_eq(kill(site.worker, SIGSTOP), 0);
    cr_assert(WAIT_UNTIL(({
                             Ganger__V1__GetTaskResponse *response = site_get(task_id);
                             bool lost = response->task->reaping;
                             ganger_free(response);
                             lost;
                         }),
                         SITE_LIMIT_MS));
    cr_assert_eq(kill(site.worker, SIGCONT), 0);
    Ganger__V1__GetTaskResponse *response = site_wait(task_id, COMPLETED);
    cr_expect_eq(response->task->deliveries, 2);
    cr_expect_eq(response->task->crashes, 1);
    cr_expect_eq(processes_with(site.directory), 0, "the old run has ended before the new one began");
    ganger_free(response);
}

Test(supervisor, whose_name_is_taken_ends_itself_and_its_agents)
{
    start(1, "[agent slow]\ncommand = $ grandchildren @/ready\ngrace = 100ms\n");
    uint64_t task_id = site_submit_text("slow", "");
    cr_assert(WAIT_UNTIL(file_has("ready", "ready"), SITE_LIMIT_MS));
    site_write_profiles(1, "[agent slow]\ncommand = $ exit 0\n");
    pid_t twin = site_start_twin();
    int status = -1;
    cr_assert(WAIT_UNTIL((status = process_poll(site.worker)) >= 0, SITE_LIMIT_MS));
    cr_expect_eq(WEXITSTATUS(status), 1);
    cr_expect(WAIT_UNTIL(processes_with(site.directory) == 0, SITE_LIMIT_MS));
    ganger_free(site_wait(task_id, COMPLETED));
    site.worker = twin;
}

Test(supervisor, leaves_no_descriptor_and_no_zombie_after_many_runs)
{
    uint64_t last_id = 0;

    start(4, "[agent none]\ncommand = $ exit 0\n");
    ganger_free(site_wait(site_submit_text("none", ""), COMPLETED));
    cr_assert(WAIT_UNTIL(site_run_directories() == 0 && child_of(site.worker) == 0, SITE_LIMIT_MS));
    /* The first run's last descriptors may still be open here, so there may be fewer in the end, but never more. */
    size_t before = descriptors_of(site.worker);
    for (int i = 0; i < 200; i++)
        last_id = site_submit_text("none", "");
    ganger_free(site_wait(last_id, COMPLETED));
    cr_expect(WAIT_UNTIL(site_run_directories() == 0 && child_of(site.worker) == 0, SITE_LIMIT_MS));
    cr_expect(WAIT_UNTIL(descriptors_of(site.worker) <= before, SITE_LIMIT_MS));
}

Test(supervisor, goes_on_with_the_output_of_an_agent_that_has_cut_it)
{
    start(1, "[agent cut]\ncommand = sh -c 'echo the first; until [ -e @/go ]; do sleep 0.02; done; : > /dev/stdout; "
             "echo two'\n"
             "environment = PATH\n");
    uint64_t task_id = site_submit_text("cut", "");
    Ganger__V1__GetTaskResponse *response = site_wait(task_id, RUNNING);
    cr_assert(WAIT_UNTIL(site_output_length(task_id, response->task->fence, "stdout") == 10, SITE_LIMIT_MS));
    CLEANUP(free)
    char *go = site_file("go");
    cr_assert(configuration_write(go, "go"));
    ganger_free(site_wait(task_id, COMPLETED));
    expect_output(task_id, response->task->fence, "the first\ntwo\n", 14);
    ganger_free(response);
}

Test(supervisor, runs_an_agent_in_the_directory_that_the_profile_names_and_leaves_it_alone)
{
    CLEANUP(free)
    char *work = site_file("work");
    cr_assert_eq(mkdir(work, 0700), 0);
    start(1, "[agent make]\ncommand = sh -c 'pwd; echo made > file'\nenvironment = PATH\nworkspace = directory:@/work\n"
             "[agent none]\ncommand = $ exit 0\nworkspace = directory:@/none\n");
    Ganger__V1__GetTaskResponse *response = site_wait(site_submit_text("make", ""), COMPLETED);
    cr_expect(file_has("work/file", "made"));
    ganger_free(response);

    uint64_t task_id = site_submit_text("none", "");
    response = site_wait(task_id, GANGER__V1__TASK_STATE__SCHEDULED);
    cr_expect_eq(response->task->attempts, 0, "a start that failed is not an attempt");
    ganger_free(response);
    site_cancel(task_id);
}

/* Profiles */

Test(supervisor, says_that_a_program_is_missing_and_takes_its_tasks_when_it_is_there)
{
    bool available = true;
    char problem[256] = "";

    start(1, "[agent late]\ncommand = @/agent exit 0\n");
    uint64_t task_id = site_submit_text("late", "");
    cr_assert(WAIT_UNTIL(site_profile("late", &available, problem, sizeof problem), SITE_LIMIT_MS));
    cr_expect_not(available);
    cr_expect_not_null(strstr(problem, "no such program"), "%s", problem);
    Ganger__V1__GetTaskResponse *response = site_get(task_id);
    cr_expect_eq(response->task->deliveries, 0);
    ganger_free(response);

    CLEANUP(free)
    char *path = site_file("agent");
    cr_assert_eq(symlink(TEST_AGENT, path), 0);
    ganger_free(site_wait(task_id, COMPLETED));
    cr_expect(WAIT_UNTIL(site_profile("late", &available, problem, sizeof problem) && available, SITE_LIMIT_MS));
}

Test(supervisor, that_reads_its_profiles_again_does_not_touch_running_agents)
{
    start(2, "[agent old]\ncommand = $ interval @/lines 1\n");
    uint64_t old_id = site_submit_text("old", "");
    uint64_t new_id = site_submit_text("new", "");
    cr_assert(WAIT_UNTIL(file_has("lines", "start"), SITE_LIMIT_MS));
    site_write_profiles(2, "[agent new]\ncommand = $ exit 0\n");
    cr_assert_eq(kill(site.worker, SIGHUP), 0);
    ganger_free(site_wait(new_id, COMPLETED));
    Ganger__V1__GetTaskResponse *response = site_wait(old_id, COMPLETED);
    cr_expect_eq(response->task->attempts, 1);
    ganger_free(response);
}
