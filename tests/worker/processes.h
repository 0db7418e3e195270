/* For tests with real processes: a directory of their own, and who is alive with a mark in the environment. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A new directory below TMPDIR; the caller removes it with remove_tree and frees the name. */
char *make_directory(void);
uint64_t now_ms(void);
void pause_ms(unsigned milliseconds);
/* Waits until the condition holds, at most that long, and yields whether it did. */
#define WAIT_UNTIL(condition, limit_ms)                                                                                \
    ({                                                                                                                 \
        uint64_t until_ = now_ms() + (limit_ms);                                                                       \
        bool holds_ = false;                                                                                           \
        while (!(holds_ = (condition)) && now_ms() < until_)                                                           \
            pause_ms(5);                                                                                               \
        holds_;                                                                                                        \
    })
/* How many living processes have "NAME=value" with this value in their environment. */
size_t processes_with(const char *mark);
/* Kills them, for tests that failed. */
void processes_end(const char *mark);
/* A child of that process; 0 when it has none. */
pid_t child_of(pid_t parent);
size_t descriptors_of(pid_t pid);
/* The whole file, with NUL behind it; NULL when there is none. */
char *read_whole(const char *path, size_t *ret_size);
