#include "common/daemon/daemon.h"

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/daemon/arguments.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

struct run {
    struct daemon daemon;
    const struct daemon_spec *spec;
    const struct arguments *arguments;
    void *state;
};

/* Where the coverage build keeps its counts: _exit does not write them. */
extern void __gcov_dump(void) __attribute__((weak)); // NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *signal, void *data)
{
    struct run *run = data;

    (void)source;
    if (run->daemon.stopping) {
        log_warning("Asked to stop a second time, stopping at once", log_number("signal", signal->ssi_signo));
        daemon_exit(&run->daemon, EXIT_FAILURE);
        return 0;
    }
    log_info("Stopping", log_number("signal", signal->ssi_signo), log_number("by_pid", signal->ssi_pid));
    run->daemon.stopping = true;
    (void)sd_notify(0, "STOPPING=1");
    if (run->spec->stop != NULL)
        run->spec->stop(&run->daemon, run->state);
    else
        daemon_exit(&run->daemon, EXIT_SUCCESS);
    return 0;
}

static void read_again(struct run *run)
{
    struct config *config = NULL;
    struct error error = {0};

    if (arguments_load_config(run->spec, run->arguments, &config, &error) != STATUS_OK) {
        log_error("The new configuration is bad, the old one stays", log_text("reason", error.reason),
                  log_text("error", error.message));
        return;
    }
    struct config *old = run->daemon.config;
    run->daemon.config = config;
    run->spec->reload(&run->daemon, run->state);
    config_free(old);
    log_info("Configuration read again");
}

/* systemd 252 has no Type=notify-reload: with Type=notify it wants to be told of both ends of a reload, the first with
 * the monotonic time. */
static int on_reload(sd_event_source *source, const struct signalfd_siginfo *signal, void *data)
{
    struct run *run = data;
    struct timespec now;

    (void)source;
    (void)signal;
    if (run->spec->reload == NULL || run->daemon.stopping)
        return 0;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                     (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    read_again(run);
    (void)sd_notify(0, "READY=1");
    return 0;
}

/* Blocked before any thread starts, so that they arrive in the loop and nowhere else. */
static void block_signals(void)
{
    sigset_t signals;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    CHECK(sigprocmask(SIG_BLOCK, &signals, NULL) == 0);
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
}

/* libzmq spins when it is out of descriptors. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static enum status make_loop(struct run *run, struct error *error)
{
    sd_event **event = &run->daemon.event;

    int code = sd_event_new(event);
    if (code >= 0)
        code = sd_event_add_signal(*event, NULL, SIGTERM, on_stop, run);
    if (code >= 0)
        code = sd_event_add_signal(*event, NULL, SIGINT, on_stop, run);
    if (code >= 0)
        code = sd_event_add_signal(*event, NULL, SIGHUP, on_reload, run);
    /* Fed between two turns of the loop: a daemon that hangs in one of them is found out. */
    if (code >= 0)
        code = sd_event_set_watchdog(*event, 1);
    if (code < 0)
        return error_set(error, STATUS_INTERNAL, "EVENT_LOOP", "event loop: %s", strerror(-code));
    return STATUS_OK;
}

static int log_failure(const char *message, const struct error *error)
{
    log_error(message, log_text("reason", error->reason), log_text("error", error->message));
    return error->reason != NULL && strcmp(error->reason, "BAD_CONFIG") == 0 ? EX_CONFIG : EXIT_FAILURE;
}

static int run_loop(struct run *run)
{
    struct error error = {.status = STATUS_INTERNAL};

    if (make_loop(run, &error) != STATUS_OK || run->spec->setup(&run->daemon, &run->state, &error) != STATUS_OK)
        return log_failure("Cannot start", &error);
    (void)sd_notify(0, "READY=1");
    log_info("Ready", log_text("version", GANGER_VERSION));
    log_debug("The loop begins", log_text("watchdog", getenv("WATCHDOG_USEC")));
    int code = sd_event_loop(run->daemon.event);
    if (code < 0) {
        (void)error_set(&error, STATUS_INTERNAL, "EVENT_LOOP", "event loop: %s", strerror(-code));
        code = log_failure("Failed", &error);
    }
    if (run->spec->done != NULL)
        run->spec->done(run->state);
    return code;
}

/* By _exit: libzmq's threads may still run, and what is to be kept is on disk already. */
static _Noreturn void leave(struct run *run, int exit_status)
{
    (void)sd_event_unref(run->daemon.event);
    config_free(run->daemon.config);
    (void)fflush(NULL);
    if (__gcov_dump != NULL)
        __gcov_dump();
    _exit(exit_status);
}

/* What it was asked for instead of running. */
static int do_once(const struct config *config, const struct arguments *arguments)
{
    struct error error = {0};

    if (arguments->action == ARGUMENTS_SHOW_CONFIG)
        config_print(config, stdout);
    if (arguments->action == ARGUMENTS_MODE &&
        arguments->mode->run(config, arguments->mode_argument, &error) != STATUS_OK)
        return log_failure("Refused", &error);
    return fflush(stdout) == 0 && ferror(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int daemon_main(const struct daemon_spec *spec, int argc, char **argv)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    struct run run = {.spec = spec, .arguments = &arguments};
    struct error error = {0};

    arguments_parse(spec, argc, argv, &arguments);
    log_open(spec->name, arguments.debug ? LOG_PRIORITY_DEBUG : LOG_PRIORITY_INFO);
    if (arguments_load_config(spec, &arguments, &run.daemon.config, &error) != STATUS_OK) {
        (void)log_failure("The configuration is bad", &error);
        return EX_CONFIG;
    }
    if (arguments.action != ARGUMENTS_RUN) {
        int exit_status = do_once(run.daemon.config, &arguments);
        config_free(run.daemon.config);
        return exit_status;
    }
    block_signals();
    raise_descriptor_limit();
    int exit_status = run_loop(&run);
    arguments_done(&arguments);
    leave(&run, exit_status);
}

void daemon_exit(struct daemon *daemon, int exit_status)
{
    (void)sd_event_exit(daemon->event, exit_status);
}

void daemon_status(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    CHECK(length >= 0);
    (void)sd_notifyf(0, "STATUS=%s", text);
    free(text);
}
