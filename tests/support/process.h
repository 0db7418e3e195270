/* Real daemons for tests and measurements: started as child processes, killed by pid, dead with their parent.
 *
 * The caller must not have a ZeroMQ context when it starts one: a fork in the middle of ZeroMQ's threads is undefined.
 */
#pragma once

#include "common/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_ARGUMENTS_MAX 32

/* arguments ends with NULL and begins with the program's path. Its output is added to the file log. -1 when it cannot
 * be forked. The child gets SIGKILL when the thread that started it ends. */
pid_t process_start(const char *const *arguments, const char *log);

/* Writes a configuration file that holds just this. */
bool configuration_write(const char *path, const char *format, ...) PRINTF_LIKE(2, 3);

/* The wait status when it has ended by itself (it is reaped then), -1 while it lives. */
int process_poll(pid_t pid);
/* SIGKILL, and reaped when it returns. */
void process_kill(pid_t pid);
/* SIGTERM, then up to timeout_ms of waiting, then SIGKILL. The exit status, or 128 + the signal that ended it. */
int process_stop(pid_t pid, uint32_t timeout_ms);

/* Whether somebody listens on this ipc endpoint ("ipc:///path"). */
bool socket_is_listened_on(const char *endpoint);

/* Resident memory of its own, without mapped files, in bytes; 0 when there is no such process. */
uint64_t process_memory_bytes(pid_t pid);

/* A new directory below parent (NULL: $TMPDIR, else /tmp), its path written to path. */
bool scratch_make(const char *parent, char *path, size_t size);
/* Removes it with all in it. */
void scratch_remove(const char *path);

/* Random when the environment does not say: $GANGER_SEED. */
uint64_t seed_from_environment(void);
