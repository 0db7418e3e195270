#include "broker/core/release.h"

#include "broker/core/core.h"
#include "broker/core/dependency.h"
#include "broker/core/ending.h"
#include "broker/core/record.h"
#include "common/base/id.h"

#include <stdio.h>
#include <string.h>

void dependency_failed(struct step *step, struct task *task, uint64_t dependency_id, enum task_state state)
{
    char text[ID_TEXT_SIZE];
    char message[128];
    struct outcome outcome = {.content_type = "", .message = message, .error_type = "dependency", .exit_status = -1};

    (void)snprintf(message, sizeof message, "it depends on task %s, which is %s", id_format(dependency_id, text),
                   task_state_name(state));
    if (task->dependency_policy == DEPENDENCY_CANCEL) {
        memcpy(task->cancel_reason, message, strlen(message) + 1);
        task_end(step, task, MOVE_FAIL_BLOCKED, TASK_CANCELED);
    } else {
        task_end(step, task, MOVE_FAIL_BLOCKED, TASK_FAILED);
    }
    task->why = message;
    outcome_save(step, task, &outcome);
    task_write(step, task);
}

/* A body that cannot be read leaves rows behind: they are passed over when their dependency ends. */
void dependencies_detach(struct step *step, struct task *task)
{
    struct key key = key_of_id(task->id);
    struct task_spec spec = {0};
    struct bytes value;

    task->open_dependencies = 0;
    if (store_get(step->txn, TABLE_TASK, key_bytes(&key), &value) != STATUS_OK ||
        !record_read_body(value, task->id, &step->effects->arena, &spec)) {
        step->effects->damaged_id = task->id;
        return;
    }
    for (size_t i = 0; i < spec.depends_on_count; i++) {
        key = key_waits(spec.depends_on[i], task->id);
        store_delete(step->txn, TABLE_WAITS, key_bytes(&key));
    }
}

/* One dependency less. What it still has to wait for is in its due_ms since the submit. */
static void unblock(struct step *step, struct task *task, uint64_t ended_id)
{
    char text[ID_TEXT_SIZE];
    char why[64];
    uint64_t now_ms = task->now.time_base == WALL_TIME ? step->now.wall_ms : step->now.store_ms;

    if (--task->open_dependencies > 0) {
        task_write_quietly(step, task);
        return;
    }
    (void)snprintf(why, sizeof why, "task %s, the last that it waited for, has ended", id_format(ended_id, text));
    task->why = why;
    task_move(task, MOVE_UNBLOCK, task->now.due_ms > now_ms ? TASK_SCHEDULED : TASK_READY);
    task_write(step, task);
}

/* To end one with many dependencies takes more work. */
static enum status release_one(struct step *step, const struct task *ended, uint64_t waiting_id, uint32_t *ret_cost)
{
    struct key key = key_waits(ended->id, waiting_id);
    struct task task;
    enum status status = task_load(step, waiting_id, &task);

    if (status != STATUS_OK && status != STATUS_DATA_LOSS && status != STATUS_NOT_FOUND)
        return status;
    store_delete(step->txn, TABLE_WAITS, key_bytes(&key));
    if (status != STATUS_OK || task.now.state != TASK_BLOCKED || task.open_dependencies == 0)
        return STATUS_OK;
    *ret_cost = WORK_OF_CHANGE + task.open_dependencies - 1;
    if (dependency_fails(ended->now.state, task.dependency_policy))
        dependency_failed(step, &task, ended->id, ended->now.state);
    else
        unblock(step, &task, ended->id);
    return STATUS_OK;
}

/* Those that wait for one ended task. NOT_FOUND when there are no more of them. */
static enum status release_those_of(struct step *step, const struct task *ended, uint32_t *work, uint64_t *done)
{
    while (*work > 0) {
        uint64_t waiting_id = 0;
        uint32_t cost = WORK_OF_CHANGE;
        TRY(pair_first(step->txn, TABLE_WAITS, key_waits(ended->id, 0), &waiting_id));
        TRY(release_one(step, ended, waiting_id, &cost));
        *work -= cost < *work ? cost : *work;
        ++*done;
    }
    return STATUS_OK;
}

void releases_note(struct step *step, uint64_t id)
{
    struct key key = key_walk(RELEASES_JOB, id);

    store_put(step->txn, TABLE_WALK, key_bytes(&key), (struct bytes){0});
    step->broker->has_releases = true;
}

enum status releases_are_open(struct step *step, const struct task *task, bool *ret_open)
{
    struct key key = key_walk(RELEASES_JOB, task->id);
    struct bytes value;
    enum status status = task->has_waits ? store_get(step->txn, TABLE_WALK, key_bytes(&key), &value) : STATUS_NOT_FOUND;

    *ret_open = status == STATUS_OK;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status releases_check(struct step *step, const struct task *task)
{
    bool are_open = false;
    char text[ID_TEXT_SIZE];

    TRY(releases_are_open(step, task, &are_open));
    if (!are_open)
        return STATUS_OK;
    return error_set(&step->error, STATUS_FAILED_PRECONDITION, "DEPENDENTS_OPEN",
                     "the tasks that wait for task %s are being told of its end just now: try again in a moment",
                     id_format(task->id, text));
}

/* The next one on the walk. A damaged record counts as one that did not complete. NOT_FOUND when there is none. */
static enum status next_ended(struct step *step, struct task *ret_ended)
{
    uint64_t id = 0;

    TRY(pair_first(step->txn, TABLE_WALK, key_walk(RELEASES_JOB, 0), &id));
    enum status status = task_load(step, id, ret_ended);
    if (status != STATUS_DATA_LOSS && status != STATUS_NOT_FOUND)
        return status;
    *ret_ended = (struct task){.id = id, .now.state = TASK_FAILED};
    return STATUS_OK;
}

enum status releases_go_on(struct step *step, uint32_t *work, uint64_t *done)
{
    while (step->broker->has_releases && *work > 0) {
        struct task ended;
        enum status status = next_ended(step, &ended);
        if (status == STATUS_NOT_FOUND) {
            step->broker->has_releases = false;
            return STATUS_OK;
        }
        TRY(status);
        status = release_those_of(step, &ended, work, done);
        if (status == STATUS_NOT_FOUND) {
            struct key key = key_walk(RELEASES_JOB, ended.id);
            store_delete(step->txn, TABLE_WALK, key_bytes(&key));
            continue;
        }
        TRY(status);
    }
    return STATUS_OK;
}

enum status releases_load(struct broker *broker, struct store_txn *txn)
{
    uint64_t id = 0;
    enum status status = pair_first(txn, TABLE_WALK, key_walk(RELEASES_JOB, 0), &id);

    broker->has_releases = status == STATUS_OK;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}
