#include "tests/worker/processes.h"

#include "common/base/check.h"
#include "common/base/cleanup.h"
#include "common/base/clock.h"
#include "worker/shim/tree.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

char *make_directory(void)
{
    const char *parent = getenv("TMPDIR");
    char *path = format_text("%s/ganger-worker-XXXXXX", parent != NULL ? parent : "/tmp");
    CHECK(mkdtemp(path) != NULL);
    return path;
}

uint64_t now_ms(void)
{
    return clock_boot_ms();
}

void pause_ms(unsigned milliseconds)
{
    struct timespec time = {.tv_sec = milliseconds / 1000, .tv_nsec = (long)(milliseconds % 1000) * 1000000};
    (void)nanosleep(&time, NULL);
}

static bool has_mark(pid_t pid, const char *mark)
{
    CLEANUP(free)
    char *path = format_text("/proc/%d/environ", (int)pid);
    size_t size = 0;
    CLEANUP(free)
    char *text = read_whole(path, &size);
    struct process process;

    if (text == NULL || memmem(text, size, mark, strlen(mark)) == NULL)
        return false;
    return process_read(pid, &process) && process.state != 'Z';
}

static size_t for_marked(const char *mark, int signal_number)
{
    size_t count = 0;
    DIR *directory = opendir("/proc");

    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (!isdigit((unsigned char)entry->d_name[0]) || !has_mark(pid, mark))
            continue;
        count++;
        if (signal_number != 0)
            (void)kill(pid, signal_number);
    }
    (void)closedir(directory);
    return count;
}

size_t processes_with(const char *mark)
{
    return for_marked(mark, 0);
}

void processes_end(const char *mark)
{
    (void)WAIT_UNTIL(for_marked(mark, SIGKILL) == 0, 5000);
}

pid_t child_of(pid_t parent)
{
    CLEANUP(free)
    char *path = format_text("/proc/%d/task/%d/children", (int)parent, (int)parent);
    CLEANUP(free)
    char *text = read_whole(path, NULL);

    return text != NULL ? (pid_t)strtol(text, NULL, 10) : 0;
}

size_t descriptors_of(pid_t pid)
{
    CLEANUP(free)
    char *path = format_text("/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    size_t count = 0;

    while (directory != NULL && readdir(directory) != NULL)
        count++;
    if (directory != NULL)
        (void)closedir(directory);
    return count;
}

char *read_whole(const char *path, size_t *ret_size)
{
    CLEANUP(fd_close)
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t capacity = 65536;
    size_t size = 0;

    if (fd < 0)
        return NULL;
    char *text = allocate(capacity);
    for (ssize_t got = 0; (got = read(fd, text + size, capacity - size - 1)) > 0;) {
        size += (size_t)got;
        if (size == capacity - 1)
            text = reallocate(text, capacity *= 2);
    }
    text[size] = '\0';
    if (ret_size != NULL)
        *ret_size = size;
    return text;
}
