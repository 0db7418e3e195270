#include "common/base/check.h"
#include "common/base/cleanup.h"
#include "tests/worker/processes.h"
#include "worker/run_directory.h"
#include "worker/shim/remove.h"
#include "worker/shim_link.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define LIMIT_MS 30000
#define ARGUMENTS_MAX 8

static struct {
    char *state;
    char *mark;
    struct run_directory directory;
    struct shim_link link;
} run;

static void set_up(void)
{
    struct error error = {0};

    run.state = make_directory();
    run.mark = format_text("GANGER_TEST_MARK=%s", run.state);
    CLEANUP(free)
    char *runs = format_text("%s/runs", run.state);
    cr_assert_eq(mkdir(runs, 0700), 0);
    cr_assert_eq(run_directory_new(run.state, 1, 1, &run.directory, &error), STATUS_OK, "%s", error.message);
}

static void tear_down(void)
{
    shim_link_done(&run.link);
    (void)WAIT_UNTIL(processes_with(run.mark) == 0, 5000);
    processes_end(run.mark);
    run_directory_remove(&run.directory);
    (void)remove_tree(run.state);
    free(run.state);
    free(run.mark);
}

static char *file(const char *name)
{
    return run_directory_file(&run.directory, name);
}

static void spawn(void)
{
    struct error error = {0};
    CLEANUP(free)
    char *log = file("shim.log");
    cr_assert_eq(shim_spawn(GANGER_SHIM, run.directory.lock, log, &run.link, &error), STATUS_OK, "%s", error.message);
}

/* The program, and up to three arguments. */
static void begin(const char *program, const char *first, const char *second, const char *third)
{
    struct error error = {0};
    CLEANUP(free)
    char *out = file("stdout");
    CLEANUP(free)
    char *err = file("stderr");
    const char *const environment[] = {run.mark, "PATH=/usr/bin:/bin", NULL};
    const char *const arguments[] = {program, first, second, third, NULL};
    struct shim_job job = {
        .program = program,
        .directory = run.directory.path,
        .stdin_path = "/dev/null",
        .stdout_path = out,
        .stderr_path = err,
        .arguments = arguments,
        .environment = environment,
        .linger_ms = 200,
        .grace_ms = 100,
    };
    cr_assert_eq(shim_begin(&run.link, &job, &error), STATUS_OK, "%s", error.message);
}

static void start(const char *first, const char *second)
{
    spawn();
    begin(TEST_AGENT, first, second, NULL);
}

/* The next report, which must be of this kind. */
static struct shim_report expect(enum shim_report_kind kind)
{
    struct shim_report report = {0};
    struct pollfd item = {.fd = run.link.control, .events = POLLIN};
    bool closed = false;

    cr_assert_eq(poll(&item, 1, LIMIT_MS), 1, "no report within the limit");
    cr_assert(shim_receive(&run.link, &report, &closed), "the shim is gone");
    cr_assert_eq(report.kind, kind, "report %d instead of %d", report.kind, kind);
    return report;
}

static bool wait_for_text(const char *name, const char *text)
{
    CLEANUP(free)
    char *path = file(name);
    return WAIT_UNTIL(({
                          CLEANUP(free)
                          char *found = read_whole(path, NULL);
                          found != NULL &&strstr(found, text) != NULL;
                      }),
                      LIMIT_MS);
}

static void expect_end(void)
{
    int status = 0;
    cr_assert(WAIT_UNTIL(shim_reap(&run.link, &status), LIMIT_MS));
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the shim itself failed: %d", status);
    cr_expect_eq(processes_with(run.mark), 0);
}

TestSuite(shim, .init = set_up, .fini = tear_down, .timeout = 120);

Test(shim, that_exits_reports_the_status_of_its_agent)
{
    start("exit", "7");
    cr_expect_gt(expect(SHIM_STARTED).pid, 0);
    struct shim_report report = expect(SHIM_EXITED);
    cr_expect_eq(report.exit_status, 7);
    cr_expect_eq(report.signal, 0);
    cr_expect_gt(expect(SHIM_GONE).memory_peak_bytes, 0);
    expect_end();
}

Test(shim, reports_the_signal_that_ended_its_agent)
{
    start("raise", "6");
    (void)expect(SHIM_STARTED);
    struct shim_report report = expect(SHIM_EXITED);
    cr_expect_eq(report.signal, SIGABRT);
    cr_expect_eq(report.exit_status, -1);
    (void)expect(SHIM_GONE);
    expect_end();
}

Test(shim, tells_a_program_that_cannot_be_executed_from_one_that_failed)
{
    spawn();
    begin("/nonexistent/agent", NULL, NULL, NULL);
    struct shim_report report = expect(SHIM_START_FAILED);
    cr_expect_eq(report.step, SHIM_STEP_PROGRAM);
    cr_expect_eq(report.error, ENOENT);
    (void)expect(SHIM_GONE);
    expect_end();
}

Test(shim, says_that_the_working_directory_is_missing)
{
    spawn();
    free(run.directory.path);
    run.directory.path = format_text("%s/runs/none", run.state);
    begin("/bin/true", NULL, NULL, NULL);
    struct shim_report report = expect(SHIM_START_FAILED);
    cr_expect_eq(report.step, SHIM_STEP_DIRECTORY);
    cr_expect_eq(report.error, ENOENT);
    (void)expect(SHIM_GONE);
    expect_end();
}

Test(shim, gives_its_agent_a_session_of_its_own_and_no_descriptor_of_ours)
{
    spawn();
    begin("/bin/sh", "-c",
          "ls /proc/self/fd; ulimit -n; read -r pid name state parent group session rest < /proc/self/stat; "
          "[ $$ = $session ] && echo own",
          NULL);
    (void)expect(SHIM_STARTED);
    (void)expect(SHIM_EXITED);
    (void)expect(SHIM_GONE);
    CLEANUP(free)
    char *path = file("stdout");
    CLEANUP(free)
    char *text = read_whole(path, NULL);
    /* ls has its directory open as 3. */
    cr_expect_eq(strncmp(text, "0\n1\n2\n3\n", 8), 0, "%s", text);
    cr_expect_null(strstr(text, "\n4\n"));
    cr_expect_not_null(strstr(text, "own\n"));
    cr_expect_not_null(strstr(text, "\n1024\n"), "%s", text);
    expect_end();
}

Test(shim, catches_two_hundred_daemons_that_left_by_double_fork_and_setsid)
{
    start("daemons", "200");
    (void)expect(SHIM_STARTED);
    cr_assert(wait_for_text("stdout", "ready"));
    cr_assert_eq(processes_with(run.mark), 201);
    uint64_t before = now_ms();
    shim_command(&run.link, SHIM_KILL);
    (void)expect(SHIM_EXITED);
    struct shim_report report = expect(SHIM_GONE);
    cr_log_info("200 daemons gone after %llu ms", (unsigned long long)(now_ms() - before));
    cr_expect_eq(report.killed, 200);
    expect_end();
}

Test(shim, ends_what_outlives_the_main_process)
{
    start("strays", "20");
    (void)expect(SHIM_STARTED);
    cr_expect_eq(expect(SHIM_EXITED).exit_status, 0);
    cr_expect_eq(expect(SHIM_GONE).killed, 20);
    expect_end();
}

Test(shim, kills_an_agent_that_ignores_SIGTERM)
{
    start("ignore-term", "60");
    (void)expect(SHIM_STARTED);
    cr_assert(wait_for_text("stdout", "ready"));
    shim_command(&run.link, SHIM_TERMINATE);
    struct pollfd item = {.fd = run.link.control, .events = POLLIN};
    cr_expect_eq(poll(&item, 1, 300), 0, "SIGTERM alone does not end it");
    shim_command(&run.link, SHIM_KILL);
    cr_expect_eq(expect(SHIM_EXITED).signal, SIGKILL);
    (void)expect(SHIM_GONE);
    expect_end();
}

Test(shim, sends_SIGTERM_to_every_descendant)
{
    spawn();
    begin("/bin/sh", "-c", "setsid sleep 60 & sleep 60 & echo ready; wait", NULL);
    (void)expect(SHIM_STARTED);
    cr_assert(wait_for_text("stdout", "ready"));
    cr_assert(WAIT_UNTIL(processes_with(run.mark) == 3, LIMIT_MS));
    shim_command(&run.link, SHIM_TERMINATE);
    cr_expect_eq(expect(SHIM_EXITED).signal, SIGTERM);
    cr_expect_eq(expect(SHIM_GONE).killed, 0);
    expect_end();
}

Test(shim, wins_against_a_fork_bomb)
{
    start("bomb", "300");
    (void)expect(SHIM_STARTED);
    cr_assert(wait_for_text("stdout", "ready"));
    shim_command(&run.link, SHIM_KILL);
    (void)expect(SHIM_EXITED);
    (void)expect(SHIM_GONE);
    expect_end();
}

Test(shim, wins_against_a_process_that_forks_and_exits_all_the_time)
{
    start("comet", "20");
    (void)expect(SHIM_STARTED);
    (void)expect(SHIM_EXITED);
    (void)expect(SHIM_GONE);
    CLEANUP(free)
    char *path = file("stdout");
    CLEANUP(free)
    char *text = read_whole(path, NULL);
    cr_expect_str_eq(text, "ready\n", "it went on to its own end");
    expect_end();
}

Test(shim, ends_its_run_when_the_supervisor_is_gone)
{
    start("daemons", "10");
    (void)expect(SHIM_STARTED);
    cr_assert(wait_for_text("stdout", "ready"));
    fd_close(run.link.control);
    run.link.control = -1;
    expect_end();
}

Test(shim, without_an_order_goes_when_the_supervisor_is_gone)
{
    spawn();
    fd_close(run.link.control);
    run.link.control = -1;
    expect_end();
}

static uint64_t boot_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

Test(shim, ends_its_run_alone_when_the_fence_time_has_come)
{
    start("ignore-term", "60");
    (void)expect(SHIM_STARTED);
    cr_assert(wait_for_text("stdout", "ready"));
    shim_set_fence(&run.link, boot_ms() + 50, 50);
    struct shim_report report = expect(SHIM_EXITED);
    cr_expect_eq(report.signal, SIGKILL);
    cr_expect_eq(report.alone, 1);
    (void)expect(SHIM_GONE);
    expect_end();
}

Test(shim, keeps_the_latest_fence_time_that_it_was_told)
{
    start("sleep", "0.5");
    (void)expect(SHIM_STARTED);
    shim_set_fence(&run.link, boot_ms() + 300, 50);
    shim_set_fence(&run.link, boot_ms() + 60000, 50);
    struct shim_report report = expect(SHIM_EXITED);
    cr_expect_eq(report.exit_status, 0);
    cr_expect_eq(report.alone, 0);
    (void)expect(SHIM_GONE);
    expect_end();
}

Test(shim, that_systemd_terminates_ends_its_run)
{
    start("daemons", "3");
    (void)expect(SHIM_STARTED);
    cr_assert(wait_for_text("stdout", "ready"));
    cr_assert_eq(kill(run.link.pid, SIGTERM), 0);
    (void)expect(SHIM_EXITED);
    (void)expect(SHIM_GONE);
    expect_end();
}

Test(shim, refuses_an_order_that_is_not_well_formed)
{
    spawn();
    struct shim_order order = {.version = SHIM_VERSION, .size = sizeof order + 4, .argument_count = 1000};
    cr_assert_eq(pwrite(run.link.order, &order, sizeof order, 0), (ssize_t)sizeof order);
    cr_assert_eq(pwrite(run.link.order, "abcd", 4, sizeof order), 4);
    shim_command(&run.link, SHIM_BEGIN);
    cr_expect_eq(expect(SHIM_START_FAILED).step, SHIM_STEP_ORDER);
    (void)expect(SHIM_GONE);
    expect_end();
}

Test(shim, loses_no_byte_of_an_agent_that_writes_much_and_exits_at_once)
{
    start("flood", "5000000");
    (void)expect(SHIM_STARTED);
    cr_expect_eq(expect(SHIM_EXITED).exit_status, 0);
    (void)expect(SHIM_GONE);
    struct stat status;
    CLEANUP(free)
    char *path = file("stdout");
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_eq(status.st_size, 5000000);
    expect_end();
}

Test(shim, holds_the_lock_of_its_run_directory_and_names_itself_in_it)
{
    struct old_run *runs = NULL;

    start("sleep", "60");
    (void)expect(SHIM_STARTED);
    fd_close(run.directory.lock);
    run.directory.lock = -1;
    cr_assert_eq(old_runs_sweep(run.state, NULL, NULL, &runs), 1);
    cr_expect(runs[0].held);
    cr_expect_eq(runs[0].shim.pid, run.link.pid);
    old_runs_free(runs, 1);

    shim_command(&run.link, SHIM_KILL);
    (void)expect(SHIM_EXITED);
    (void)expect(SHIM_GONE);
    expect_end();
    cr_expect_eq(old_runs_sweep(run.state, NULL, NULL, &runs), 0);
    cr_expect_eq(access(run.directory.path, F_OK), -1, "nobody holds it: it is removed");
    old_runs_free(runs, 0);
}

Test(shim, leaves_a_killed_shims_processes_to_the_nearest_subreaper)
{
    start("daemons", "5");
    (void)expect(SHIM_STARTED);
    cr_assert(wait_for_text("stdout", "ready"));
    cr_assert_eq(tree_kill(run.link.pid, true), 7);
    int status = 0;
    cr_assert(WAIT_UNTIL(shim_reap(&run.link, &status), LIMIT_MS));
    cr_expect(WAIT_UNTIL(processes_with(run.mark) == 0, LIMIT_MS));
}

/* The kernel tells of the unread command first (ECONNRESET), and of what was said before the end only then. */
Test(shim_link, hears_the_last_reports_of_a_shim_that_ended_with_a_command_unread)
{
    int ends[2];
    struct shim_report said = {.version = SHIM_VERSION, .kind = SHIM_EXITED, .exit_status = 3};
    struct shim_report heard = {0};
    bool closed = false;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    struct shim_link link = {.pidfd = -1, .control = ends[0], .order = -1};
    shim_set_fence(&link, 1, 1);
    cr_assert_eq(send(ends[1], &said, sizeof said, MSG_NOSIGNAL), (ssize_t)sizeof said);
    fd_close(ends[1]);
    cr_assert(shim_receive(&link, &heard, &closed), "the report is lost");
    cr_assert_eq(heard.exit_status, 3);
    cr_assert_not(shim_receive(&link, &heard, &closed));
    cr_assert(closed);
    shim_link_done(&link);
}
