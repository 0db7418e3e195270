/* The daemons that are measured. */
#pragma once

#include <sys/types.h>

/* Starts the daemon of this name in programs, its configuration ([section]), store and log below directory. 0 when
 * there is no such program, -1 when it cannot be started. */
pid_t daemon_start(const char *programs, const char *directory, const char *name, const char *section,
                   const char *endpoint);
