#include "broker/core/record.h"

#include "common/base/check.h"

#include <string.h>

#define SPENDING_SIZE ((size_t)48)
#define TASK_VERSION 2
#define BODY_VERSION 2
#define OUTCOME_VERSION 2

#define CHECKSUM_SIZE 4
#define TASK_FIXED_SIZE 149 /* with the version, before the texts and the checksum */

enum task_flag {
    FLAG_CANCELING = 1,
    FLAG_HAS_OUTCOME = 2,
    FLAG_DUE_BY_WALL = 4,
    FLAG_SUSPENDING = 8,
    FLAG_REAPING = 16,
    FLAG_FINISHING = 32,
    FLAG_SUPERVISED = 64,
    FLAG_OUTPUT_INCOMPLETE = 128,
    FLAG_HAS_CHECKPOINT = 256,
    FLAG_HAS_KEY = 512,
    FLAG_HAS_WAITS = 1024,
    FLAG_HAS_SPENDING = 2048,
};

static uint32_t record_checksum(struct bytes content, uint64_t number)
{
    uint8_t filed_under[8];

    store_u64(filed_under, number);
    return crc32c(crc32c(0, filed_under, sizeof filed_under), content.data, content.size);
}

void record_begin(struct buffer *buffer, uint8_t version)
{
    buffer->size = 0;
    buffer_add_u8(buffer, version);
}

struct bytes record_seal(struct buffer *buffer, uint64_t number)
{
    buffer_add_u32(buffer, record_checksum(buffer_view(buffer), number));
    return buffer_view(buffer);
}

bool record_open(struct bytes value, uint8_t version, uint64_t number, struct reader *ret_reader)
{
    if (value.size <= CHECKSUM_SIZE || value.data[0] != version)
        return false;
    struct bytes content = bytes_slice(value, 0, value.size - CHECKSUM_SIZE);
    if (load_u32(value.data + content.size) != record_checksum(content, number))
        return false;
    *ret_reader = reader_over(bytes_slice(content, 1, content.size));
    return true;
}

void record_add_text(struct buffer *buffer, const char *text)
{
    size_t size = strlen(text) + 1;

    CHECK(size <= UINT16_MAX);
    buffer_add_u16(buffer, (uint16_t)size);
    buffer_add(buffer, text, size);
}

const char *record_text(struct reader *reader)
{
    struct bytes text = reader_take(reader, reader_u16(reader));

    if (reader->failed || text.size == 0 || text.data[text.size - 1] != '\0') {
        reader->failed = true;
        return "";
    }
    return (const char *)text.data;
}

void record_add_labels(struct buffer *buffer, const struct label *labels, size_t count)
{
    buffer_add_u8(buffer, (uint8_t)count);
    for (size_t i = 0; i < count; i++) {
        record_add_text(buffer, labels[i].key);
        record_add_text(buffer, labels[i].value);
    }
}

const struct label *record_labels(struct reader *reader, struct arena *arena, size_t *ret_count)
{
    size_t count = reader_u8(reader);
    struct label *labels = arena_zero(arena, count, sizeof *labels);

    for (size_t i = 0; i < count; i++) {
        labels[i].key = record_text(reader);
        labels[i].value = record_text(reader);
    }
    *ret_count = count;
    return labels;
}

static uint8_t *put_u8(uint8_t *at, uint8_t value)
{
    *at = value;
    return at + 1;
}

static uint8_t *put_u16(uint8_t *at, uint16_t value)
{
    store_u16(at, value);
    return at + 2;
}

static uint8_t *put_u32(uint8_t *at, uint32_t value)
{
    store_u32(at, value);
    return at + 4;
}

static uint8_t *put_u64(uint8_t *at, uint64_t value)
{
    store_u64(at, value);
    return at + 8;
}

/* Most tasks draw on no budget and say nothing of what they use. */
static bool has_spending(const struct task *task)
{
    return task->budget_id > 0 || task->used.micro_dollars > 0 || task->used.tokens > 0;
}

static uint8_t *put_spending(uint8_t *at, const struct task *task)
{
    at = put_u64(at, task->budget_id);
    at = put_u64(at, task->now.withheld_by);
    at = put_u64(at, task->used.micro_dollars);
    at = put_u64(at, task->used.tokens);
    at = put_u64(at, task->used_by_run.micro_dollars);
    return put_u64(at, task->used_by_run.tokens);
}

static void read_spending(struct reader *reader, unsigned int flags, struct task *task)
{
    bool is_there = (flags & FLAG_HAS_SPENDING) != 0;

    task->budget_id = is_there ? reader_u64(reader) : 0;
    task->now.withheld_by = is_there ? reader_u64(reader) : 0;
    task->used.micro_dollars = is_there ? reader_u64(reader) : 0;
    task->used.tokens = is_there ? reader_u64(reader) : 0;
    task->used_by_run.micro_dollars = is_there ? reader_u64(reader) : 0;
    task->used_by_run.tokens = is_there ? reader_u64(reader) : 0;
}

static uint16_t flags_of_task(const struct task *task)
{
    unsigned int flags = (task->canceling ? FLAG_CANCELING : 0U) | (task->has_outcome ? FLAG_HAS_OUTCOME : 0U) |
                         (task->now.time_base == WALL_TIME ? FLAG_DUE_BY_WALL : 0U) |
                         (task->suspending ? FLAG_SUSPENDING : 0U) | (task->reaping ? FLAG_REAPING : 0U) |
                         (task->now.finishing ? FLAG_FINISHING : 0U) | (task->supervised ? FLAG_SUPERVISED : 0U) |
                         (task->output_incomplete ? FLAG_OUTPUT_INCOMPLETE : 0U) |
                         (task->has_checkpoint ? FLAG_HAS_CHECKPOINT : 0U) | (task->has_key ? FLAG_HAS_KEY : 0U) |
                         (task->has_waits ? FLAG_HAS_WAITS : 0U) | (has_spending(task) ? FLAG_HAS_SPENDING : 0U);

    return (uint16_t)flags;
}

static void read_flags(unsigned int flags, struct task *task)
{
    task->canceling = (flags & FLAG_CANCELING) != 0;
    task->has_outcome = (flags & FLAG_HAS_OUTCOME) != 0;
    task->now.time_base = (flags & FLAG_DUE_BY_WALL) != 0 ? WALL_TIME : STORE_TIME;
    task->suspending = (flags & FLAG_SUSPENDING) != 0;
    task->reaping = (flags & FLAG_REAPING) != 0;
    task->now.finishing = (flags & FLAG_FINISHING) != 0;
    task->supervised = (flags & FLAG_SUPERVISED) != 0;
    task->output_incomplete = (flags & FLAG_OUTPUT_INCOMPLETE) != 0;
    task->has_checkpoint = (flags & FLAG_HAS_CHECKPOINT) != 0;
    task->has_key = (flags & FLAG_HAS_KEY) != 0;
    task->has_waits = (flags & FLAG_HAS_WAITS) != 0;
}

/* In place and not through buffer_add: this is the record that every request writes. */
struct bytes record_of_task(struct buffer *buffer, const struct task *task)
{
    size_t agent_size = strlen(task->now.agent_id);
    size_t reason_size = strlen(task->cancel_reason);
    size_t size = TASK_FIXED_SIZE + (has_spending(task) ? SPENDING_SIZE : 0) + agent_size + reason_size;

    buffer->size = 0;
    uint8_t *start = buffer_reserve(buffer, size + CHECKSUM_SIZE);
    uint8_t *at = put_u8(start, TASK_VERSION);
    at = put_u8(at, (uint8_t)task->now.state);
    at = put_u16(at, flags_of_task(task));
    at = put_u8(at, task->now.priority);
    at = put_u8(at, task->max_attempts);
    at = put_u8(at, task->max_crashes);
    at = put_u16(at, task->max_deliveries);
    at = put_u8(at, (uint8_t)((unsigned int)task->dependency_policy << 4 | (unsigned int)task->lost_policy));
    at = put_u8(at, (uint8_t)((unsigned int)task->run_end << 4 | (unsigned int)task->run_end_state));
    at = put_u8(at, (uint8_t)agent_size);
    at = put_u8(at, (uint8_t)reason_size);
    at = put_u32(at, task->now.lane);
    at = put_u64(at, task->now.turn);
    at = put_u64(at, task->now.parent_id);
    at = put_u64(at, task->now.expires_ms);
    at = put_u32(at, task->open_dependencies);
    at = put_u16(at, task->attempts);
    at = put_u16(at, task->crashes);
    at = put_u32(at, task->interruptions);
    at = put_u32(at, task->deliveries);
    at = put_u64(at, task->fence);
    at = put_u64(at, task->revision);
    at = put_u64(at, task->submitted_ms);
    at = put_u64(at, task->claimed_ms);
    at = put_u64(at, task->started_ms);
    at = put_u64(at, task->ended_ms);
    at = put_u64(at, task->now.due_ms);
    at = put_u64(at, task->run_deadline_ms);
    at = put_u64(at, task->retention_ms);
    at = put_u32(at, task->lease_ms);
    at = put_u32(at, task->start_timeout_ms);
    at = put_u32(at, task->run_timeout_ms);
    at = put_u32(at, task->backoff_ms);
    at = put_u32(at, task->backoff_max_ms);
    CHECK(at == start + TASK_FIXED_SIZE);
    if (has_spending(task))
        at = put_spending(at, task);
    memcpy(at, task->now.agent_id, agent_size);
    memcpy(at + agent_size, task->cancel_reason, reason_size);
    buffer->size = size;
    return record_seal(buffer, task->id);
}

static bool read_tail_text(struct reader *reader, size_t size, char *text, size_t capacity)
{
    struct bytes bytes = reader_take(reader, size);

    if (reader->failed || size >= capacity)
        return false;
    memcpy(text, bytes.data, size);
    text[size] = '\0';
    return true;
}

bool record_read_task(struct bytes value, uint64_t id, struct task *ret_task)
{
    struct reader reader;

    if (!record_open(value, TASK_VERSION, id, &reader))
        return false;
    struct task *task = ret_task;
    task->id = id;
    task->event = EVENT_NONE;
    task->why = NULL;
    task->output_pending = false;
    task->now.state = (enum task_state)reader_u8(&reader);
    unsigned int flags = reader_u16(&reader);
    read_flags(flags, task);
    task->now.priority = reader_u8(&reader);
    task->max_attempts = reader_u8(&reader);
    task->max_crashes = reader_u8(&reader);
    task->max_deliveries = reader_u16(&reader);
    unsigned int policies = reader_u8(&reader);
    task->dependency_policy = (enum dependency_policy)(policies >> 4);
    task->lost_policy = (enum lost_policy)(policies & 15U);
    unsigned int end = reader_u8(&reader);
    task->run_end = (enum run_end)(end >> 4);
    task->run_end_state = (enum task_state)(end & 15U);
    size_t agent_size = reader_u8(&reader);
    size_t reason_size = reader_u8(&reader);
    task->now.lane = reader_u32(&reader);
    task->now.turn = reader_u64(&reader);
    task->now.parent_id = reader_u64(&reader);
    task->now.expires_ms = reader_u64(&reader);
    task->open_dependencies = reader_u32(&reader);
    task->attempts = reader_u16(&reader);
    task->crashes = reader_u16(&reader);
    task->interruptions = reader_u32(&reader);
    task->deliveries = reader_u32(&reader);
    task->fence = reader_u64(&reader);
    task->revision = reader_u64(&reader);
    task->submitted_ms = reader_u64(&reader);
    task->claimed_ms = reader_u64(&reader);
    task->started_ms = reader_u64(&reader);
    task->ended_ms = reader_u64(&reader);
    task->now.due_ms = reader_u64(&reader);
    task->run_deadline_ms = reader_u64(&reader);
    task->retention_ms = reader_u64(&reader);
    task->lease_ms = reader_u32(&reader);
    task->start_timeout_ms = reader_u32(&reader);
    task->run_timeout_ms = reader_u32(&reader);
    task->backoff_ms = reader_u32(&reader);
    task->backoff_max_ms = reader_u32(&reader);
    read_spending(&reader, flags, task);
    if (!read_tail_text(&reader, agent_size, task->now.agent_id, sizeof task->now.agent_id) ||
        !read_tail_text(&reader, reason_size, task->cancel_reason, sizeof task->cancel_reason) ||
        (size_t)task->now.state >= TASK_STATES)
        return false;
    task->was = task->now;
    return true;
}

/* Few, and short. */
static void add_texts(struct buffer *buffer, const char *const *texts, size_t count)
{
    buffer_add_u8(buffer, (uint8_t)count);
    for (size_t i = 0; i < count; i++)
        record_add_text(buffer, texts[i]);
}

static const char *const *read_texts(struct reader *reader, struct arena *arena, size_t *ret_count)
{
    size_t count = reader_u8(reader);
    const char **texts = arena_zero(arena, count, sizeof texts[0]);

    for (size_t i = 0; i < count; i++)
        texts[i] = record_text(reader);
    *ret_count = count;
    return texts;
}

/* What few tasks have takes a few bytes where it is not there. */
static void add_extras(struct buffer *buffer, const struct task_spec *spec)
{
    record_add_text(buffer, spec->idempotency_key);
    record_add_text(buffer, spec->fairness_key);
    add_texts(buffer, spec->non_retryable, spec->non_retryable_count);
    buffer_add_u16(buffer, (uint16_t)spec->depends_on_count);
    for (size_t i = 0; i < spec->depends_on_count; i++)
        buffer_add_u64(buffer, spec->depends_on[i]);
    buffer_add_u8(buffer, (uint8_t)spec->budget.on_breach);
    if (spec->budget.on_breach == 0)
        return;
    buffer_add_u64(buffer, spec->budget.micro_dollars);
    buffer_add_u64(buffer, spec->budget.tokens);
}

static void read_extras(struct reader *reader, struct arena *arena, struct task_spec *spec)
{
    spec->idempotency_key = record_text(reader);
    spec->fairness_key = record_text(reader);
    spec->non_retryable = read_texts(reader, arena, &spec->non_retryable_count);
    spec->depends_on_count = reader_u16(reader);
    uint64_t *depends_on = arena_zero(arena, spec->depends_on_count, sizeof *depends_on);
    for (size_t i = 0; i < spec->depends_on_count; i++)
        depends_on[i] = reader_u64(reader);
    spec->depends_on = depends_on;
    spec->budget.on_breach = (enum breach_policy)reader_u8(reader);
    if (spec->budget.on_breach == 0)
        return;
    spec->budget.micro_dollars = reader_u64(reader);
    spec->budget.tokens = reader_u64(reader);
}

struct bytes record_of_body(struct buffer *buffer, uint64_t id, const struct task_spec *spec)
{
    record_begin(buffer, BODY_VERSION);
    buffer_add_u64(buffer, spec->not_before_ms);
    buffer_add_u64(buffer, spec->delay_ms);
    record_add_text(buffer, spec->title);
    record_add_text(buffer, spec->content_type);
    record_add_labels(buffer, spec->labels, spec->label_count);
    add_extras(buffer, spec);
    buffer_add_sized(buffer, spec->payload);
    return record_seal(buffer, id);
}

bool record_read_body(struct bytes value, uint64_t id, struct arena *arena, struct task_spec *spec)
{
    struct reader reader;

    if (!record_open(value, BODY_VERSION, id, &reader))
        return false;
    spec->not_before_ms = reader_u64(&reader);
    spec->delay_ms = reader_u64(&reader);
    spec->title = record_text(&reader);
    spec->content_type = record_text(&reader);
    spec->labels = record_labels(&reader, arena, &spec->label_count);
    read_extras(&reader, arena, spec);
    spec->payload = reader_sized(&reader);
    return !reader.failed;
}

struct bytes record_of_outcome(struct buffer *buffer, uint64_t id, const struct outcome *outcome)
{
    record_begin(buffer, OUTCOME_VERSION);
    buffer_add_u64(buffer, outcome->fence);
    buffer_add_u32(buffer, (uint32_t)outcome->exit_status);
    buffer_add_u32(buffer, (uint32_t)outcome->signal);
    record_add_text(buffer, outcome->content_type);
    record_add_text(buffer, outcome->message);
    record_add_text(buffer, outcome->error_type);
    buffer_add_sized(buffer, outcome->result);
    return record_seal(buffer, id);
}

bool record_read_outcome(struct bytes value, uint64_t id, struct outcome *ret_outcome)
{
    struct reader reader;

    if (!record_open(value, OUTCOME_VERSION, id, &reader))
        return false;
    ret_outcome->fence = reader_u64(&reader);
    ret_outcome->exit_status = (int32_t)reader_u32(&reader);
    ret_outcome->signal = (int32_t)reader_u32(&reader);
    ret_outcome->content_type = record_text(&reader);
    ret_outcome->message = record_text(&reader);
    ret_outcome->error_type = record_text(&reader);
    ret_outcome->result = reader_sized(&reader);
    return !reader.failed;
}
