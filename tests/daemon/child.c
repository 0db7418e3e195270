#include "tests/daemon/child.h"

#include "common/base/check.h"
#include "common/base/cleanup.h"
#include "common/base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 10000
#define WORDS_MAX 16

void child_init(struct child *child)
{
    *child = (struct child){.notify_fd = -1, .output_fd = -1};
    (void)snprintf(child->directory, sizeof child->directory, "/tmp/ganger-daemon-XXXXXX");
    CHECK(mkdtemp(child->directory) != NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/notify", child->directory);
    child->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(bind(child->notify_fd, (const struct sockaddr *)&address, sizeof address) == 0);
}

static void remove_tree(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        CLEANUP(free)
        char *below = format_text("%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && remove(below) != 0)
            remove_tree(below);
    }
    if (directory != NULL)
        (void)closedir(directory);
    (void)remove(path);
}

void child_done(struct child *child)
{
    if (child->pid > 0) {
        (void)kill(child->pid, SIGKILL);
        (void)waitpid(child->pid, NULL, 0);
    }
    fd_close(child->notify_fd);
    fd_close(child->output_fd);
    remove_tree(child->directory);
}

void child_write_file(const struct child *child, const char *name, const char *text)
{
    CLEANUP(free)
    char *path = format_text("%s/%s", child->directory, name);
    FILE *file = fopen(path, "w");

    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

/* Copies of the texts with the directory in them, behind what is there; they live until the child has become another
 * program. */
static void add_words(const struct child *child, char **words, size_t count, const char *const *texts)
{
    for (; *texts != NULL; texts++) {
        const char *hole = strstr(*texts, "%s");
        CHECK(count + 1 < WORDS_MAX);
        words[count++] = hole == NULL
                             ? duplicate_text(*texts)
                             : format_text("%.*s%s%s", (int)(hole - *texts), *texts, child->directory, hole + 2);
    }
    words[count] = NULL;
}

static _Noreturn void become_daemon(const struct child *child, int output, char **arguments, char **environment)
{
    struct rlimit limit;
    sigset_t none;

    CHECK(sigemptyset(&none) == 0 && sigprocmask(SIG_SETMASK, &none, NULL) == 0);
    /* It begins with few descriptors, to be seen to raise the limit. */
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 64;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(dup2(output, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0);
    CHECK(chdir(child->directory) == 0);
    (void)execve(DAEMON_UNDER_TEST, arguments, environment);
    _exit(127);
}

void child_start(struct child *child, const char *const *arguments, const char *const *environment)
{
    char *words[WORDS_MAX] = {duplicate_text("ganger-test")};
    char *variables[WORDS_MAX] = {format_text("NOTIFY_SOCKET=%s/notify", child->directory)};
    int output[2];

    add_words(child, words, 1, arguments);
    add_words(child, variables, 1, environment);
    CHECK(pipe2(output, O_CLOEXEC) == 0);
    child->pid = fork();
    CHECK(child->pid >= 0);
    if (child->pid == 0)
        become_daemon(child, output[1], words, variables);
    fd_close(output[1]);
    child->output_fd = output[0];
    for (size_t i = 0; i < WORDS_MAX; i++) {
        free(words[i]);
        free(variables[i]);
    }
}

/* Whether the descriptor can be read before the deadline. */
static bool wait_for(int fd, uint64_t deadline_ms)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    for (;;) {
        uint64_t now_ms = clock_boot_ms();
        int count = poll(&wanted, 1, now_ms < deadline_ms ? (int)(deadline_ms - now_ms) : 0);
        CHECK(count >= 0 || errno == EINTR);
        if (count > 0 || now_ms >= deadline_ms)
            return count > 0;
    }
}

static bool has_line(const char *message, const char *line)
{
    size_t length = strlen(line);

    for (const char *at = message; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, line, length) == 0 && (at[length] == '\0' || at[length] == '\n'))
            return true;
    }
    return false;
}

bool child_hears(struct child *child, const char *line)
{
    return child_hears_within(child, line, PATIENCE_MS);
}

bool child_hears_within(struct child *child, const char *line, uint64_t time_ms)
{
    uint64_t deadline_ms = clock_boot_ms() + time_ms;

    while (wait_for(child->notify_fd, deadline_ms)) {
        ssize_t size = recv(child->notify_fd, child->message, sizeof child->message - 1, 0);
        CHECK(size >= 0);
        child->message[size] = '\0';
        if (has_line(child->message, line))
            return true;
    }
    return false;
}

void child_signal(const struct child *child, int signal)
{
    CHECK(kill(child->pid, signal) == 0);
}

static bool read_output(struct child *child, uint64_t deadline_ms)
{
    while (wait_for(child->output_fd, deadline_ms)) {
        size_t room = sizeof child->output - 1 - child->output_size;
        ssize_t size = read(child->output_fd, child->output + child->output_size, room);
        CHECK(size >= 0);
        child->output_size += (size_t)size;
        child->output[child->output_size] = '\0';
        if (size == 0)
            return true;
    }
    return false;
}

int child_wait(struct child *child)
{
    int wait_status = 0;

    /* It has ended, or is about to, when it has closed its output. */
    if (!read_output(child, clock_boot_ms() + PATIENCE_MS))
        return -1;
    CHECK(waitpid(child->pid, &wait_status, 0) == child->pid);
    child->pid = 0;
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}
