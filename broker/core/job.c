#include "broker/core/job.h"

#include "broker/core/core.h"
#include "broker/core/event.h"
#include "broker/core/filter.h"
#include "broker/core/limits.h"
#include "broker/core/release.h"
#include "common/base/check.h"
#include "common/base/id.h"

#include <string.h>

#define PREVIEW_LOOKS 5000 /* tasks, per call */
#define SAMPLE_MAX 10

static void note_open(struct jobs *jobs, const struct job *job)
{
    CHECK(jobs->count < JOBS_OPEN_MAX + 1);
    jobs->open[jobs->count++] = job->id;
    if (job->order.kind == JOB_RELEASE)
        jobs->release_id = job->id;
}

static void note_over(struct jobs *jobs, uint64_t id)
{
    for (size_t i = 0; i < jobs->count; i++) {
        if (jobs->open[i] != id)
            continue;
        memmove(&jobs->open[i], &jobs->open[i + 1], (jobs->count - i - 1) * sizeof jobs->open[0]);
        jobs->count--;
        break;
    }
    if (jobs->release_id == id)
        jobs->release_id = 0;
}

static void job_save(struct step *step, const struct job *job)
{
    struct key key = key_of_id(job->id);

    store_put(step->txn, TABLE_JOB, key_bytes(&key), record_of_job(&step->broker->scratch, job));
}

/* In the arena of the effects. */
static enum status job_load(struct step *step, uint64_t id, struct job *ret_job)
{
    struct arena *arena = &step->effects->arena;
    struct key key = key_of_id(id);
    struct bytes value;
    char text[ID_TEXT_SIZE];
    enum status status = store_get(step->txn, TABLE_JOB, key_bytes(&key), &value);

    if (status == STATUS_NOT_FOUND)
        return error_set(&step->error, status, "NO_SUCH_JOB",
                         "there is no job %s: it never was, or it ended before the last %d", id_format(id, text),
                         JOBS_KEPT);
    TRY(status);
    if (record_read_job(arena_bytes(arena, value), id, arena, ret_job))
        return STATUS_OK;
    return error_set(&step->error, STATUS_DATA_LOSS, "DAMAGED_RECORD",
                     "the record of job %s is damaged in the store; restore it from a backup", id_format(id, text));
}

/* Each job of the store in turn, but for damaged ones; false stops it. */
typedef bool each_fn(const struct job *job, void *data);
static enum status for_each(struct store_txn *txn, struct arena *arena, each_fn *each, void *data)
{
    struct key first = key_of_id(0);
    struct bytes key;
    struct bytes value;
    struct job job;
    enum status status = store_seek(txn, TABLE_JOB, key_bytes(&first), &key, &value);

    for (; status == STATUS_OK; status = store_next(txn, TABLE_JOB, &key, &value)) {
        if (record_read_job(arena_bytes(arena, value), key_read_id(key), arena, &job) && !each(&job, data))
            return STATUS_OK;
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static bool load_one(const struct job *job, void *data)
{
    if (job->state == JOB_OPEN)
        note_open(data, job);
    return true;
}

enum status jobs_load(struct broker *broker, struct store_txn *txn)
{
    CLEANUP(arena_done)
    struct arena arena = {0};

    broker->jobs = (struct jobs){0};
    return for_each(txn, &arena, load_one, &broker->jobs);
}

/* The oldest that is over, and how many there are. */
struct oldest {
    size_t count;
    uint64_t id;
};

static bool count_one(const struct job *job, void *data)
{
    struct oldest *oldest = data;

    oldest->count++;
    if (oldest->id == 0 && job->state != JOB_OPEN)
        oldest->id = job->id;
    return true;
}

static enum status make_room(struct step *step)
{
    struct oldest oldest = {0};

    TRY(for_each(step->txn, &step->effects->arena, count_one, &oldest));
    if (oldest.count < JOBS_KEPT || oldest.id == 0)
        return STATUS_OK;
    struct key key = key_of_id(oldest.id);
    store_delete(step->txn, TABLE_JOB, key_bytes(&key));
    return STATUS_OK;
}

enum status jobs_check_room(struct step *step)
{
    const struct jobs *jobs = &step->broker->jobs;

    if (jobs->count - (jobs->release_id > 0) < JOBS_OPEN_MAX)
        return STATUS_OK;
    return error_set(&step->error, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_JOBS",
                     "there are %d open jobs: wait until one is done, or cancel one", JOBS_OPEN_MAX);
}

static void job_end(struct step *step, struct job *job, enum job_state state)
{
    char text[ID_TEXT_SIZE];

    job->state = state;
    job->stopping = false;
    job->ended_ms = step->now.wall_ms;
    note_over(&step->broker->jobs, job->id);
    event_note(step, EVENT_JOB_ENDED, id_format(job->id, text), state == JOB_STOPPED ? "canceled" : "");
}

static enum status work_and_save(struct step *step, struct job *job, uint32_t *work)
{
    bool is_over = false;

    TRY(job_work(step, job, work, &is_over));
    if (is_over)
        job_end(step, job, job->stopping ? JOB_STOPPED : JOB_DONE);
    job_save(step, job);
    step->broker->is_dirty = true;
    return STATUS_OK;
}

enum status job_begin(struct step *step, const struct job_order *order, struct job *ret_job)
{
    struct broker *broker = step->broker;
    char text[ID_TEXT_SIZE];
    struct job job = {
        .id = counters_next(&broker->counters, &broker->counters.job_id),
        .order = *order,
        .state = JOB_OPEN,
        .who = order->kind == JOB_RELEASE ? "" : step->who,
        .began_ms = step->now.wall_ms,
    };

    TRY(make_room(step));
    note_open(&broker->jobs, &job);
    event_note(step, EVENT_JOB_STARTED, id_format(job.id, text), order->reason);
    if (order->kind == JOB_CASCADE) {
        struct key key = key_walk(job.id, order->root_id);
        store_put(step->txn, TABLE_WALK, key_bytes(&key), (struct bytes){0});
    }
    TRY(work_and_save(step, &job, &broker->work_left));
    *ret_job = job;
    return STATUS_OK;
}

enum status jobs_tick(struct step *step)
{
    struct jobs *jobs = &step->broker->jobs;
    uint32_t work = WORK_OF_SLICE;
    struct job job;

    if (jobs->count == 0)
        return STATUS_OK;
    uint64_t id = jobs->open[jobs->turn++ % jobs->count];
    enum status status = job_load(step, id, &job);
    if (status == STATUS_DATA_LOSS) {
        note_over(jobs, id); /* the others go on, and a new release begins */
        return STATUS_OK;
    }
    TRY(status);
    return work_and_save(step, &job, &work);
}

enum status jobs_release(struct step *step)
{
    static const struct job_order release = {
        .kind = JOB_RELEASE, .reason = "", .filter = {.namespace = "", .queue = "", .agent_type = ""}};
    struct broker *broker = step->broker;
    uint64_t done = 0;
    struct job job;

    if (!broker->has_releases || broker->jobs.release_id > 0)
        return STATUS_OK;
    TRY(releases_go_on(step, &broker->work_left, &done));
    return broker->has_releases ? job_begin(step, &release, &job) : STATUS_OK;
}

static void answer_job(struct step *step, const struct command *command, const struct job *job)
{
    struct job *copy = arena_zero(&step->effects->arena, 1, sizeof *copy);

    *copy = *job;
    effects_answer(step->effects, command->token, command->kind)->job = copy;
}

enum status step_start_job(struct step *step, const struct command *command)
{
    struct job_order order = command->start_job.order;
    struct job job;

    TRY(job_complete_order(step, &order));
    TRY(jobs_check_room(step));
    TRY(job_begin(step, &order, &job));
    answer_job(step, command, &job);
    return STATUS_OK;
}

enum status step_preview_job(struct step *step, const struct command *command)
{
    struct job_order order = command->preview_job.order;
    const struct task_view **sample = arena_zero(&step->effects->arena, SAMPLE_MAX, sizeof(struct task_view *));
    struct preview preview = {.sample = sample};

    TRY(job_complete_order(step, &order));
    struct walk walk = walk_over(&order.filter, false, command->preview_job.page_token);
    for (uint64_t id = 0; preview.looked_at < PREVIEW_LOOKS; preview.looked_at++) {
        struct task task;
        struct task_view *view = NULL;
        bool matches = false;
        enum status status = walk_next(step, &walk, &id);
        if (status == STATUS_NOT_FOUND)
            break;
        TRY(status);
        TRY(filter_matches(step, &order.filter, id, &task, &matches));
        preview.matched += matches;
        if (matches && preview.sample_count < SAMPLE_MAX)
            status = task_view(step, &task, false, &view);
        if (view != NULL && status == STATUS_OK)
            sample[preview.sample_count++] = view;
        else if (status != STATUS_DATA_LOSS)
            TRY(status);
        preview.next_page_token = preview.looked_at + 1 == PREVIEW_LOOKS ? id : 0;
    }
    effects_answer(step->effects, command->token, command->kind)->preview = preview;
    return STATUS_OK;
}

struct listing {
    const struct job **jobs;
    size_t count;
    struct arena *arena;
};

static bool list_one(const struct job *job, void *data)
{
    struct listing *listing = data;
    struct job *copy = arena_zero(listing->arena, 1, sizeof *copy);

    *copy = *job;
    listing->jobs[listing->count++] = copy;
    return listing->count < JOBS_KEPT + 1;
}

enum status step_list_jobs(struct step *step, const struct command *command)
{
    struct arena *arena = &step->effects->arena;
    struct listing listing = {.arena = arena, .jobs = arena_zero(arena, JOBS_KEPT + 1, sizeof(struct job *))};
    uint64_t id = command->list_jobs.job_id;
    struct job job;

    if (id > 0) {
        TRY(job_load(step, id, &job));
        (void)list_one(&job, &listing);
    } else {
        TRY(for_each(step->txn, arena, list_one, &listing));
    }
    struct answer *answer = effects_answer(step->effects, command->token, command->kind);
    answer->jobs.jobs = listing.jobs;
    answer->jobs.count = listing.count;
    return STATUS_OK;
}

enum status step_cancel_job(struct step *step, const struct command *command)
{
    struct job job = {0};
    char text[ID_TEXT_SIZE];

    TRY(job_load(step, command->cancel_job.job_id, &job));
    if (job.state != JOB_OPEN)
        return error_set(&step->error, STATUS_FAILED_PRECONDITION, "JOB_ENDED", "job %s has ended already",
                         id_format(job.id, text));
    if (job.order.kind == JOB_RELEASE)
        return error_set(&step->error, STATUS_FAILED_PRECONDITION, "JOB_NEEDED",
                         "job %s cannot be canceled: tasks would wait for ever", id_format(job.id, text));
    if (job.order.kind == JOB_CASCADE) {
        job.stopping = true;
        TRY(work_and_save(step, &job, &step->broker->work_left));
    } else {
        job_end(step, &job, JOB_STOPPED);
        job_save(step, &job);
        step->broker->is_dirty = true;
    }
    answer_job(step, command, &job);
    return STATUS_OK;
}
