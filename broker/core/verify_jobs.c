/* Proves that whoever waits will be told, and that every job can go on. */
#include "broker/core/job.h"
#include "broker/core/record.h"
#include "broker/core/release.h"
#include "broker/core/verify.h"
#include "common/base/id.h"

static enum status has_row(struct scan *scan, enum broker_table table, struct key key, bool *ret_has)
{
    struct bytes value;
    enum status status = store_get(scan->txn, table, key_bytes(&key), &value);

    *ret_has = status == STATUS_OK;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Whether a task that is waited for will tell of its end. */
static enum status check_dependency(struct scan *scan, uint64_t id, const char *waiting)
{
    struct key key = key_of_id(id);
    struct task task = {0};
    struct bytes value;
    bool walks = false;
    char text[ID_TEXT_SIZE];
    enum status status = store_get(scan->txn, TABLE_STATE, key_bytes(&key), &value);

    if (status == STATUS_OK && !record_read_task(value, id, &task))
        return STATUS_OK; /* which its own scan names */
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    TRY(has_row(scan, TABLE_WALK, key_walk(RELEASES_JOB, id), &walks));
    bool lives = status == STATUS_OK && !task_has_ended(task.now.state);
    if (lives ? !task.has_waits : !walks)
        problem(scan, "task %s waits for task %s, which will not tell it of its end", waiting, id_format(id, text));
    return STATUS_OK;
}

enum status check_waits(struct scan *scan, const struct task *task, const struct task_spec *spec)
{
    uint32_t open = 0;
    char text[ID_TEXT_SIZE];

    for (size_t i = 0; i < spec->depends_on_count && task->now.state == TASK_BLOCKED; i++) {
        bool waits = false;
        TRY(has_row(scan, TABLE_WAITS, key_waits(spec->depends_on[i], task->id), &waits));
        if (waits)
            TRY(check_dependency(scan, spec->depends_on[i], id_format(task->id, text)));
        open += waits;
    }
    if (open != task->open_dependencies || (task->now.state == TASK_BLOCKED && open == 0))
        problem(scan, "task %s waits for %u tasks, %u are counted", id_format(task->id, text), open,
                task->open_dependencies);
    scan->expected[TABLE_WAITS] += open;
    return STATUS_OK;
}

/* NOT_FOUND also where the record is damaged: that is named by check_jobs. */
static enum status find_job(struct scan *scan, uint64_t id, struct job *ret_job)
{
    struct key key = key_of_id(id);
    struct bytes value;

    TRY(store_get(scan->txn, TABLE_JOB, key_bytes(&key), &value));
    arena_reset(&scan->arena);
    return record_read_job(value, id, &scan->arena, ret_job) ? STATUS_OK : STATUS_NOT_FOUND;
}

static enum status check_release(struct scan *scan, uint64_t task_id, bool has_release)
{
    struct key key = key_of_id(task_id);
    struct task task;
    struct bytes value;
    char text[ID_TEXT_SIZE];
    enum status status = store_get(scan->txn, TABLE_STATE, key_bytes(&key), &value);

    if (status == STATUS_OK && !record_read_task(value, task_id, &task))
        return STATUS_OK; /* which its own scan names */
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    if (status == STATUS_NOT_FOUND || !task_has_ended(task.now.state) || !task.has_waits || !has_release)
        problem(scan, "task %s is to be told of as ended, but has not ended, or no job will", id_format(task_id, text));
    return STATUS_OK;
}

static enum status check_walks(struct scan *scan, bool has_release)
{
    struct bytes key;
    struct bytes value;
    char text[ID_TEXT_SIZE];
    enum status status = store_seek(scan->txn, TABLE_WALK, (struct bytes){0}, &key, &value);

    for (; status == STATUS_OK; status = store_next(scan->txn, TABLE_WALK, &key, &value)) {
        uint64_t job_id = key_read_owner(key);
        struct job job = {0};
        if (job_id == RELEASES_JOB) {
            TRY(check_release(scan, key_read_id(key), has_release));
            continue;
        }
        enum status found = find_job(scan, job_id, &job);
        if (found != STATUS_OK && found != STATUS_NOT_FOUND)
            return found;
        if (found == STATUS_NOT_FOUND || job.state != JOB_OPEN || job.order.kind != JOB_CASCADE)
            problem(scan, "there is a walk of job %s, which goes through no tree", id_format(job_id, text));
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status check_jobs(struct scan *scan, const struct counters *counters)
{
    struct bytes key;
    struct bytes value;
    bool has_release = false;
    char text[ID_TEXT_SIZE];
    enum status status = store_seek(scan->txn, TABLE_JOB, (struct bytes){0}, &key, &value);

    for (; status == STATUS_OK; status = store_next(scan->txn, TABLE_JOB, &key, &value)) {
        uint64_t id = key_read_id(key);
        struct job job;
        arena_reset(&scan->arena);
        if (!record_read_job(value, id, &scan->arena, &job)) {
            problem(scan, "the record of job %s is damaged", id_format(id, text));
            continue;
        }
        if (id > counters->job_id)
            problem(scan, "job %s is ahead of the store's counters", id_format(id, text));
        has_release = has_release || (job.order.kind == JOB_RELEASE && job.state == JOB_OPEN);
    }
    if (status != STATUS_NOT_FOUND)
        return status;
    return check_walks(scan, has_release);
}
