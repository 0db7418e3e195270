#include "bench/daemon.h"

#include "tests/support/process.h"

#include <stdio.h>
#include <unistd.h>

pid_t daemon_start(const char *programs, const char *directory, const char *name, const char *section,
                   const char *endpoint)
{
    char program[5000];
    char configuration[600];
    char log[600];
    const char *const arguments[] = {program, "--config", configuration, NULL};

    (void)snprintf(program, sizeof(program), "%s/%s", programs, name);
    (void)snprintf(configuration, sizeof(configuration), "%s/%s.conf", directory, section);
    (void)snprintf(log, sizeof(log), "%s/%s.log", directory, section);
    if (!configuration_write(configuration, "[%s]\nlisten = %s\nstore = %s/%s\n", section, endpoint, directory,
                             section))
        return -1;
    return access(program, X_OK) == 0 ? process_start(arguments, log) : 0;
}
