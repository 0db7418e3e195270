/* gangerctl: submit tasks and see after them, and after the daemons. */
#include "cli/command.h"
#include "cli/daemon.h"
#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* A result that did not get out is a failure, whatever the daemons did; a reader that has gone away needs no words. */
static enum exit_status finish_output(struct terminal *output, enum exit_status exit_status)
{
    terminal_flush(output);
    if (output->error == 0 && ferror(output->stream) == 0)
        return exit_status;
    if (output->error == EPIPE)
        return EXIT_WORK_FAILED;
    return problem(EXIT_WORK_FAILED, output->error != 0 ? strerror(output->error) : NULL,
                   "what was asked of the daemons has been done", "cannot write the output");
}

/* Whoever started us may have closed them, and then the next descriptor that is opened would take their number: what is
 * printed would go to a daemon. What stands in for them fails to read or to write, as they would. */
static void hold_standard_streams(void)
{
    static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", modes[fd]);
}

int main(int count, char **words)
{
    hold_standard_streams();
    /* Whoever started us may ignore it, and then a closed pipe would be an error to report. */
    (void)signal(SIGPIPE, SIG_DFL);
    bool unicode = text_init();
    struct cli cli = {
        .output = terminal_of(stdout, false, unicode),
        .errors = terminal_of(stderr, false, unicode),
    };

    enum exit_status exit_status = command_dispatch(&cli, NULL, count, words);
    daemon_close_all(&cli);
    exit_status = finish_output(&cli.output, exit_status);
    return exit_status == EXIT_HELPED ? EXIT_DONE : (int)exit_status;
}
