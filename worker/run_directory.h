/* Run directories: state/runs/TASK.FENCE, one per run, with all files of it.
 *
 *     lock       held by the shim for its life, names it
 *     stdout, stderr, result, payload, shim.log
 *     work/      the agent's working directory, when it has no other
 *
 * All are for the owner alone. A directory whose lock nobody holds belongs to no living run. */
#pragma once

#include "common/base/status.h"
#include "worker/shim/tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct run_directory {
    char *path; /* absolute */
    int lock;   /* locked */
};

/* UNAVAILABLE/NO_RUN_DIRECTORY. state must exist. */
enum status run_directory_new(const char *state, uint64_t task_id, uint64_t fence, struct run_directory *ret_directory,
                              struct error *error) NODISCARD;
/* Forgets it, lets go of the lock and removes all of it. */
void run_directory_remove(struct run_directory *directory);
/* "PATH/name"; the caller frees it. */
char *run_directory_file(const struct run_directory *directory, const char *name) NODISCARD;

/* A run of an earlier supervisor. */
struct old_run {
    char *path;
    bool held;           /* its shim lives */
    struct process shim; /* pid 0 = not known */
};
/* Removes the directories that nobody holds, of which on_removed is told, and lists the others. Returns how many there
 * are; the list is the caller's: old_runs_free. */
size_t old_runs_sweep(const char *state, void (*on_removed)(uint64_t task_id, uint64_t fence, void *data), void *data,
                      struct old_run **ret_runs);
void old_runs_free(struct old_run *runs, size_t count);
