#include "broker/core/queue.h"

#include "broker/core/core.h"
#include "broker/core/limits.h"
#include "broker/core/record.h"
#include "common/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define QUEUE_VERSION 1
#define DEFAULT_NAME "default"

void queue_settings_done(struct queue_settings *settings)
{
    free(settings->paused_by);
    free(settings->pause_reason);
    *settings = (struct queue_settings){0};
}

static bool says_something(const struct queue_settings *settings)
{
    static const struct queue_defaults none;

    return settings->paused_in || settings->paused_out || settings->length_max > 0 ||
           memcmp(&settings->defaults, &none, sizeof none) != 0;
}

static enum status queue_load(struct lanes *lanes, struct bytes key, struct bytes value)
{
    const char *namespace = (const char *)key.data;
    size_t size = strnlen(namespace, key.size);
    struct reader reader;

    if (size + 2 > key.size || key.data[key.size - 1] != '\0' || !record_open(value, QUEUE_VERSION, 0, &reader))
        return STATUS_DATA_LOSS;
    struct queue *queue = lanes_obtain_queue(lanes, namespace, namespace + size + 1);
    struct queue_settings *settings = &queue->settings;
    queue->is_set = true;
    queue->is_stored = true;
    lanes->queues_set++;
    settings->paused_in = reader_u8(&reader) != 0;
    settings->paused_out = reader_u8(&reader) != 0;
    settings->paused_by = duplicate_text(record_text(&reader));
    settings->pause_reason = duplicate_text(record_text(&reader));
    settings->length_max = reader_u64(&reader);
    settings->defaults.priority = reader_u32(&reader);
    settings->defaults.max_attempts = reader_u32(&reader);
    settings->defaults.run_timeout_ms = reader_u64(&reader);
    settings->defaults.retention_ms = reader_u64(&reader);
    settings->defaults.backoff_ms = reader_u32(&reader);
    settings->defaults.backoff_max_ms = reader_u32(&reader);
    return reader.failed ? STATUS_DATA_LOSS : STATUS_OK;
}

enum status queues_load(struct lanes *lanes, struct store_txn *txn)
{
    struct bytes key;
    struct bytes value;
    enum status status = store_seek(txn, TABLE_QUEUE, (struct bytes){0}, &key, &value);

    for (; status == STATUS_OK; status = store_next(txn, TABLE_QUEUE, &key, &value))
        TRY(queue_load(lanes, key, value));
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static struct bytes key_of(const struct queue *queue)
{
    return (struct bytes){.data = (const uint8_t *)queue->key, .size = queue->key_size};
}

static void queue_save(struct store_txn *txn, struct queue *queue, struct buffer *buffer)
{
    const struct queue_settings *settings = &queue->settings;

    record_begin(buffer, QUEUE_VERSION);
    buffer_add_u8(buffer, settings->paused_in);
    buffer_add_u8(buffer, settings->paused_out);
    record_add_text(buffer, settings->paused_by != NULL ? settings->paused_by : "");
    record_add_text(buffer, settings->pause_reason != NULL ? settings->pause_reason : "");
    buffer_add_u64(buffer, settings->length_max);
    buffer_add_u32(buffer, settings->defaults.priority);
    buffer_add_u32(buffer, settings->defaults.max_attempts);
    buffer_add_u64(buffer, settings->defaults.run_timeout_ms);
    buffer_add_u64(buffer, settings->defaults.retention_ms);
    buffer_add_u32(buffer, settings->defaults.backoff_ms);
    buffer_add_u32(buffer, settings->defaults.backoff_max_ms);
    store_put(txn, TABLE_QUEUE, key_of(queue), record_seal(buffer, 0));
    queue->is_stored = true;
}

void queues_settle(struct lanes *lanes, struct store_txn *txn)
{
    CLEANUP(buffer_done)
    struct buffer buffer = {0};
    struct queue *queue = lanes->dirty_queues;

    lanes->dirty_queues = NULL;
    while (queue != NULL) {
        struct queue *next = queue->next_dirty;
        queue->is_dirty = false;
        queue->next_dirty = NULL;
        if (queue->is_set) {
            queue_save(txn, queue, &buffer);
        } else {
            if (queue->is_stored)
                store_delete(txn, TABLE_QUEUE, key_of(queue));
            queue->is_stored = false;
            lanes_trim_queue(lanes, queue);
        }
        queue = next;
    }
}

enum status queue_admits(const struct queue *queue, uint64_t adding, struct error *error)
{
    if (queue == NULL || !queue->is_set)
        return STATUS_OK;
    const struct queue_settings *settings = &queue->settings;
    if (settings->paused_in)
        return error_set(error, STATUS_FAILED_PRECONDITION, "QUEUE_PAUSED",
                         "queue: %s/%s takes no tasks until an operator resumes it%s%s", queue->namespace, queue->name,
                         settings->pause_reason[0] != '\0' ? ": " : "", settings->pause_reason);
    if (settings->length_max > 0 && queue->waiting + adding >= settings->length_max)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED, "QUEUE_FULL",
                         "queue: %s/%s has %llu tasks waiting, and takes no more than %llu; try again in a while",
                         queue->namespace, queue->name, (unsigned long long)queue->waiting + adding,
                         (unsigned long long)settings->length_max);
    return STATUS_OK;
}

void queue_complete_spec(const struct queue *queue, struct task_spec *spec)
{
    const struct queue_defaults *defaults = &queue->settings.defaults;

    spec->priority = spec->priority > 0 ? spec->priority : defaults->priority;
    spec->max_attempts = spec->max_attempts > 0 ? spec->max_attempts : defaults->max_attempts;
    spec->run_timeout_ms = spec->run_timeout_ms > 0 ? spec->run_timeout_ms : defaults->run_timeout_ms;
    spec->retention_ms = spec->retention_ms > 0 ? spec->retention_ms : defaults->retention_ms;
    spec->backoff_ms = spec->backoff_ms > 0 ? spec->backoff_ms : defaults->backoff_ms;
    spec->backoff_max_ms = spec->backoff_max_ms > 0 ? spec->backoff_max_ms : defaults->backoff_max_ms;
}

/* The one that the command names; refused when something would be said of one queue too many. */
static enum status obtain(struct step *step, const char *namespace, const char *name, struct queue **ret_queue)
{
    struct lanes *lanes = &step->broker->lanes;

    TRY(limits_check_name("namespace", namespace, &step->error));
    TRY(limits_check_name("queue", name, &step->error));
    namespace = namespace[0] != '\0' ? namespace : DEFAULT_NAME;
    name = name[0] != '\0' ? name : DEFAULT_NAME;
    const struct queue *known = lanes_queue(lanes, namespace, name);
    if ((known == NULL || !known->is_set) && lanes->queues_set >= QUEUES_SET_MAX)
        return error_set(&step->error, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_QUEUES",
                         "something is said of %d queues already; resume some, or set them back", QUEUES_SET_MAX);
    *ret_queue = lanes_obtain_queue(lanes, namespace, name);
    return STATUS_OK;
}

/* Its settings were changed by step->who. */
static void changed(struct step *step, struct queue *queue, enum event_kind kind, const char *why)
{
    struct lanes *lanes = &step->broker->lanes;
    bool is_set = says_something(&queue->settings);
    char subject[QUEUE_KEY_MAX];

    lanes->queues_set += (size_t)is_set - (size_t)queue->is_set;
    queue->is_set = is_set;
    if (!queue->is_dirty) {
        queue->is_dirty = true;
        LL_PREPEND2(lanes->dirty_queues, queue, next_dirty);
    }
    (void)snprintf(subject, sizeof subject, "%s/%s", queue->namespace, queue->name);
    event_note(step, kind, subject, why);
}

static void set_text(char **text, const char *value)
{
    free(*text);
    *text = duplicate_text(value);
}

static enum status answer_queue(struct step *step, const struct command *command, const struct queue *queue)
{
    struct queue_view *view = arena_zero(&step->effects->arena, 1, sizeof *view);

    TRY(queue_describe(step, queue, view));
    struct answer *answer = effects_answer(step->effects, command->token, command->kind);
    answer->queue_stats.queues = view;
    answer->queue_stats.count = 1;
    return STATUS_OK;
}

enum status step_pause_queue(struct step *step, const struct command *command)
{
    const struct command_pause_queue *pause = &command->pause_queue;
    bool both = !pause->in && !pause->out;
    struct queue *queue = NULL;

    TRY(limits_check_pause_queue(pause, &step->error));
    TRY(obtain(step, pause->namespace, pause->queue, &queue));
    CHECK(queue != NULL);
    struct queue_settings *settings = &queue->settings;
    if (pause->in || both)
        settings->paused_in = !pause->resumes;
    if (pause->out || both)
        settings->paused_out = !pause->resumes;
    bool is_paused = settings->paused_in || settings->paused_out;
    if (!pause->resumes || !is_paused) {
        set_text(&settings->paused_by, is_paused ? step->who : "");
        set_text(&settings->pause_reason, is_paused ? pause->reason : "");
    }
    changed(step, queue, pause->resumes ? EVENT_QUEUE_RESUMED : EVENT_QUEUE_PAUSED, pause->reason);
    if (!settings->paused_out)
        queue_wake(&step->broker->lanes, queue);
    return answer_queue(step, command, queue);
}

enum status step_set_queue(struct step *step, const struct command *command)
{
    const struct command_set_queue *set = &command->set_queue;
    struct queue *queue = NULL;
    char why[48] = "";

    TRY(limits_check_set_queue(set, &step->error));
    TRY(obtain(step, set->namespace, set->queue, &queue));
    CHECK(queue != NULL);
    if (set->has_length_max) {
        queue->settings.length_max = set->length_max;
        (void)snprintf(why, sizeof why, "length_max %llu", (unsigned long long)set->length_max);
    }
    if (set->has_defaults)
        queue->settings.defaults = set->defaults;
    changed(step, queue, EVENT_QUEUE_SET, why);
    return answer_queue(step, command, queue);
}
