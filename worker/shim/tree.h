/* The processes below a process, found in /proc and signaled without hitting a stranger.
 *
 * Tools of agents leave their process group and session, and orphans go to the nearest subreaper; so parentage is what
 * holds a run together. A pid that was read is only used through a pidfd whose process still has the same start time,
 * or when it is an own child that was not waited for: neither can have been given to another process. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process {
    pid_t pid;
    pid_t parent;
    uint64_t start_ticks; /* since the boot; tells a process from a later one of the same pid */
    char state;           /* as in /proc/PID/stat: 'T' stopped, 'Z' ended */
};

/* false when there is no such process (any more). */
bool process_read(pid_t pid, struct process *ret_process);
/* Sends the signal if that process still lives. */
bool process_signal(const struct process *process, int signal_number);

/* Signals every living descendant of root, and root itself if asked; returns how many there were. */
size_t tree_signal(pid_t root, bool with_root, int signal_number);
/* One round of killing: stops descendants until none runs that could fork, then kills them. Returns how many there
 * were. What forked in the meantime is for the next round: the caller repeats until nothing is left. */
size_t tree_kill(pid_t root, bool with_root);
/* Kills the direct children of this process. Cheap: a process that forks and exits all the time is seldom met alive by
 * a scan of /proc, the less the more processes there are (among 1,600 it took 20 s instead of 1 s to catch one). */
void children_kill(void);
/* Writes the direct children of this process into pids; returns how many there are, at most limit. */
size_t children_list(pid_t *pids, size_t limit);
