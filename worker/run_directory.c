#include "worker/run_directory.h"

#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/base/id.h"
#include "worker/shim/remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status no_directory(struct error *error, const char *path)
{
    return error_set(error, STATUS_UNAVAILABLE, "NO_RUN_DIRECTORY", "cannot make %s: %s", path, strerror(errno));
}

static int lock_new(const char *directory)
{
    CLEANUP(free)
    char *path = format_text("%s/lock", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        fd_close(fd);
        return -1;
    }
    return fd;
}

enum status run_directory_new(const char *state, uint64_t task_id, uint64_t fence, struct run_directory *ret_directory,
                              struct error *error)
{
    char task_text[ID_TEXT_SIZE];
    char fence_text[ID_TEXT_SIZE];
    CLEANUP(free)
    char *path = format_text("%s/runs/%s.%s", state, id_format(task_id, task_text), id_format(fence, fence_text));

    if (mkdir(path, S_IRWXU) != 0)
        return no_directory(error, path);
    int lock = lock_new(path);
    if (lock < 0) {
        (void)no_directory(error, path);
        (void)remove_tree(path);
        return STATUS_UNAVAILABLE;
    }
    *ret_directory = (struct run_directory){.path = TAKE(path), .lock = lock};
    return STATUS_OK;
}

void run_directory_remove(struct run_directory *directory)
{
    if (directory->path == NULL)
        return;
    (void)remove_tree(directory->path);
    fd_close(directory->lock);
    free(directory->path);
    *directory = (struct run_directory){.lock = -1};
}

char *run_directory_file(const struct run_directory *directory, const char *name)
{
    return format_text("%s/%s", directory->path, name);
}

/* What the shim wrote into its lock. */
static struct process read_signature(int lock)
{
    char text[64] = {0};
    struct process signature = {0};
    struct process now;
    char *end = text;

    if (pread(lock, text, sizeof text - 1, 0) <= 0)
        return signature;
    signature.pid = (pid_t)strtol(text, &end, 10);
    signature.start_ticks = strtoull(end, NULL, 10);
    /* The pid counts only if the process that has it began when the shim began. */
    if (signature.pid <= 1 || !process_read(signature.pid, &now) || now.start_ticks != signature.start_ticks)
        return (struct process){0};
    return now;
}

static struct old_run look_at(const char *path)
{
    CLEANUP(free)
    char *lock_path = format_text("%s/lock", path);
    CLEANUP(fd_close)
    int lock = open(lock_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) == 0)
        return (struct old_run){0};
    return (struct old_run){.held = true, .shim = read_signature(lock)};
}

/* "TASK.FENCE" */
static bool read_name(const char *name, uint64_t *ret_task_id, uint64_t *ret_fence)
{
    const char *dot = strchr(name, '.');
    char task[ID_TEXT_SIZE];
    struct error error = {0};
    uint64_t last = 0;

    if (dot == NULL || (size_t)(dot - name) >= sizeof task)
        return false;
    memcpy(task, name, (size_t)(dot - name));
    task[dot - name] = '\0';
    return id_parse(task, ret_task_id, &last, &error) == STATUS_OK &&
           id_parse(dot + 1, ret_fence, &last, &error) == STATUS_OK;
}

size_t old_runs_sweep(const char *state, void (*on_removed)(uint64_t task_id, uint64_t fence, void *data), void *data,
                      struct old_run **ret_runs)
{
    CLEANUP(free)
    char *runs_path = format_text("%s/runs", state);
    struct old_run *runs = NULL;
    size_t count = 0;

    DIR *directory = opendir(runs_path);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        CLEANUP(free)
        char *path = format_text("%s/%s", runs_path, entry->d_name);
        struct old_run run = look_at(path);
        if (!run.held) {
            (void)remove_tree(path);
            uint64_t task_id = 0;
            uint64_t fence = 0;
            if (on_removed != NULL && read_name(entry->d_name, &task_id, &fence))
                on_removed(task_id, fence, data);
            continue;
        }
        run.path = TAKE(path);
        runs = reallocate(runs, (count + 1) * sizeof *runs);
        runs[count++] = run;
    }
    if (directory != NULL)
        (void)closedir(directory);
    *ret_runs = runs;
    return count;
}

void old_runs_free(struct old_run *runs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(runs[i].path);
    free(runs);
}
