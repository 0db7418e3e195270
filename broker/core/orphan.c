#include "broker/core/orphan.h"

#include "broker/core/core.h"
#include "broker/core/ending.h"
#include "broker/core/limits.h"
#include "broker/core/record.h"
#include "broker/core/trail.h"
#include "common/base/id.h"

#include <string.h>

#define ORPHAN_VERSION 1
#define EVENTS_LOOK_MAX 1000
#define PAGE_DEFAULT 100

/* Whether the task had this run, and whose it was. Where its events are not kept any more, its word is taken. */
static enum status find_run(struct step *step, const struct task *task, uint64_t fence, bool *ret_found,
                            char agent_id[static AGENT_ID_MAX + 1])
{
    uint64_t trimmed = step->broker->counters.trimmed;
    uint64_t revision = task->revision;
    struct event event;

    agent_id[0] = '\0';
    *ret_found = false;
    trail_settle(step->broker, step->txn);
    for (int i = 0; i < EVENTS_LOOK_MAX && revision > trimmed; i++) {
        enum status status = trail_find(step->txn, revision, &event);
        if (status == STATUS_NOT_FOUND || (status == STATUS_OK && event.fence < fence))
            return STATUS_OK;
        TRY(status);
        *ret_found = event.fence == fence && ((int)event.kind == MOVE_CLAIM || (int)event.kind == MOVE_START);
        if (*ret_found && event.who.size <= AGENT_ID_MAX) {
            memcpy(agent_id, event.who.data, event.who.size);
            agent_id[event.who.size] = '\0';
        }
        if (*ret_found)
            return STATUS_OK;
        revision = event.previous;
    }
    *ret_found = revision > 0;
    return STATUS_OK;
}

/* The row of this run, or the first one behind it; false behind the task's last. */
static enum status find_row(struct step *step, uint64_t task_id, uint64_t fence, struct bytes *ret_key,
                            struct bytes *ret_value, bool *ret_found)
{
    struct key from = key_orphan(task_id, fence);
    enum status status = store_seek(step->txn, TABLE_ORPHAN, key_bytes(&from), ret_key, ret_value);

    *ret_found = status == STATUS_OK && load_u64(ret_key->data) == task_id;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status has_room(struct step *step, uint64_t task_id, uint64_t fence, bool *ret_has_room)
{
    struct bytes key;
    struct bytes value;
    uint64_t from = 0;
    bool found = true;

    *ret_has_room = true;
    for (int count = 0; *ret_has_room; count++) {
        TRY(find_row(step, task_id, from, &key, &value, &found));
        if (!found)
            return STATUS_OK;
        from = key_read_id(key) + 1;
        *ret_has_room = from != fence + 1 && count + 1 < ORPHANS_MAX;
    }
    return STATUS_OK;
}

enum status orphan_keep(struct step *step, const struct task *task, uint64_t fence, enum exit_kind how,
                        const struct outcome *outcome)
{
    CLEANUP(buffer_done)
    struct buffer buffer = {0};
    struct key key = key_orphan(task->id, fence);
    char agent_id[AGENT_ID_MAX + 1];
    struct outcome kept = *outcome;
    bool is_kept = false;

    if (fence == 0 || fence > task->fence || (fence == task->fence && task->run_end != RUN_LOST))
        return STATUS_OK;
    TRY(has_room(step, task->id, fence, &is_kept));
    if (is_kept)
        TRY(find_run(step, task, fence, &is_kept, agent_id));
    if (!is_kept)
        return STATUS_OK;
    kept.fence = fence;
    kept.message = arena_text(&step->effects->arena, (struct bytes){.data = (const uint8_t *)outcome->message,
                                                                    .size = text_fit(outcome->message, MESSAGE_MAX)});
    record_begin(&buffer, ORPHAN_VERSION);
    buffer_add_u8(&buffer, (uint8_t)how);
    buffer_add_u64(&buffer, step->now.wall_ms);
    record_add_text(&buffer, agent_id);
    buffer_add_sized(&buffer, record_of_outcome(&step->broker->scratch, task->id, &kept));
    store_put(step->txn, TABLE_ORPHAN, key_bytes(&key), record_seal(&buffer, fence));
    return STATUS_OK;
}

enum status orphans_drop(struct step *step, uint64_t task_id)
{
    struct bytes key;
    struct bytes value;
    bool found = true;

    while (found) {
        TRY(find_row(step, task_id, 0, &key, &value, &found));
        if (!found)
            return STATUS_OK;
        struct key row = key_orphan(task_id, key_read_id(key));
        store_delete(step->txn, TABLE_ORPHAN, key_bytes(&row));
    }
    return STATUS_OK;
}

/* In the arena of the effects. */
static bool orphan_read(struct step *step, struct bytes key, struct bytes value, struct orphan_view *ret_view)
{
    struct reader reader;
    uint64_t task_id = load_u64(key.data);
    uint64_t fence = key_read_id(key);

    value = arena_bytes(&step->effects->arena, value);
    if (!record_open(value, ORPHAN_VERSION, fence, &reader))
        return false;
    *ret_view = (struct orphan_view){.task_id = task_id, .fence = fence, .how = (enum exit_kind)reader_u8(&reader)};
    ret_view->wall_ms = reader_u64(&reader);
    ret_view->agent_id = record_text(&reader);
    struct bytes outcome = reader_sized(&reader);
    return !reader.failed && record_read_outcome(outcome, task_id, &ret_view->outcome);
}

/* Results are for one task: those of many do not fit a frame. */
enum status step_list_orphans(struct step *step, const struct command *command)
{
    const struct command_list_orphans *list = &command->list_orphans;
    size_t max = list->page_size > 0 ? list->page_size : PAGE_DEFAULT;
    struct key from = key_orphan(list->task_id > 0 ? list->task_id : list->page_token + 1, 0);
    struct orphan_view *views;
    struct bytes key;
    struct bytes value;
    size_t count = 0;
    uint64_t next = 0;

    TRY(limits_check_page(list->page_size, &step->error));
    views = arena_zero(&step->effects->arena, max + ORPHANS_MAX, sizeof *views);
    enum status status = store_seek(step->txn, TABLE_ORPHAN, key_bytes(&from), &key, &value);
    for (; status == STATUS_OK; status = store_next(step->txn, TABLE_ORPHAN, &key, &value)) {
        uint64_t task_id = load_u64(key.data);
        bool is_other = count > 0 && views[count - 1].task_id != task_id;
        if (list->task_id > 0 && task_id != list->task_id)
            break;
        if (count >= max && is_other) {
            next = views[count - 1].task_id;
            break;
        }
        if (!orphan_read(step, key, value, &views[count]))
            continue;
        if (list->task_id == 0)
            views[count].outcome.result = (struct bytes){0};
        count++;
    }
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    struct answer *answer = effects_answer(step->effects, command->token, command->kind);
    answer->orphans.orphans = views;
    answer->orphans.count = count;
    answer->orphans.next_page_token = next;
    return STATUS_OK;
}

/* The one that is named, or else the latest that has completed. */
static enum status find_orphan(struct step *step, const struct command_adopt *adopt, struct orphan_view *ret_view)
{
    struct orphan_view view;
    struct bytes key;
    struct bytes value;
    uint64_t fence = adopt->fence;
    bool found = true;
    bool has_one = false;
    char text[ID_TEXT_SIZE];

    while (found && !(has_one && adopt->fence > 0)) {
        TRY(find_row(step, adopt->task_id, fence, &key, &value, &found));
        if (!found)
            break;
        fence = key_read_id(key) + 1;
        bool is_wanted = adopt->fence == 0 || adopt->fence == fence - 1;
        found = adopt->fence == 0;
        if (is_wanted && orphan_read(step, key, value, &view) && (adopt->fence > 0 || view.how == EXIT_COMPLETED)) {
            *ret_view = view;
            has_one = true;
        }
    }
    if (has_one)
        return STATUS_OK;
    return error_set(&step->error, STATUS_NOT_FOUND, "NO_SUCH_ORPHAN",
                     "task %s has no such result of a run that was given up; gangerctl orphans shows what there is",
                     id_format(adopt->task_id, text));
}

enum status step_adopt(struct step *step, const struct command *command)
{
    const struct command_adopt *adopt = &command->adopt;
    struct orphan_view orphan = {0};
    struct task_view *view = NULL;
    struct task task;
    char text[ID_TEXT_SIZE];

    TRY(task_load(step, adopt->task_id, &task));
    if (task_is_held(task.now.state))
        return error_set(&step->error, STATUS_FAILED_PRECONDITION, "WRONG_STATE",
                         "task %s is %s: somebody is at it; cancel it first", id_format(task.id, text),
                         task_state_name(task.now.state));
    TRY(task_check_move(step, &task, MOVE_ADOPT));
    TRY(find_orphan(step, adopt, &orphan));
    TRY(task_view(step, &task, false, &view));
    task_end(step, &task, MOVE_ADOPT, TASK_COMPLETED);
    if (orphan.fence == task.fence) {
        task.run_end = RUN_COMPLETED;
        task.run_end_state = TASK_COMPLETED;
    }
    outcome_keep(step, &task, orphan.fence, &orphan.outcome);
    task_write(step, &task);
    struct key row = key_orphan(task.id, orphan.fence);
    store_delete(step->txn, TABLE_ORPHAN, key_bytes(&row));
    TRY(task_view(step, &task, false, &view));
    effects_answer(step->effects, command->token, command->kind)->task = view;
    return STATUS_OK;
}
