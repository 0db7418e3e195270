/* A real daemon on the skeleton, seen from outside: what it tells its service manager and how it ends. */
#include "tests/daemon/child.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

static const char *const nothing[] = {NULL};
static struct child child;

static void make_child(void)
{
    child_init(&child);
}

static void remove_child(void)
{
    child_done(&child);
}

TestSuite(daemon, .init = make_child, .fini = remove_child, .timeout = 60);

/* Runs it with these arguments until it ends by itself. */
static int exit_status_of(const char *const *arguments)
{
    child_start(&child, arguments, nothing);
    return child_wait(&child);
}

#define assert_says(text) cr_assert(strstr(child.output, text) != NULL, "%s", child.output)

Test(daemon, says_when_it_is_ready_and_when_it_stops)
{
    child_start(&child, nothing, nothing);
    cr_assert(child_hears(&child, "STATUS=hello, files all"), "the descriptors' limit is raised");
    cr_assert(child_hears(&child, "READY=1"));
    child_signal(&child, SIGTERM);
    cr_assert(child_hears(&child, "STOPPING=1"));
    cr_assert_eq(child_wait(&child), 0);
    assert_says("done\n");
}

Test(daemon, stops_on_interrupt_too)
{
    child_start(&child, nothing, nothing);
    cr_assert(child_hears(&child, "READY=1"));
    child_signal(&child, SIGINT);
    cr_assert_eq(child_wait(&child), 0);
}

Test(daemon, stops_at_once_when_it_is_asked_twice)
{
    static const char *const arguments[] = {"--set=test.stop=hangs", NULL};

    child_start(&child, arguments, nothing);
    cr_assert(child_hears(&child, "READY=1"));
    child_signal(&child, SIGTERM);
    cr_assert(child_hears(&child, "STOPPING=1"));
    child_signal(&child, SIGTERM);
    cr_assert_eq(child_wait(&child), 1);
    assert_says("done\n");
}

Test(daemon, reads_its_configuration_again_on_hangup)
{
    static const char *const arguments[] = {"--config=%s/test.conf", NULL};

    child_write_file(&child, "test.conf", "[test]\ngreeting = first\n");
    child_start(&child, arguments, nothing);
    cr_assert(child_hears(&child, "STATUS=first, files all"));
    cr_assert(child_hears(&child, "READY=1"));
    child_write_file(&child, "test.conf", "[test]\ngreeting = second\n");
    child_signal(&child, SIGHUP);
    cr_assert(child_hears(&child, "RELOADING=1"));
    cr_assert(strstr(child.message, "\nMONOTONIC_USEC=") != NULL, "in the same message: %s", child.message);
    cr_assert(child_hears(&child, "STATUS=second again"));
    cr_assert(child_hears(&child, "READY=1"));
    child_signal(&child, SIGTERM);
    cr_assert_eq(child_wait(&child), 0);
}

Test(daemon, keeps_the_old_configuration_when_the_new_one_is_bad)
{
    static const char *const arguments[] = {"--config=%s/test.conf", NULL};

    child_write_file(&child, "test.conf", "[test]\ngreeting = first\n");
    child_start(&child, arguments, nothing);
    cr_assert(child_hears(&child, "READY=1"));
    child_write_file(&child, "test.conf", "[test]\ngreting = second\n");
    child_signal(&child, SIGHUP);
    cr_assert(child_hears(&child, "RELOADING=1"));
    cr_assert(child_hears(&child, "READY=1"));
    child_write_file(&child, "test.conf", "[test]\ngreeting = third\n");
    child_signal(&child, SIGHUP);
    cr_assert(child_hears(&child, "STATUS=third again"));
    child_signal(&child, SIGTERM);
    cr_assert_eq(child_wait(&child), 0);
    assert_says("/test.conf:2: unknown key");
}

Test(daemon, feeds_the_watchdog)
{
    static const char *const environment[] = {"WATCHDOG_USEC=200000", NULL};

    child_start(&child, nothing, environment);
    cr_assert(child_hears(&child, "READY=1"));
    for (int i = 0; i < 3; i++)
        cr_assert(child_hears(&child, "WATCHDOG=1"));
    child_signal(&child, SIGTERM);
    cr_assert_eq(child_wait(&child), 0);
}

Test(daemon, that_is_stuck_does_not_feed_the_watchdog)
{
    static const char *const arguments[] = {"--set=test.turns=stuck", NULL};
    static const char *const environment[] = {"WATCHDOG_USEC=400000", NULL};

    child_start(&child, arguments, environment);
    cr_assert(child_hears(&child, "READY=1"));
    cr_assert_not(child_hears_within(&child, "WATCHDOG=1", 1000));
    child_signal(&child, SIGKILL);
    cr_assert_eq(child_wait(&child), 128 + SIGKILL);
}

Test(daemon, fails_with_1_when_it_cannot_start)
{
    static const char *const arguments[] = {"--set=test.setup=fails", NULL};

    cr_assert_eq(exit_status_of(arguments), 1);
    assert_says("told to fail");
    cr_assert_not(child_hears_within(&child, "READY=1", 0));
}

Test(daemon, fails_with_78_when_its_setup_rejects_the_configuration)
{
    static const char *const arguments[] = {"--set=test.setup=rejects", NULL};

    cr_assert_eq(exit_status_of(arguments), 78);
    assert_says("told to reject");
}

Test(daemon, fails_with_78_when_the_configuration_is_bad)
{
    static const char *const arguments[] = {"--set=test.patience=61s", NULL};

    cr_assert_eq(exit_status_of(arguments), 78);
    assert_says("option: patience: is 61s, must be 1s to 1m");
}

Test(daemon, fails_with_78_when_the_file_asked_for_is_missing)
{
    static const char *const arguments[] = {"--config=%s/absent.conf", NULL};

    cr_assert_eq(exit_status_of(arguments), 78);
    assert_says("absent.conf: there is no such file");
}

Test(daemon, fails_with_2_on_an_unknown_option)
{
    static const char *const arguments[] = {"--bogus", NULL};

    cr_assert_eq(exit_status_of(arguments), 2);
    assert_says("--bogus");
}

Test(daemon, fails_with_2_on_an_argument)
{
    static const char *const arguments[] = {"start", NULL};

    cr_assert_eq(exit_status_of(arguments), 2);
    assert_says("\"start\"");
}

Test(daemon, shows_its_help)
{
    static const char *const arguments[] = {"--help", NULL};

    cr_assert_eq(exit_status_of(arguments), 0);
    assert_says("A daemon for the tests.");
    assert_says("--show-config");
}

Test(daemon, shows_its_version)
{
    static const char *const arguments[] = {"--version", NULL};

    cr_assert_eq(exit_status_of(arguments), 0);
    assert_says("ganger-test " GANGER_VERSION "\n");
}

Test(daemon, shows_its_configuration_with_every_origin)
{
    static const char *const arguments[] = {"--config=%s/test.conf", "--set=test.setup=fails", "--show-config", NULL};
    static const char *const environment[] = {"GANGER_TEST_STOP=hangs", NULL};

    child_write_file(&child, "test.conf", "[test]\ngreeting = hey\n");
    child_start(&child, arguments, environment);
    cr_assert_eq(child_wait(&child), 0);
    assert_says("[test]\ngreeting = hey ; ");
    assert_says("/test.conf:2\nsetup = fails ; option\nstop = hangs ; environment\nturns = on ; default\n");
    cr_assert_not(child_hears_within(&child, "READY=1", 0), "and does not start");
}

Test(daemon, checks_its_configuration_and_says_nothing_when_it_is_right)
{
    static const char *const arguments[] = {"--check-config", NULL};

    cr_assert_eq(exit_status_of(arguments), 0);
    cr_assert_str_eq(child.output, "");
}

Test(daemon, checks_its_configuration_and_says_what_is_wrong)
{
    static const char *const arguments[] = {"--config=%s/test.conf", "--check-config", NULL};

    child_write_file(&child, "test.conf", "\n\n[test]\npatience = soon\n");
    cr_assert_eq(exit_status_of(arguments), 78);
    assert_says("test.conf:4: patience: is ");
}

Test(daemon, does_what_a_mode_says_instead_of_running)
{
    static const char *const arguments[] = {"--set=test.greeting=hi", "--greet=world", NULL};

    cr_assert_eq(exit_status_of(arguments), 0);
    cr_assert_str_eq(child.output, "hi, world\n");
}

Test(daemon, says_what_a_mode_refuses)
{
    static const char *const arguments[] = {"--greet=", NULL};

    cr_assert_eq(exit_status_of(arguments), 1);
    assert_says("there is nobody to greet");
}

Test(daemon, logs_more_when_it_is_told_to)
{
    static const char *const arguments[] = {"--debug", NULL};

    child_start(&child, arguments, nothing);
    cr_assert(child_hears(&child, "READY=1"));
    child_signal(&child, SIGTERM);
    cr_assert_eq(child_wait(&child), 0);
    assert_says("<7>ganger-test: ");
}
