/* What a submitter has said about a task that nobody holds can be said otherwise. */
#include "broker/core/core.h"
#include "broker/core/limits.h"
#include "broker/core/record.h"
#include "broker/core/specify.h"
#include "common/base/id.h"

#include <string.h>

enum field {
    FIELD_PRIORITY = 1 << 0,
    FIELD_NOT_BEFORE = 1 << 1,
    FIELD_DELAY = 1 << 2,
    FIELD_EXPIRES_AT = 1 << 3,
    FIELD_TITLE = 1 << 4,
    FIELD_LABELS = 1 << 5,
    FIELD_PAYLOAD = 1 << 6,
    FIELD_CONTENT_TYPE = 1 << 7,
    FIELD_START_TIMEOUT = 1 << 8,
    FIELD_RUN_TIMEOUT = 1 << 9,
    FIELD_MAX_ATTEMPTS = 1 << 10,
    FIELD_MAX_CRASHES = 1 << 11,
    FIELD_MAX_DELIVERIES = 1 << 12,
    FIELD_NON_RETRYABLE = 1 << 13,
    FIELD_BACKOFF = 1 << 14,
    FIELD_BACKOFF_MAX = 1 << 15,
    FIELD_RETENTION = 1 << 16,
};
#define FIELDS_OF_TIME (FIELD_NOT_BEFORE | FIELD_DELAY)

static const struct {
    const char *name;
    enum field field;
} fields[] = {
    {"priority", FIELD_PRIORITY},
    {"not_before_ms", FIELD_NOT_BEFORE},
    {"delay_ms", FIELD_DELAY},
    {"expires_at_ms", FIELD_EXPIRES_AT},
    {"title", FIELD_TITLE},
    {"labels", FIELD_LABELS},
    {"payload", FIELD_PAYLOAD},
    {"content_type", FIELD_CONTENT_TYPE},
    {"start_timeout_ms", FIELD_START_TIMEOUT},
    {"run_timeout_ms", FIELD_RUN_TIMEOUT},
    {"max_attempts", FIELD_MAX_ATTEMPTS},
    {"max_crashes", FIELD_MAX_CRASHES},
    {"max_deliveries", FIELD_MAX_DELIVERIES},
    {"non_retryable", FIELD_NON_RETRYABLE},
    {"backoff_ms", FIELD_BACKOFF},
    {"backoff_max_ms", FIELD_BACKOFF_MAX},
    {"retention_ms", FIELD_RETENTION},
};

static enum status read_fields(const struct command_update *update, unsigned int *ret_given, struct error *error)
{
    *ret_given = 0;
    for (size_t i = 0; i < update->field_count; i++) {
        unsigned int field = 0;
        for (size_t j = 0; j < sizeof fields / sizeof fields[0]; j++)
            if (strcmp(fields[j].name, update->fields[i]) == 0)
                field = fields[j].field;
        if (field == 0)
            return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_FIELD", "fields: %.63s is none that can be updated",
                             update->fields[i]);
        *ret_given |= field;
    }
    if (*ret_given == 0)
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_FIELD", "fields: at least one is needed");
    return STATUS_OK;
}

/* "priority, title" */
static const char *names_of(struct step *step, unsigned int given)
{
    struct buffer *buffer = &step->broker->scratch;

    buffer->size = 0;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if ((given & fields[i].field) == 0)
            continue;
        if (buffer->size > 0)
            buffer_add(buffer, ", ", 2);
        buffer_add(buffer, fields[i].name, strlen(fields[i].name));
    }
    return arena_text(&step->effects->arena, buffer_view(buffer));
}

#define TAKE_GIVEN(bit, member)                                                                                        \
    do {                                                                                                               \
        if ((given & (bit)) != 0)                                                                                      \
            spec->member = said->member;                                                                               \
    } while (0)

/* What is given over what there is. Of the two kinds of time the one that is given counts alone. */
static void merge(unsigned int given, const struct task_spec *said, struct task_spec *spec)
{
    if ((given & FIELDS_OF_TIME) != 0) {
        spec->not_before_ms = 0;
        spec->delay_ms = 0;
    }
    TAKE_GIVEN(FIELD_PRIORITY, priority);
    TAKE_GIVEN(FIELD_NOT_BEFORE, not_before_ms);
    TAKE_GIVEN(FIELD_DELAY, delay_ms);
    TAKE_GIVEN(FIELD_EXPIRES_AT, expires_at_ms);
    TAKE_GIVEN(FIELD_TITLE, title);
    TAKE_GIVEN(FIELD_LABELS, labels);
    TAKE_GIVEN(FIELD_LABELS, label_count);
    TAKE_GIVEN(FIELD_PAYLOAD, payload);
    TAKE_GIVEN(FIELD_CONTENT_TYPE, content_type);
    TAKE_GIVEN(FIELD_START_TIMEOUT, start_timeout_ms);
    TAKE_GIVEN(FIELD_RUN_TIMEOUT, run_timeout_ms);
    TAKE_GIVEN(FIELD_MAX_ATTEMPTS, max_attempts);
    TAKE_GIVEN(FIELD_MAX_CRASHES, max_crashes);
    TAKE_GIVEN(FIELD_MAX_DELIVERIES, max_deliveries);
    TAKE_GIVEN(FIELD_NON_RETRYABLE, non_retryable);
    TAKE_GIVEN(FIELD_NON_RETRYABLE, non_retryable_count);
    TAKE_GIVEN(FIELD_BACKOFF, backoff_ms);
    TAKE_GIVEN(FIELD_BACKOFF_MAX, backoff_max_ms);
    TAKE_GIVEN(FIELD_RETENTION, retention_ms);
}

static enum status check_task(struct step *step, const struct command_update *update, const struct task *task,
                              unsigned int given)
{
    char text[ID_TEXT_SIZE];

    (void)id_format(task->id, text);
    if (task_has_ended(task->now.state))
        return error_set(&step->error, STATUS_FAILED_PRECONDITION, "TASK_ENDED", "task %s has ended already: it is %s",
                         text, task_state_name(task->now.state));
    if (task_is_held(task->now.state))
        return error_set(&step->error, STATUS_FAILED_PRECONDITION, "WRONG_STATE",
                         "task %s is %s: only a task that nobody holds can be updated", text,
                         task_state_name(task->now.state));
    if (task->now.state == TASK_SUSPENDED && (given & FIELDS_OF_TIME) != 0)
        return error_set(&step->error, STATUS_FAILED_PRECONDITION, "WRONG_STATE",
                         "task %s is SUSPENDED: it waits for somebody to resume it, not for a time", text);
    if (update->expected_revision != 0 && update->expected_revision != task->revision)
        return error_set(&step->error, STATUS_ABORTED, "REVISION_CONFLICT",
                         "task %s has changed since: it is at revision %llu; look at it, and try again with that", text,
                         (unsigned long long)task->revision);
    return STATUS_OK;
}

/* Its new time may make it wait, or no longer. */
static void place(struct step *step, const struct task_spec *spec, struct task *task)
{
    specify_time(step, spec, task);
    if (task->now.state == TASK_READY && task->now.due_ms > 0)
        task_move(task, MOVE_PUT_OFF, TASK_SCHEDULED);
    else if (task->now.state == TASK_SCHEDULED && task->now.due_ms == 0)
        task_move(task, MOVE_DUE, TASK_READY);
}

static void write_update(struct step *step, struct task *task, struct task_spec *spec, unsigned int given)
{
    const struct lane *lane = lanes_by_number(&step->broker->lanes, task->now.lane);
    struct key key = key_of_id(task->id);

    queue_complete_spec(lane->type->queue, spec);
    specify_task(step, spec, task);
    if (task->now.priority != task->was.priority)
        task->now.turn =
            turn_give(&step->broker->lanes.turns, lane->type->queue, task->now.priority, spec->fairness_key);
    if ((given & FIELDS_OF_TIME) != 0)
        place(step, spec, task);
    task_note(task, EVENT_UPDATED, names_of(step, given));
    store_put(step->txn, TABLE_TASK, key_bytes(&key), record_of_body(&step->broker->scratch, task->id, spec));
    task_write(step, task);
}

enum status step_update(struct step *step, const struct command *command)
{
    const struct command_update *update = &command->update;
    struct task_view *view = NULL;
    struct task task;
    unsigned int given = 0;

    TRY(read_fields(update, &given, &step->error));
    TRY(task_load(step, update->task_id, &task));
    TRY(check_task(step, update, &task, given));
    TRY(task_view(step, &task, true, &view));
    struct task_spec spec = view->spec;
    merge(given, &update->spec, &spec);
    TRY(limits_check_spec(&spec, &step->error));
    if ((given & FIELD_EXPIRES_AT) != 0)
        TRY(specify_check_expiry(step, &spec, &step->error));
    write_update(step, &task, &spec, given);
    TRY(task_view(step, &task, false, &view));
    effects_answer(step->effects, command->token, command->kind)->task = view;
    return STATUS_OK;
}
