/* The supervisor's end of a shim: starts it, gives it its order, sends commands, takes reports.
 *
 * A link owns the descriptors and the child: shim_link_done closes the control socket, upon which a living shim ends
 * its run, and does not wait. Paths are absolute. */
#pragma once

#include "common/base/status.h"
#include "worker/shim/protocol.h"

#include <stdbool.h>
#include <sys/types.h>

struct shim_link {
    pid_t pid;   /* 0 = none */
    int pidfd;   /* readable when the shim has ended */
    int control; /* readable when there is a report */
    int order;
};

/* What to run. Borrowed until shim_begin returns. */
struct shim_job {
    const char *program;
    const char *directory;
    const char *stdin_path;
    const char *stdout_path;
    const char *stderr_path;
    const char *scratch;            /* removed in the end; NULL = nothing */
    const char *const *arguments;   /* end in NULL; the first is the program's name */
    const char *const *environment; /* ends in NULL: "NAME=value" */
    uint32_t linger_ms;
    uint32_t grace_ms;
};

/* lock_fd stays the caller's; the shim shares the lock on it. What the shim itself has to say goes to log_path.
 * UNAVAILABLE/SPAWN_FAILED. */
enum status shim_spawn(const char *shim, int lock_fd, const char *log_path, struct shim_link *ret_link,
                       struct error *error) NODISCARD;
/* INVALID_ARGUMENT/ORDER_TOO_LARGE, UNAVAILABLE/SPAWN_FAILED. */
enum status shim_begin(struct shim_link *link, const struct shim_job *job, struct error *error) NODISCARD;
/* A shim that is gone does not mind. */
void shim_command(const struct shim_link *link, enum shim_command_kind kind);
/* When this has come it ends its run by itself: SIGTERM, at most grace_ms, SIGKILL. CLOCK_BOOTTIME. */
void shim_set_fence(const struct shim_link *link, uint64_t fence_ms, uint32_t grace_ms);
/* true with the next report; false when there is none, and then *ret_closed says whether none will come. */
bool shim_receive(const struct shim_link *link, struct shim_report *ret_report, bool *ret_closed);
/* true when the shim itself has ended; then it is waited for, and *ret_status is its wait status. */
bool shim_reap(struct shim_link *link, int *ret_status);
void shim_link_done(struct shim_link *link);
/* The same for a shim that has no order yet: waits for its end, which is near. */
void shim_link_end(struct shim_link *link);
