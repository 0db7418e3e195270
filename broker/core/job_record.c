#include "broker/core/job.h"

#include "broker/core/record.h"

#define JOB_VERSION 1

static void add_filter(struct buffer *buffer, const struct task_filter *filter)
{
    record_add_text(buffer, filter->namespace);
    record_add_text(buffer, filter->queue);
    record_add_text(buffer, filter->agent_type);
    buffer_add_u32(buffer, filter->states);
    buffer_add_u64(buffer, filter->min_task_id);
    buffer_add_u64(buffer, filter->max_task_id);
    buffer_add_u64(buffer, filter->parent_id);
    buffer_add_u64(buffer, filter->ended_before_ms);
    record_add_labels(buffer, filter->labels, filter->label_count);
}

static void read_filter(struct reader *reader, struct arena *arena, struct task_filter *filter)
{
    filter->namespace = record_text(reader);
    filter->queue = record_text(reader);
    filter->agent_type = record_text(reader);
    filter->states = reader_u32(reader);
    filter->min_task_id = reader_u64(reader);
    filter->max_task_id = reader_u64(reader);
    filter->parent_id = reader_u64(reader);
    filter->ended_before_ms = reader_u64(reader);
    filter->labels = record_labels(reader, arena, &filter->label_count);
}

struct bytes record_of_job(struct buffer *buffer, const struct job *job)
{
    record_begin(buffer, JOB_VERSION);
    buffer_add_u8(buffer, (uint8_t)job->order.kind);
    buffer_add_u8(buffer, (uint8_t)job->state);
    buffer_add_u8(buffer, job->stopping);
    buffer_add_u8(buffer, job->order.force);
    buffer_add_u64(buffer, job->order.root_id);
    buffer_add_u64(buffer, job->cursor);
    buffer_add_u64(buffer, job->looked_at);
    buffer_add_u64(buffer, job->matched);
    buffer_add_u64(buffer, job->done);
    buffer_add_u64(buffer, job->began_ms);
    buffer_add_u64(buffer, job->ended_ms);
    record_add_text(buffer, job->who);
    record_add_text(buffer, job->order.reason);
    add_filter(buffer, &job->order.filter);
    return record_seal(buffer, job->id);
}

bool record_read_job(struct bytes value, uint64_t id, struct arena *arena, struct job *ret_job)
{
    struct reader reader;

    if (!record_open(value, JOB_VERSION, id, &reader))
        return false;
    struct job job = {.id = id};
    job.order.kind = (enum job_kind)reader_u8(&reader);
    job.state = (enum job_state)reader_u8(&reader);
    job.stopping = reader_u8(&reader) != 0;
    job.order.force = reader_u8(&reader) != 0;
    job.order.root_id = reader_u64(&reader);
    job.cursor = reader_u64(&reader);
    job.looked_at = reader_u64(&reader);
    job.matched = reader_u64(&reader);
    job.done = reader_u64(&reader);
    job.began_ms = reader_u64(&reader);
    job.ended_ms = reader_u64(&reader);
    job.who = record_text(&reader);
    job.order.reason = record_text(&reader);
    read_filter(&reader, arena, &job.order.filter);
    if (reader.failed || job.order.kind == 0 || job.order.kind >= JOB_KINDS)
        return false;
    *ret_job = job;
    return true;
}
