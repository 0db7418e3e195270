/* The skeleton that every daemon runs on: arguments, configuration, signals, loop, readiness, watchdog, exit.
 *
 * A daemon's main is one call. The skeleton reads the configuration, opens the log, calls setup, tells the service
 * manager that it is ready, runs the loop (sd-event) until SIGTERM or SIGINT, calls stop and done, and exits. SIGHUP
 * calls reload. The watchdog is fed by the loop itself. Exit status: 0 stopped as asked, 1 failed, 2 usage, 78
 * (EX_CONFIG) bad configuration, also when setup fails with BAD_CONFIG. A second SIGTERM or SIGINT ends it at once,
 * with
 * 1. Those three signals are blocked and SIGPIPE is ignored: children that it starts need both undone. */
#pragma once

#include "common/base/status.h"
#include "common/daemon/config.h"

#include <systemd/sd-event.h>

struct daemon {
    sd_event *event;
    struct config *config;
    bool stopping;
};

/* What the program does instead of running when it is given --NAME, with the daemon stopped. */
struct daemon_mode {
    const char *name;
    const char *argument; /* what it is called in --help; NULL = it takes none */
    const char *summary;  /* for --help */
    /* Prints what it has to say. error says why not, and the exit status is that of a daemon that cannot start. */
    enum status (*run)(const struct config *config, const char *argument, struct error *error);
};

struct daemon_spec {
    const char *name;    /* "ganger-broker" */
    const char *section; /* "broker": /etc/ganger/broker.conf */
    const char *summary; /* for --help */
    const struct config_key *keys;
    const struct daemon_mode *modes; /* ends with one without a name; NULL = none */
    /* Makes the daemon's own state; error says why not. */
    enum status (*setup)(struct daemon *daemon, void **ret_state, struct error *error);
    /* The configuration was read again; NULL = SIGHUP is ignored. A bad one is logged and the old one stays. What was
     * borrowed from the old one ends when it returns. */
    void (*reload)(struct daemon *daemon, void *state);
    /* Asked to stop: end when done by daemon_exit. NULL = at once. */
    void (*stop)(struct daemon *daemon, void *state);
    void (*done)(void *state);
};

/* Options: those of the modes, --config FILE, --set SECTION.KEY=VALUE, --show-config, --check-config, --version,
 * --help, --debug. */
int daemon_main(const struct daemon_spec *spec, int argc, char **argv);

/* Leaves the loop after this turn with that exit status. */
void daemon_exit(struct daemon *daemon, int exit_status);
/* STATUS= for the service manager: one line of what it does now. */
void daemon_status(const char *format, ...) PRINTF_LIKE(1, 2);
