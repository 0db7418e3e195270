#include "broker/watch.h"

#include "broker/convert.h"
#include "broker/shell.h"
#include "common/base/check.h"

#include <stdlib.h>
#include <utlist.h>

struct watched_task {
    uint64_t task_id;
    struct watch_entry *entries;
    struct index_node node;
};

static struct watched_task *find(const struct watches *watches, uint64_t task_id)
{
    return index_find(&watches->by_task, &task_id, sizeof task_id);
}

static void make_ready(struct watches *watches, struct watch *watch)
{
    if (watch->is_ready)
        return;
    watch->is_ready = true;
    LL_APPEND2(watches->ready, watch, next_ready);
}

static void entry_add(struct watches *watches, struct watch_entry *entry)
{
    struct watched_task *task = find(watches, entry->task_id);

    if (task == NULL) {
        task = allocate_zero(1, sizeof *task);
        task->task_id = entry->task_id;
        index_add(&watches->by_task, &task->node, &task->task_id, sizeof task->task_id, task);
    }
    DL_APPEND(task->entries, entry);
}

static void entry_remove(struct watches *watches, struct watch_entry *entry)
{
    struct watched_task *task = find(watches, entry->task_id);

    DL_DELETE(task->entries, entry);
    if (task->entries != NULL)
        return;
    index_remove(&watches->by_task, &task->node);
    free(task);
}

static void watch_free(struct watch *watch)
{
    struct watches *watches = &watch->shell->watches;

    for (size_t i = 0; i < watch->count; i++)
        entry_remove(watches, &watch->entries[i]);
    watches->entries -= watch->count;
    if (watch->is_ready)
        LL_DELETE2(watches->ready, watch, next_ready);
    deadlines_remove(&watches->deadlines, &watch->deadline);
    free(watch->entries);
    free(watch);
}

static void on_end(struct rpc_call *call, void *data)
{
    (void)call;
    watch_free(data);
}

static void on_credit(struct rpc_call *call, void *data)
{
    struct watch *watch = data;

    (void)call;
    make_ready(&watch->shell->watches, watch);
}

static enum status check_room(const struct watches *watches, size_t count, struct error *error)
{
    if (watches->entries + count <= WATCHED_MAX)
        return STATUS_OK;
    return error_set(error, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_WATCHES",
                     "%d tasks are watched already; watch fewer, or ask with GetTask", WATCHED_MAX);
}

static struct watch *watch_new(struct shell *shell, struct rpc_call *call, const uint64_t *task_ids, size_t count)
{
    struct watches *watches = &shell->watches;
    struct watch *watch = allocate_zero(1, sizeof *watch);
    watch->shell = shell;
    watch->call = call;
    watch->live = count;
    watch->count = count;
    watch->entries = allocate_zero(count, sizeof watch->entries[0]);
    for (size_t i = 0; i < count; i++) {
        watch->entries[i].watch = watch;
        watch->entries[i].task_id = task_ids[i];
        entry_add(watches, &watch->entries[i]);
    }
    watches->entries += count;
    rpc_call_keep(call, on_end, watch);
    return watch;
}

enum status watch_add_wait(struct shell *shell, struct rpc_call *call, uint64_t task_id, uint64_t until_ms,
                           struct error *error)
{
    TRY(check_room(&shell->watches, 1, error));
    struct watch *watch = watch_new(shell, call, &task_id, 1);
    deadlines_add(&shell->watches.deadlines, &watch->deadline, until_ms);
    return STATUS_OK;
}

enum status watch_add_stream(struct shell *shell, struct rpc_call *call, const uint64_t *task_ids, size_t count,
                             struct error *error)
{
    TRY(check_room(&shell->watches, count, error));
    struct watch *watch = watch_new(shell, call, task_ids, count);
    watch->is_stream = true;
    rpc_call_on_credit(call, on_credit, watch);
    for (size_t i = 0; i < count; i++)
        watch->entries[i].is_pending = true;
    make_ready(&shell->watches, watch);
    return STATUS_OK;
}

bool watches_are_empty(const struct watches *watches)
{
    return watches->entries == 0;
}

void watches_note(struct watches *watches, uint64_t task_id)
{
    struct watched_task *task = find(watches, task_id);
    struct watch_entry *entry;

    if (task == NULL)
        return;
    DL_FOREACH(task->entries, entry)
    {
        entry->is_pending = !entry->has_ended;
        make_ready(watches, entry->watch);
    }
}

static const struct answer *ask(struct shell *shell, uint64_t task_id)
{
    struct command command = {.kind = COMMAND_GET, .get = {.task_id = task_id}};
    const struct answer *answer = shell_ask(shell_enter(shell), &command);

    CHECK(answer != NULL);
    return answer;
}

static void send_entry(struct watch *watch, struct watch_entry *entry)
{
    struct shell *shell = watch->shell;
    const struct answer *answer = ask(shell, entry->task_id);
    Ganger__V1__WatchTasksUpdate update = GANGER__V1__WATCH_TASKS_UPDATE__INIT;

    entry->is_pending = false;
    entry->has_ended = answer->refusal != NULL || task_has_ended(answer->task->state);
    watch->live -= entry->has_ended;
    if (answer->refusal != NULL)
        update.missing_id = entry->task_id;
    else
        update.task = message_of_task(&shell->arena, answer->task);
    rpc_call_send(watch->call, &update.base);
}

static void serve_stream(struct watch *watch)
{
    for (size_t i = 0; i < watch->count; i++) {
        if (!watch->entries[i].is_pending)
            continue;
        if (!rpc_call_has_credit(watch->call))
            return;
        send_entry(watch, &watch->entries[i]);
    }
    if (watch->live > 0)
        return;
    struct rpc_call *call = watch->call;
    watch_free(watch);
    rpc_call_finish(call);
}

/* Answers when the task has ended, or in any case when its time has come. */
static void serve_wait(struct watch *watch, bool is_late)
{
    struct shell *shell = watch->shell;
    struct rpc_call *call = watch->call;
    const struct answer *answer = ask(shell, watch->entries[0].task_id);
    Ganger__V1__WaitTaskResponse response = GANGER__V1__WAIT_TASK_RESPONSE__INIT;

    if (answer->refusal == NULL && !task_has_ended(answer->task->state) && !is_late)
        return;
    watch_free(watch);
    if (answer->refusal != NULL) {
        rpc_call_refuse(call, answer->refusal);
        return;
    }
    response.task = message_of_task(&shell->arena, answer->task);
    rpc_call_reply(call, &response.base);
}

static void serve_first(struct watches *watches)
{
    struct watch *watch = watches->ready;

    LL_DELETE2(watches->ready, watch, next_ready);
    watch->is_ready = false;
    if (watch->is_stream)
        serve_stream(watch);
    else
        serve_wait(watch, false);
}

void watches_serve(struct shell *shell, uint64_t now_ms)
{
    struct watches *watches = &shell->watches;

    while (watches->ready != NULL)
        serve_first(watches);
    while (deadlines_first_ms(&watches->deadlines) <= now_ms) {
        struct deadline *deadline = deadlines_first(&watches->deadlines);
        serve_wait((struct watch *)((char *)deadline - offsetof(struct watch, deadline)), true);
    }
}

uint64_t watches_deadline_ms(const struct watches *watches)
{
    return deadlines_first_ms(&watches->deadlines);
}

void watches_done(struct watches *watches)
{
    CHECK(watches->entries == 0);
    deadlines_done(&watches->deadlines);
}
