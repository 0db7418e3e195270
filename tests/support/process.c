#include "tests/support/process.h"

#include "common/base/check.h"
#include "common/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define POLL_INTERVAL_MS 5

static void pause_ms(uint32_t milliseconds)
{
    struct timespec pause = {.tv_sec = milliseconds / 1000, .tv_nsec = (long)(milliseconds % 1000) * 1000000};

    (void)nanosleep(&pause, NULL);
}

_Noreturn static void become(const char *const *arguments, const char *log, pid_t parent)
{
    char *copies[PROCESS_ARGUMENTS_MAX + 1] = {NULL};
    int output = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int input = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (output >= 0) {
        (void)dup2(output, STDOUT_FILENO);
        (void)dup2(output, STDERR_FILENO);
    }
    if (input >= 0)
        (void)dup2(input, STDIN_FILENO);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) // it died before the line above
        _exit(127);
    copies[0] = duplicate_text(arguments[0]);
    for (size_t i = 1; i < PROCESS_ARGUMENTS_MAX && arguments[i] != NULL; i++)
        copies[i] = duplicate_text(arguments[i]);
    (void)execv(copies[0], copies);
    (void)dprintf(STDERR_FILENO, "%s: %s\n", copies[0], strerror(errno));
    _exit(127);
}

pid_t process_start(const char *const *arguments, const char *log)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid == 0)
        become(arguments, log, parent);
    return pid;
}

bool configuration_write(const char *path, const char *format, ...)
{
    FILE *stream = fopen(path, "we");
    va_list arguments;
    bool written = false;

    if (stream == NULL)
        return false;
    va_start(arguments, format);
    written = vfprintf(stream, format, arguments) >= 0;
    va_end(arguments);
    return fclose(stream) == 0 && written;
}

int process_poll(pid_t pid)
{
    int status = 0;

    return waitpid(pid, &status, WNOHANG) == pid ? status : -1;
}

void process_kill(pid_t pid)
{
    if (pid <= 0)
        return;
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

int process_stop(pid_t pid, uint32_t timeout_ms)
{
    uint64_t deadline = clock_boot_ms() + timeout_ms;
    int status = -1;

    (void)kill(pid, SIGTERM);
    while ((status = process_poll(pid)) < 0 && clock_boot_ms() < deadline)
        pause_ms(POLL_INTERVAL_MS);
    if (status < 0) {
        process_kill(pid);
        return 128 + SIGKILL;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool socket_is_listened_on(const char *endpoint)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return false;
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%.100s", endpoint + strlen("ipc://"));
    bool connected = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    (void)close(fd);
    return connected;
}

uint64_t process_memory_bytes(pid_t pid)
{
    char path[64];
    char line[256];
    uint64_t kibibytes = 0;
    FILE *stream = NULL;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    stream = fopen(path, "re");
    if (stream == NULL)
        return 0;
    while (fgets(line, sizeof(line), stream) != NULL) {
        if (strncmp(line, "RssAnon:", 8) == 0)
            kibibytes = strtoull(line + 8, NULL, 10);
    }
    (void)fclose(stream);
    return kibibytes * 1024;
}

bool scratch_make(const char *parent, char *path, size_t size)
{
    const char *temporary = getenv("TMPDIR");

    if (parent == NULL)
        parent = temporary != NULL ? temporary : "/tmp";
    if (snprintf(path, size, "%s/ganger-XXXXXX", parent) >= (int)size)
        return false;
    return mkdtemp(path) != NULL;
}

static int remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *at)
{
    (void)stat;
    (void)kind;
    (void)at;
    return remove(path);
}

void scratch_remove(const char *path)
{
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

uint64_t seed_from_environment(void)
{
    const char *text = getenv("GANGER_SEED");
    uint64_t seed = 0;

    if (text != NULL)
        return strtoull(text, NULL, 0);
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        seed = clock_boot_us();
    return seed % 1000000000u; // short enough to be typed again
}
