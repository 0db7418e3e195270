/* Who waits for tasks to change: WaitTask (one task, one answer) and WatchTasks (up to 1,000 tasks, a stream).
 *
 * A watch holds no transaction and no copy of a task. What has changed in a batch is read once the batch is decided,
 * and leaves with its commit. A watcher that does not read costs its entries: a task that changed ten times meanwhile
 * is sent once, as it is then. */
#pragma once

#include "broker/core/index.h"
#include "common/base/deadlines.h"
#include "common/rpc/server.h"

#include <stdbool.h>
#include <stdint.h>

#define WATCHED_MAX 65536 /* entries of all watches together */
#define WATCH_TASKS_MAX 1000

struct shell;
struct watch;

/* One task of one watch. */
struct watch_entry {
    struct watch *watch;
    uint64_t task_id;
    bool is_pending; /* changed and not sent yet */
    bool has_ended;
    struct watch_entry *next; /* of the same task */
    struct watch_entry *prev;
};

struct watch {
    struct shell *shell;
    struct rpc_call *call;
    bool is_stream;
    bool is_ready; /* has something pending */
    size_t live;   /* tasks that have not ended */
    size_t count;
    struct watch_entry *entries;
    struct deadline deadline;
    struct watch *next_ready;
};

/* The zero value is empty. */
struct watches {
    struct index by_task;
    struct watch *ready;
    struct deadlines deadlines;
    size_t entries;
};

/* Keeps the call. RESOURCE_EXHAUSTED/TOO_MANY_WATCHES. */
enum status watch_add_wait(struct shell *shell, struct rpc_call *call, uint64_t task_id, uint64_t until_ms,
                           struct error *error) NODISCARD;
enum status watch_add_stream(struct shell *shell, struct rpc_call *call, const uint64_t *task_ids, size_t count,
                             struct error *error) NODISCARD;
bool watches_are_empty(const struct watches *watches);
/* That task has changed. */
void watches_note(struct watches *watches, uint64_t task_id);
/* Answers what has changed and whose time has come, within the open batch. */
void watches_serve(struct shell *shell, uint64_t now_ms);
uint64_t watches_deadline_ms(const struct watches *watches);
void watches_done(struct watches *watches);
