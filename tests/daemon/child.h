/* The daemon under test as a child, with what it tells its service manager. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct child {
    pid_t pid;
    int notify_fd;      /* what it sends to NOTIFY_SOCKET arrives here */
    int output_fd;      /* its stdout and stderr */
    char directory[64]; /* fresh, removed by child_done */
    char message[512];  /* the last one that child_hears returned */
    char output[4096];  /* all of it, after child_wait */
    size_t output_size;
};

/* Makes the directory, so that files can be put there before it starts. */
void child_init(struct child *child);
void child_done(struct child *child);
void child_write_file(const struct child *child, const char *name, const char *text);

/* arguments end with NULL; %s in them is the directory. environment too; it gets nothing else but NOTIFY_SOCKET. */
void child_start(struct child *child, const char *const *arguments, const char *const *environment);
/* Waits for a message that has this line, throwing those before it away; false when none came in 10 seconds or it
 * ended. */
bool child_hears(struct child *child, const char *line);
bool child_hears_within(struct child *child, const char *line, uint64_t time_ms);
void child_signal(const struct child *child, int signal);
/* Its exit status once it has ended, 128 + signal when it was killed, -1 when it has not after 10 seconds. */
int child_wait(struct child *child);
