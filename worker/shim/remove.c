#include "worker/shim/remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEPTH_MAX 32
#define ROUNDS_MAX 100000

struct removal {
    int top;        /* the directory that goes; deep branches are moved up to it */
    uint64_t moved; /* how many were */
    bool failed;
};

/* A mount inside, even one of the same file system, is not ours to empty. */
static int open_directory(int parent, const char *name)
{
    struct open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
        .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
    };
    int fd = (int)syscall(SYS_openat2, parent, name, &how, sizeof how);
    if (fd < 0 && errno == EACCES && fchmodat(parent, name, S_IRWXU, 0) == 0)
        fd = (int)syscall(SYS_openat2, parent, name, &how, sizeof how);
    return fd;
}

static void empty_directory(struct removal *removal, int fd, int depth);

static void remove_directory(struct removal *removal, int parent, const char *name, int depth)
{
    if (depth >= DEPTH_MAX) {
        char moved[32];
        (void)snprintf(moved, sizeof moved, ".removed-%llu", (unsigned long long)removal->moved);
        removal->moved++;
        if (renameat(parent, name, removal->top, moved) != 0)
            removal->failed = true;
        return;
    }
    int fd = open_directory(parent, name);
    if (fd >= 0)
        empty_directory(removal, fd, depth + 1);
    if (unlinkat(parent, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
        removal->failed = true;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Takes the descriptor over. */
static void empty_directory(struct removal *removal, int fd, int depth)
{
    struct stat status;
    if (fstat(fd, &status) == 0 && (status.st_mode & S_IRWXU) != S_IRWXU)
        (void)fchmod(fd, S_IRWXU);
    DIR *directory = fdopendir(fd);
    if (directory == NULL) {
        (void)close(fd);
        removal->failed = true;
        return;
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (is_dots(entry->d_name))
            continue;
        if (entry->d_type != DT_DIR && unlinkat(fd, entry->d_name, 0) == 0)
            continue;
        if (entry->d_type == DT_DIR || errno == EISDIR || errno == EPERM)
            remove_directory(removal, fd, entry->d_name, depth);
        else if (errno != ENOENT)
            removal->failed = true;
    }
    (void)closedir(directory);
}

bool remove_tree(const char *path)
{
    struct removal removal = {.top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (removal.top < 0 && errno == EACCES && chmod(path, S_IRWXU) == 0)
        removal.top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (removal.top < 0)
        return errno == ENOENT;

    /* Each round ends the branches that the one before moved up. */
    uint64_t moved_before = 0;
    int rounds = 0;
    do {
        moved_before = removal.moved;
        removal.failed = false;
        int again = openat(removal.top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (again < 0)
            break;
        empty_directory(&removal, again, 0);
    } while (removal.moved != moved_before && ++rounds < ROUNDS_MAX);
    (void)close(removal.top);
    return rmdir(path) == 0 || errno == ENOENT;
}
