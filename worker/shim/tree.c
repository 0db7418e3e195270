#include "worker/shim/tree.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define STOP_ROUNDS_MAX 16
#define CHILDREN_MAX 1024
#define START_TIME_FIELD 22 /* of /proc/PID/stat, from 1 */
#define FIRST_FIELD_BEHIND_NAME 3

enum kinship { KINSHIP_UNKNOWN, KINSHIP_BELOW, KINSHIP_STRANGER };

struct entry {
    struct process process;
    enum kinship kinship;
};

struct scan {
    struct entry *entries;
    size_t count;
    size_t capacity;
};

static ssize_t read_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t length = read(fd, text, size - 1);
    (void)close(fd);
    if (length >= 0)
        text[length] = '\0';
    return length;
}

bool process_read(pid_t pid, struct process *ret_process)
{
    char path[32];
    char text[1024];

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (read_file(path, text, sizeof text) <= 0)
        return false;
    /* The name is in parentheses and can itself hold spaces and parentheses: the fields begin behind the last one. */
    char *at = strrchr(text, ')');
    if (at == NULL || at[1] != ' ')
        return false;

    struct process process = {.pid = pid, .state = at[2]};
    at += 2;
    for (int field = FIRST_FIELD_BEHIND_NAME; field < START_TIME_FIELD; field++) {
        at = strchr(at, ' ');
        if (at == NULL)
            return false;
        at++;
        if (field == FIRST_FIELD_BEHIND_NAME)
            process.parent = (pid_t)strtol(at, NULL, 10);
    }
    process.start_ticks = strtoull(at, NULL, 10);
    *ret_process = process;
    return true;
}

bool process_signal(const struct process *process, int signal_number)
{
    struct process now;
    int fd = pidfd_open(process->pid, 0);
    if (fd < 0)
        return false;
    /* Looked at after the pidfd is open: whoever has the pid now is who the pidfd names. */
    bool same = process_read(process->pid, &now) && now.start_ticks == process->start_ticks;
    bool sent = same && pidfd_send_signal(fd, signal_number, NULL, 0) == 0;
    (void)close(fd);
    return sent;
}

static int compare_pids(const void *a, const void *b)
{
    pid_t left = ((const struct entry *)a)->process.pid;
    pid_t right = ((const struct entry *)b)->process.pid;
    return (left > right) - (left < right);
}

static bool scan_add(struct scan *scan, const struct process *process)
{
    if (scan->count == scan->capacity) {
        size_t capacity = scan->capacity == 0 ? 512 : scan->capacity * 2;
        struct entry *entries = realloc(scan->entries, capacity * sizeof *entries);
        if (entries == NULL)
            return false;
        scan->entries = entries;
        scan->capacity = capacity;
    }
    scan->entries[scan->count++] = (struct entry){.process = *process};
    return true;
}

static void scan_processes(struct scan *scan)
{
    scan->count = 0;
    DIR *directory = opendir("/proc");
    if (directory == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        struct process process;
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        /* Without memory for more, the ones that are known come first. */
        if (process_read((pid_t)strtol(entry->d_name, NULL, 10), &process) && !scan_add(scan, &process))
            break;
    }
    (void)closedir(directory);
    if (scan->count > 0)
        qsort(scan->entries, scan->count, sizeof *scan->entries, compare_pids);
}

static struct entry *scan_find(const struct scan *scan, pid_t pid)
{
    struct entry key = {.process = {.pid = pid}};
    if (scan->count == 0)
        return NULL;
    return bsearch(&key, scan->entries, scan->count, sizeof key, compare_pids);
}

/* Follows the parents up to root or to the top, then writes what was found into all that lay on the way. */
static void find_kinship(const struct scan *scan, struct entry *entry)
{
    struct entry *at = entry;

    /* A scan is no snapshot: reused pids could make a ring of it, hence the count. */
    for (size_t steps = 0; at != NULL && at->kinship == KINSHIP_UNKNOWN && steps < scan->count; steps++)
        at = scan_find(scan, at->process.parent);
    enum kinship found = at != NULL && at->kinship == KINSHIP_BELOW ? KINSHIP_BELOW : KINSHIP_STRANGER;
    for (at = entry; at != NULL && at->kinship == KINSHIP_UNKNOWN; at = scan_find(scan, at->process.parent))
        at->kinship = found;
}

/* Keeps only the living descendants of root, and root itself if asked. */
static void scan_tree(struct scan *scan, pid_t root, bool with_root)
{
    scan_processes(scan);
    for (size_t i = 0; i < scan->count; i++) {
        struct entry *entry = &scan->entries[i];
        if (entry->process.pid == root)
            entry->kinship = with_root ? KINSHIP_BELOW : KINSHIP_STRANGER;
    }
    for (size_t i = 0; i < scan->count; i++)
        if (scan->entries[i].process.parent == root)
            scan->entries[i].kinship = KINSHIP_BELOW;
    for (size_t i = 0; i < scan->count; i++)
        find_kinship(scan, &scan->entries[i]);

    size_t kept = 0;
    for (size_t i = 0; i < scan->count; i++) {
        struct entry *entry = &scan->entries[i];
        if (entry->kinship == KINSHIP_BELOW && entry->process.state != 'Z' && entry->process.state != 'X')
            scan->entries[kept++] = *entry;
    }
    scan->count = kept;
}

static bool entry_signal(const struct entry *entry, int signal_number)
{
    return process_signal(&entry->process, signal_number);
}

size_t tree_signal(pid_t root, bool with_root, int signal_number)
{
    struct scan scan = {0};

    scan_tree(&scan, root, with_root);
    for (size_t i = 0; i < scan.count; i++) {
        (void)entry_signal(&scan.entries[i], signal_number);
        /* A stopped process would keep the request for later. */
        if (signal_number == SIGTERM)
            (void)entry_signal(&scan.entries[i], SIGCONT);
    }
    free(scan.entries);
    return scan.count;
}

size_t tree_kill(pid_t root, bool with_root)
{
    struct scan scan = {0};
    bool running = true;

    for (int round = 0; running && round < STOP_ROUNDS_MAX; round++) {
        running = false;
        scan_tree(&scan, root, with_root);
        for (size_t i = 0; i < scan.count; i++) {
            if (scan.entries[i].process.state == 'T')
                continue;
            running = true;
            (void)entry_signal(&scan.entries[i], SIGSTOP);
        }
    }
    size_t count = scan.count;
    for (size_t i = 0; i < count; i++)
        (void)entry_signal(&scan.entries[i], SIGKILL);
    free(scan.entries);
    return count;
}

size_t children_list(pid_t *pids, size_t limit)
{
    char path[64];
    char text[16384];
    size_t count = 0;

    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    if (read_file(path, text, sizeof text) <= 0)
        return 0;
    char *rest = text;
    for (char *word; count < limit && (word = strsep(&rest, " ")) != NULL;)
        /* The last word may be cut when there are very many. */
        if (word[0] != '\0' && rest != NULL)
            pids[count++] = (pid_t)strtol(word, NULL, 10);
    return count;
}

void children_kill(void)
{
    pid_t pids[CHILDREN_MAX];
    size_t count = children_list(pids, CHILDREN_MAX);

    /* An own child keeps its pid until it is waited for, and nobody else waits here. */
    for (size_t i = 0; i < count; i++)
        (void)kill(pids[i], SIGKILL);
}
