/* The connections to the daemons, opened at first need, and what is said when nobody answers. */
#pragma once

#include "cli/command.h"

#define DAEMON_REPLY_MS 30000

/* Opens the connection and waits a moment for the daemon; when none answers, says so: EXIT_NO_DAEMON. Borrowed. */
enum exit_status daemon_open(struct cli *cli, enum ganger_daemon daemon, struct ganger **ret_ganger);
/* The same without a word. */
bool daemon_is_there(struct cli *cli, enum ganger_daemon daemon);
void daemon_close_all(struct cli *cli);

/* How long one call may take: --timeout, or DAEMON_REPLY_MS. */
uint32_t daemon_timeout_ms(const struct cli *cli);
/* "broker", "context store" */
const char *daemon_name(enum ganger_daemon daemon);

/* A call's refusal: an unreachable daemon in the same words as daemon_open, anything else as problem_refused. */
enum exit_status daemon_refused(const struct cli *cli, enum ganger_daemon daemon, const struct ganger_error *error,
                                const char *what);

/* Sleeps until one of the open connections has something to do, at most timeout_ms; then lets them do it. */
void daemon_process_all(struct cli *cli, uint32_t timeout_ms);

static inline void ganger_free_at(void *at)
{
    ganger_free(*(void **)at);
}
