/* gangerctl: submit tasks and see after them, and after the daemons. */
#include "cli/command.h"
#include "cli/daemon.h"
#include "cli/text.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* A result that did not get out is a failure, whatever the daemons did; a reader that has gone away needs no words. */
static enum exit_status finish_output(enum exit_status exit_status)
{
    bool failed = ferror(stdout) != 0;

    errno = 0;
    if (fflush(stdout) == 0 && !failed)
        return exit_status;
    if (errno == EPIPE)
        return EXIT_WORK_FAILED;
    return problem(EXIT_WORK_FAILED, errno != 0 ? strerror(errno) : NULL, "what was asked of the daemons has been done",
                   "cannot write the output");
}

int main(int count, char **words)
{
    /* Whoever started us may ignore it, and then a closed pipe would be an error to report. */
    (void)signal(SIGPIPE, SIG_DFL);
    bool unicode = text_init();
    struct cli cli = {
        .output = terminal_of(stdout, false, unicode),
        .errors = terminal_of(stderr, false, unicode),
    };

    enum exit_status exit_status = command_dispatch(&cli, NULL, count, words);
    daemon_close_all(&cli);
    exit_status = finish_output(exit_status);
    return exit_status == EXIT_HELPED ? EXIT_DONE : (int)exit_status;
}
