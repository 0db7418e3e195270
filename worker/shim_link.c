#include "worker/shim_link.h"

#include "common/base/bytes.h"
#include "common/base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_HIGH_FD 16 /* above the shim's own, so that no dup2 hits a source of another */

static enum status spawn_failed(struct error *error, const char *what, int cause)
{
    return error_set(error, STATUS_UNAVAILABLE, "SPAWN_FAILED", "cannot start a run: %s: %s", what, strerror(cause));
}

static int take_descriptor(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

static int move_up(int fd)
{
    if (fd < 0 || fd >= FIRST_HIGH_FD)
        return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_HIGH_FD);
    fd_close(fd);
    return moved;
}

/* posix_spawn, not fork: it copies no memory, and no ZeroMQ context may be open in a forked child. */
static int spawn(const char *shim, const int sources[3], const char *log_path, pid_t *ret_pid)
{
    char *const arguments[] = {(char[]){"ganger-shim"}, NULL};
    char *const environment[] = {NULL};
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    sigset_t none;
    sigset_t all;

    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setsigdefault(&attributes, &all);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
    (void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log_path, O_WRONLY | O_CREAT | O_APPEND,
                                           S_IRUSR | S_IWUSR);
    for (int i = 0; i < 3; i++)
        (void)posix_spawn_file_actions_adddup2(&actions, sources[i], SHIM_CONTROL_FD + i);
    (void)posix_spawn_file_actions_addclosefrom_np(&actions, SHIM_ORDER_FD + 1);
    int cause = posix_spawn(ret_pid, shim, &actions, &attributes, arguments, environment);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    return cause;
}

enum status shim_spawn(const char *shim, int lock_fd, const char *log_path, struct shim_link *ret_link,
                       struct error *error)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return spawn_failed(error, "socketpair", errno);
    CLEANUP(fd_close)
    int control = move_up(ends[0]);
    CLEANUP(fd_close)
    int theirs = move_up(ends[1]);
    CLEANUP(fd_close)
    int order = move_up(memfd_create("ganger-order", MFD_CLOEXEC));
    CLEANUP(fd_close)
    int lock = fcntl(lock_fd, F_DUPFD_CLOEXEC, FIRST_HIGH_FD);
    if (control < 0 || theirs < 0 || order < 0 || lock < 0)
        return spawn_failed(error, "descriptors", errno);

    pid_t pid = 0;
    int cause = spawn(shim, (const int[]){theirs, lock, order}, log_path, &pid);
    if (cause != 0)
        return spawn_failed(error, shim, cause);
    int pidfd = pidfd_open(pid, 0);
    if (pidfd < 0) {
        /* Our own child that nobody has waited for: the pid is its own. */
        cause = errno;
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return spawn_failed(error, "pidfd_open", cause);
    }
    *ret_link = (struct shim_link){
        .pid = pid, .pidfd = pidfd, .control = take_descriptor(&control), .order = take_descriptor(&order)};
    return STATUS_OK;
}

static void add_text(struct buffer *buffer, const char *text)
{
    buffer_add(buffer, text, strlen(text) + 1);
}

static uint32_t add_texts(struct buffer *buffer, const char *const *texts)
{
    uint32_t count = 0;
    for (; texts[count] != NULL; count++)
        add_text(buffer, texts[count]);
    return count;
}

enum status shim_begin(struct shim_link *link, const struct shim_job *job, struct error *error)
{
    CLEANUP(buffer_done)
    struct buffer buffer = {0};
    struct shim_order order = {.version = SHIM_VERSION, .linger_ms = job->linger_ms, .grace_ms = job->grace_ms};

    buffer_add(&buffer, &order, sizeof order);
    add_text(&buffer, job->program);
    add_text(&buffer, job->directory);
    add_text(&buffer, job->stdin_path);
    add_text(&buffer, job->stdout_path);
    add_text(&buffer, job->stderr_path);
    add_text(&buffer, job->scratch != NULL ? job->scratch : "");
    order.argument_count = add_texts(&buffer, job->arguments);
    order.environment_count = add_texts(&buffer, job->environment);
    if (buffer.size > SHIM_ORDER_MAX)
        return error_set(error, STATUS_INVALID_ARGUMENT, "ORDER_TOO_LARGE",
                         "arguments and environment take %zu bytes together, more than %u", buffer.size,
                         SHIM_ORDER_MAX);
    order.size = (uint32_t)buffer.size;
    memcpy(buffer.data, &order, sizeof order);
    if (pwrite(link->order, buffer.data, buffer.size, 0) != (ssize_t)buffer.size)
        return spawn_failed(error, "order", errno);
    fd_close(link->order);
    link->order = -1;
    shim_command(link, SHIM_BEGIN);
    return STATUS_OK;
}

void shim_command(const struct shim_link *link, enum shim_command_kind kind)
{
    struct shim_command command = {.version = SHIM_VERSION, .kind = (uint16_t)kind};
    (void)send(link->control, &command, sizeof command, MSG_NOSIGNAL);
}

void shim_set_fence(const struct shim_link *link, uint64_t fence_ms, uint32_t grace_ms)
{
    struct shim_command command = {
        .version = SHIM_VERSION, .kind = SHIM_FENCE, .grace_ms = grace_ms, .fence_ms = fence_ms};
    (void)send(link->control, &command, sizeof command, MSG_NOSIGNAL);
}

bool shim_receive(const struct shim_link *link, struct shim_report *ret_report, bool *ret_closed)
{
    struct shim_report report;
    ssize_t size = -1;

    /* A shim that ended with a command unread resets the connection, which is told before what it had said; after that
     * its reports can be read, and then the end. */
    do
        size = recv(link->control, &report, sizeof report, MSG_DONTWAIT);
    while (size < 0 && (errno == EINTR || errno == ECONNRESET));
    if (size == (ssize_t)sizeof report && report.version == SHIM_VERSION) {
        *ret_report = report;
        return true;
    }
    *ret_closed = !(size < 0 && errno == EAGAIN);
    return false;
}

bool shim_reap(struct shim_link *link, int *ret_status)
{
    if (link->pid == 0 || waitpid(link->pid, ret_status, WNOHANG) != link->pid)
        return false;
    link->pid = 0;
    return true;
}

void shim_link_done(struct shim_link *link)
{
    fd_close(link->control);
    fd_close(link->pidfd);
    fd_close(link->order);
    *link = (struct shim_link){.pidfd = -1, .control = -1, .order = -1};
}

void shim_link_end(struct shim_link *link)
{
    pid_t pid = link->pid;

    shim_link_done(link);
    if (pid != 0)
        (void)waitpid(pid, NULL, 0);
}
