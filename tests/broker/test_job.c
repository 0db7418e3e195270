#include "broker/core/job.h"
#include "tests/broker/fixture.h"

#include <stdio.h>

#define AT_ONCE (WORK_AT_ONCE / WORK_OF_CHANGE)
#define MANY 5500

static struct command command_job(enum job_kind kind)
{
    return (struct command){.kind = COMMAND_START_JOB,
                            .who = "uid 1000",
                            .start_job.order = {
                                .kind = kind,
                                .filter = {.namespace = "", .queue = "", .agent_type = ""},
                                .reason = "cleaning up",
                            }};
}

static const struct job *job_of(struct world *world, uint64_t job_id)
{
    struct command command = {.kind = COMMAND_LIST_JOBS, .list_jobs = {.job_id = job_id}};

    return world_do(world, &command)->jobs.jobs[0];
}

static void submit_many(struct world *world, const struct task_spec *spec, size_t count)
{
    enum { AT_A_TIME = 500 };
    struct task_spec specs[AT_A_TIME];

    for (size_t i = 0; i < AT_A_TIME; i++)
        specs[i] = *spec;
    for (size_t left = count; left > 0; left -= left < AT_A_TIME ? left : AT_A_TIME) {
        struct command command = command_submit(specs);
        command.submit.spec_count = left < AT_A_TIME ? left : AT_A_TIME;
        (void)world_do(world, &command);
    }
}

static uint64_t count_of(struct world *world, enum task_state state)
{
    uint64_t counts[TASK_STATES];

    broker_counts(world->broker, counts);
    return counts[state];
}

static uint64_t next_ms_of(struct world *world)
{
    struct store_txn *txn = NULL;
    uint64_t next_ms = 0;

    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(broker_next_ms(world->broker, txn, world->now, &next_ms), STATUS_OK);
    store_abort(&txn);
    return next_ms;
}

/* One slice per batch until it is over; returns how many it took. */
static size_t work_off(struct world *world, uint64_t job_id)
{
    size_t slices = 0;

    for (; job_of(world, job_id)->state == JOB_OPEN; slices++)
        cr_assert_lt(slices, 1000);
    return slices;
}

Test(job, that_is_small_is_done_with_its_answer)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    submit_many(world, &spec, 5);
    struct command command = command_job(JOB_CANCEL);
    const struct job *job = world_do(world, &command)->job;
    cr_assert_eq(job->state, JOB_DONE);
    cr_assert_eq(job->matched, 5);
    cr_assert_eq(job->done, 5);
    cr_assert_str_eq(job->who, "uid 1000");
    cr_assert_str_eq(job->order.reason, "cleaning up");
    cr_assert_eq(job->ended_ms, world->now.wall_ms);
    cr_assert_eq(count_of(world, TASK_CANCELED), 5);
    cr_assert_str_eq(get(world, 3)->cancel_reason, "cleaning up");
    cr_assert_gt(next_ms_of(world), 0);
    world_close(world);
}

Test(job, changes_a_thousand_tasks_at_once_and_then_a_slice_in_each_batch)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    submit_many(world, &spec, MANY);
    struct command command = command_job(JOB_CANCEL);
    const struct job *job = world_do(world, &command)->job;
    uint64_t id = job->id;
    cr_assert_eq(job->state, JOB_OPEN);
    uint64_t first = count_of(world, TASK_CANCELED);
    cr_assert_leq(first, AT_ONCE);
    cr_assert_eq(job->done, first);
    cr_assert_eq(next_ms_of(world), 0);
    world_pass(world, 0);
    uint64_t slice = count_of(world, TASK_CANCELED) - first;
    cr_assert_gt(slice, 0);
    cr_assert_leq(slice, WORK_OF_SLICE / WORK_OF_CHANGE);
    world_check(world);
    cr_assert_gt(work_off(world, id) + 3, (MANY - first) / (slice + 1));
    job = job_of(world, id);
    cr_assert_eq(job->state, JOB_DONE);
    cr_assert_eq(job->done, MANY);
    cr_assert_gt(next_ms_of(world), 0);
    world_close(world);
}

Test(job, goes_on_after_a_restart)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    submit_many(world, &spec, MANY);
    struct command command = command_job(JOB_CANCEL);
    uint64_t id = world_do(world, &command)->job->id;
    for (int i = 0; i < 5; i++)
        world_pass(world, 0);
    world_restart(world);
    world_check(world);
    cr_assert_eq(next_ms_of(world), 0);
    (void)work_off(world, id);
    cr_assert_eq(job_of(world, id)->done, MANY);
    cr_assert_eq(count_of(world, TASK_CANCELED), MANY);
    cr_assert_eq(count_of(world, TASK_READY), 0);
    world_close(world);
}

Test(job, does_not_touch_what_comes_to_be_after_its_beginning)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    submit_many(world, &spec, 2 * AT_ONCE);
    struct command command = command_job(JOB_CANCEL);
    uint64_t id = world_do(world, &command)->job->id;
    uint64_t later = submit(world, "t");
    (void)work_off(world, id);
    cr_assert_eq(state_of(world, later), TASK_READY);
    world_close(world);
}

Test(job, takes_turns_with_others)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    submit_many(world, &spec, MANY);
    spec.queue = "other";
    submit_many(world, &spec, MANY);
    struct command first = command_job(JOB_CANCEL);
    struct command second = command_job(JOB_CANCEL);
    first.start_job.order.filter.queue = "default";
    second.start_job.order.filter.queue = "other";
    uint64_t first_id = world_do(world, &first)->job->id;
    uint64_t second_id = world_do(world, &second)->job->id;
    uint64_t done = job_of(world, first_id)->done + job_of(world, second_id)->done;
    for (int i = 0; i < 4; i++)
        world_pass(world, 0);
    cr_assert_leq(job_of(world, first_id)->done + job_of(world, second_id)->done,
                  done + 7 * (WORK_OF_SLICE / WORK_OF_CHANGE), "one slice of one job in each batch");
    (void)work_off(world, first_id);
    (void)work_off(world, second_id);
    cr_assert_eq(count_of(world, TASK_CANCELED), 2 * MANY);
    world_close(world);
}

Test(job, that_is_canceled_stops_where_it_is)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    submit_many(world, &spec, MANY);
    struct command command = command_job(JOB_CANCEL);
    uint64_t id = world_do(world, &command)->job->id;
    struct command stop = {.kind = COMMAND_CANCEL_JOB, .cancel_job = {.job_id = id}};
    const struct job *job = world_do(world, &stop)->job;
    cr_assert_eq(job->state, JOB_STOPPED);
    uint64_t done = job->done;
    world_pass(world, 0);
    cr_assert_eq(count_of(world, TASK_CANCELED), done);
    cr_assert_gt(next_ms_of(world), 0);
    stop.token = 0;
    world_refused(world, &stop, STATUS_FAILED_PRECONDITION, "JOB_ENDED");
    stop = (struct command){.kind = COMMAND_CANCEL_JOB, .cancel_job = {.job_id = 77}};
    world_refused(world, &stop, STATUS_NOT_FOUND, "NO_SUCH_JOB");
    world_close(world);
}

/* Fails them all at once: their dependency is canceled. */
static void submit_failed(struct world *world, size_t count)
{
    struct task_spec spec = spec_of("t");
    uint64_t canceled = submit(world, "another");

    cancel(world, canceled);
    spec.depends_on = &canceled;
    spec.depends_on_count = 1;
    submit_many(world, &spec, count);
}

Test(job, retries_what_has_failed)
{
    struct world *world = world_new();

    submit_failed(world, 2 * AT_ONCE);
    struct command command = command_job(JOB_RETRY);
    command.start_job.order.filter.agent_type = "t";
    uint64_t id = world_do(world, &command)->job->id;
    (void)work_off(world, id);
    cr_assert_eq(job_of(world, id)->done, 2 * AT_ONCE);
    cr_assert_eq(count_of(world, TASK_READY), 2 * AT_ONCE);
    world_close(world);
}

Test(job, purges_what_has_ended_before)
{
    struct world *world = world_new();

    submit_failed(world, 2 * AT_ONCE);
    world_pass(world, 1000);
    uint64_t before_ms = world->now.wall_ms;
    submit_failed(world, 3);
    struct command command = command_job(JOB_PURGE);
    command.start_job.order.filter.states = 1U << TASK_FAILED;
    command.start_job.order.filter.ended_before_ms = before_ms;
    uint64_t id = world_do(world, &command)->job->id;
    (void)work_off(world, id);
    cr_assert_eq(job_of(world, id)->done, 2 * AT_ONCE);
    cr_assert_eq(count_of(world, TASK_FAILED), 3);
    cr_assert_eq(count_of(world, TASK_CANCELED), 2);
    world_close(world);
}

/* Both wait until all who wait for a task have heard of its end. */
Test(job, waits_for_a_release)
{
    struct world *world = world_new();
    uint64_t first = submit(world, "another");
    struct task_spec spec = spec_of("t");

    spec.depends_on = &first;
    spec.depends_on_count = 1;
    submit_many(world, &spec, MANY);
    cancel(world, first);
    struct command command = command_job(JOB_PURGE);
    command.start_job.order.filter.states = 1U << TASK_CANCELED;
    const struct job *job = world_do(world, &command)->job;
    uint64_t id = job->id;
    cr_assert_eq(job->state, JOB_OPEN);
    cr_assert_eq(job->done, 0);
    (void)work_off(world, id);
    cr_assert_eq(job_of(world, id)->done, 1);
    cr_assert_eq(count_of(world, TASK_FAILED), MANY);
    world_close(world);
}

Test(job, that_releases_can_be_seen_and_not_be_canceled)
{
    struct world *world = world_new();
    uint64_t first = submit(world, "another");
    struct task_spec spec = spec_of("t");

    spec.depends_on = &first;
    spec.depends_on_count = 1;
    submit_many(world, &spec, 2 * AT_ONCE);
    cancel(world, first);
    struct command list = {.kind = COMMAND_LIST_JOBS};
    const struct answer *answer = world_do(world, &list);
    cr_assert_eq(answer->jobs.count, 1);
    cr_assert_eq(answer->jobs.jobs[0]->order.kind, JOB_RELEASE);
    struct command stop = {.kind = COMMAND_CANCEL_JOB, .cancel_job = {.job_id = answer->jobs.jobs[0]->id}};
    world_refused(world, &stop, STATUS_FAILED_PRECONDITION, "JOB_NEEDED");
    (void)work_off(world, stop.cancel_job.job_id);
    cr_assert_eq(count_of(world, TASK_FAILED), 2 * AT_ONCE);
    world_close(world);
}

static void refused(struct world *world, struct command command, uint32_t states)
{
    command.start_job.order.filter.states = states;
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
}

Test(job, is_for_states_that_it_can_do_something_about)
{
    struct world *world = world_new();
    const uint32_t completed = 1U << TASK_COMPLETED;
    struct command forced = command_job(JOB_RETRY);
    char text[257];

    forced.start_job.order.force = true;
    refused(world, command_job(JOB_PURGE), 0);
    refused(world, command_job(JOB_PURGE), completed | 1U << TASK_RUNNING);
    refused(world, command_job(JOB_CANCEL), 1U << TASK_FAILED);
    refused(world, command_job(JOB_RETRY), 1U << TASK_READY);
    refused(world, command_job(JOB_RETRY), completed);
    refused(world, command_job(JOB_RELEASE), 0);
    refused(world, command_job(JOB_CASCADE), 0);
    forced.start_job.order.filter.states = completed;
    (void)world_do(world, &forced);
    memset(text, 'x', 256);
    text[256] = '\0';
    struct command wordy = command_job(JOB_CANCEL);
    wordy.start_job.order.reason = text;
    refused(world, wordy, 0);
    text[255] = '\0';
    wordy.token = 0;
    (void)world_do(world, &wordy);
    world_close(world);
}

Test(jobs, that_are_open_have_a_bound)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");
    struct task_spec child = spec_of("t");

    submit_many(world, &spec, 5 * JOBS_OPEN_MAX * (WORK_OF_SLICE / WORK_OF_CHANGE));
    for (size_t i = 0; i < JOBS_OPEN_MAX; i++) {
        struct command command = command_job(JOB_CANCEL);
        command.start_job.order.filter.states = 1U << TASK_BLOCKED; /* finds nothing: it only looks */
        cr_assert_eq(world_do(world, &command)->job->state, JOB_OPEN, "at %zu", i);
    }
    struct command command = command_job(JOB_CANCEL);
    world_refused(world, &command, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_JOBS");
    child.parent_id = 1;
    (void)submit_spec(world, child);
    command = (struct command){.kind = COMMAND_CANCEL, .cancel = {.task_id = 1, .reason = "", .cascade = true}};
    world_refused(world, &command, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_JOBS");
    cr_assert_eq(state_of(world, 1), TASK_READY);
    world_close(world);
}

Test(jobs, that_are_over_are_kept_up_to_a_bound)
{
    struct world *world = world_new();
    struct command list = {.kind = COMMAND_LIST_JOBS};

    for (size_t i = 0; i < JOBS_KEPT + 5; i++) {
        struct command command = command_job(JOB_CANCEL);
        cr_assert_eq(world_do(world, &command)->job->state, JOB_DONE);
    }
    const struct answer *answer = world_do(world, &list);
    cr_assert_eq(answer->jobs.count, JOBS_KEPT);
    cr_assert_eq(answer->jobs.jobs[0]->id, 6);
    world_close(world);
}

Test(preview, counts_page_by_page_what_the_job_would_be_about)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");
    struct label label = {.key = "repo", .value = "web"};
    struct command command = command_job(JOB_CANCEL);
    uint64_t matched = 0;
    uint64_t looked_at = 0;

    submit_many(world, &spec, MANY);
    spec.labels = &label;
    spec.label_count = 1;
    submit_many(world, &spec, MANY);
    struct command preview = {.kind = COMMAND_PREVIEW_JOB, .preview_job.order = command.start_job.order};
    preview.preview_job.order.filter.labels = &label;
    preview.preview_job.order.filter.label_count = 1;
    uint64_t revision = broker_revision(world->broker);
    do {
        preview.token = 0;
        const struct preview *page = &world_do(world, &preview)->preview;
        matched += page->matched;
        looked_at += page->looked_at;
        cr_assert_eq(page->sample_count, page->matched < 10 ? page->matched : 10);
        preview.preview_job.page_token = page->next_page_token;
    } while (preview.preview_job.page_token != 0);
    cr_assert_eq(matched, MANY);
    cr_assert_eq(looked_at, 2 * MANY);
    cr_assert_eq(broker_revision(world->broker), revision);
    world_close(world);
}

static const struct answer *cascade(struct world *world, uint64_t task_id)
{
    struct command command = {.kind = COMMAND_CANCEL,
                              .cancel = {.task_id = task_id, .reason = "all of it", .cascade = true}};

    return world_do(world, &command);
}

Test(cascade, cancels_the_children_and_theirs_and_nobody_else)
{
    struct world *world = world_new();
    uint64_t root = submit(world, "t");
    uint64_t child = submit_child(world, root);
    uint64_t grandchild = submit_child(world, child);
    uint64_t other = submit(world, "t");
    uint64_t childs = submit_child(world, other);

    uint64_t job_id = cascade(world, child)->job_id;
    cr_assert_eq(job_of(world, job_id)->done, 1);
    cr_assert_eq(state_of(world, root), TASK_READY);
    cr_assert_eq(state_of(world, child), TASK_CANCELED);
    cr_assert_eq(state_of(world, grandchild), TASK_CANCELED);
    cr_assert_str_eq(get(world, grandchild)->cancel_reason, "all of it");
    cr_assert_eq(state_of(world, childs), TASK_READY);
    cr_assert_eq(cascade(world, childs)->job_id, 0, "there is nothing to do for a job");
    world_close(world);
}

Test(cascade, goes_through_those_that_have_ended_and_tells_holders)
{
    struct world *world = world_new();
    uint64_t root = submit(world, "t");
    uint64_t middle = submit_child(world, root);
    uint64_t leaf = submit_child(world, middle);

    cr_assert_eq(claim_started(world, "a", "t").task_id, root);
    complete(world, (struct run_name){.task_id = root, .fence = get(world, root)->fence});
    cancel(world, middle);
    struct run_name run = claim_started(world, "build7/x", "t");
    cr_assert_eq(run.task_id, leaf);
    (void)cascade(world, root);
    cr_assert_not_null(world->effects.pushes);
    cr_assert_str_eq(world->effects.pushes->agent_id, "build7/x");
    cr_assert(get(world, leaf)->canceling);
    cr_assert_eq(state_of(world, root), TASK_COMPLETED);
    cr_assert_eq(fail(world, run), TASK_CANCELED);
    world_close(world);
}

Test(cascade, over_a_deep_tree_needs_no_stack)
{
    struct world *world = world_new();
    uint64_t root = submit(world, "t");
    uint64_t last = root;

    for (int i = 0; i < 2 * AT_ONCE; i++)
        last = submit_child(world, last);
    uint64_t job_id = cascade(world, root)->job_id;
    cr_assert_eq(job_of(world, job_id)->state, JOB_OPEN);
    world_restart(world);
    world_check(world);
    (void)work_off(world, job_id);
    cr_assert_eq(job_of(world, job_id)->done, 2 * AT_ONCE);
    cr_assert_eq(state_of(world, last), TASK_CANCELED);
    cr_assert_eq(count_of(world, TASK_READY), 0);
    world_close(world);
}

static void submit_children(struct world *world, uint64_t parent_id, size_t count)
{
    struct task_spec spec = spec_of("t");

    spec.parent_id = parent_id;
    submit_many(world, &spec, count);
}

Test(cascade, over_a_wide_tree_goes_on_after_a_restart)
{
    struct world *world = world_new();
    uint64_t root = submit(world, "t");

    submit_children(world, root, 50);
    for (uint64_t child = root + 1; child <= root + 50; child++)
        submit_children(world, child, 110);
    uint64_t job_id = cascade(world, root)->job_id;
    for (int i = 0; i < 3; i++)
        world_pass(world, 0);
    world_check(world);
    world_restart(world);
    (void)work_off(world, job_id);
    cr_assert_eq(job_of(world, job_id)->done, 50 + 50 * 110);
    cr_assert_eq(count_of(world, TASK_READY), 0);
    world_close(world);
}

Test(cascade, that_is_canceled_leaves_nothing_behind)
{
    struct world *world = world_new();
    uint64_t root = submit(world, "t");

    submit_children(world, root, MANY);
    struct command stop = {.kind = COMMAND_CANCEL_JOB, .cancel_job = {.job_id = cascade(world, root)->job_id}};
    cr_assert_eq(world_do(world, &stop)->job->state, JOB_STOPPED);
    cr_assert_gt(count_of(world, TASK_READY), 0);
    world_close(world);
}

Test(cascade, twice_at_once_is_harmless)
{
    struct world *world = world_new();
    uint64_t root = submit(world, "t");

    submit_children(world, root, MANY);
    uint64_t first = cascade(world, root)->job_id;
    uint64_t second = cascade(world, root)->job_id;
    (void)work_off(world, first);
    (void)work_off(world, second);
    cr_assert_eq(job_of(world, first)->done + job_of(world, second)->done, MANY);
    world_close(world);
}

Test(list, finds_the_children_of_a_task)
{
    struct world *world = world_new();
    uint64_t root = submit(world, "t");
    struct command command = {.kind = COMMAND_LIST,
                              .list.filter = {.namespace = "", .queue = "", .agent_type = "", .parent_id = root}};

    submit_children(world, root, 3);
    (void)submit(world, "t");
    (void)submit_child(world, 2);
    for (int newest_first = 0; newest_first < 2; newest_first++) {
        uint64_t seen = 0;
        command.list.newest_first = newest_first != 0;
        command.list.page_size = 2;
        command.list.page_token = 0;
        do {
            command.token = 0;
            const struct answer *answer = world_do(world, &command);
            for (size_t i = 0; i < answer->list.count; i++)
                cr_assert_eq(answer->list.tasks[i]->id, newest_first ? 4 - seen++ : 2 + seen++);
            command.list.page_token = answer->list.next_page_token;
        } while (command.list.page_token != 0);
        cr_assert_eq(seen, 3);
    }
    world_close(world);
}
