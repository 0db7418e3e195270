#include "broker/core/limits.h"
#include "tests/broker/fixture.h"

#include <stdio.h>

static struct command list_all(void)
{
    return (struct command){.kind = COMMAND_LIST, .list = {.filter = {.namespace = "", .queue = "", .agent_type = ""}}};
}

static void expect_ids(const struct answer *answer, const uint64_t *ids, size_t count)
{
    cr_assert_eq(answer->list.count, count, "%zu tasks", answer->list.count);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(answer->list.tasks[i]->id, ids[i], "at %zu", i);
}

Test(list, filters_by_all_that_it_is_given)
{
    struct world *world = world_new();
    struct label labels[] = {{.key = "pull", .value = "1"}, {.key = "who", .value = "me"}};
    struct task_spec spec = spec_of("a");

    (void)submit_spec(world, spec); /* 1 */
    spec.namespace = "acme";
    (void)submit_spec(world, spec); /* 2 */
    spec.queue = "night";
    (void)submit_spec(world, spec); /* 3 */
    spec.agent_type = "b";
    spec.labels = labels;
    spec.label_count = 2;
    (void)submit_spec(world, spec); /* 4 */
    cancel(world, 4);

    struct command command = list_all();
    expect_ids(world_do(world, &command), (uint64_t[]){1, 2, 3, 4}, 4);
    command.list.filter.namespace = "acme";
    expect_ids(world_do(world, &command), (uint64_t[]){2, 3, 4}, 3);
    command.list.filter.queue = "night";
    expect_ids(world_do(world, &command), (uint64_t[]){3, 4}, 2);
    command.list.filter.agent_type = "a";
    expect_ids(world_do(world, &command), (uint64_t[]){3}, 1);
    command = list_all();
    command.list.filter.states = 1U << TASK_CANCELED | 1U << TASK_FAILED;
    expect_ids(world_do(world, &command), (uint64_t[]){4}, 1);
    command = list_all();
    command.list.filter.labels = labels;
    command.list.filter.label_count = 2;
    expect_ids(world_do(world, &command), (uint64_t[]){4}, 1);
    labels[1].value = "you";
    expect_ids(world_do(world, &command), NULL, 0);
    command = list_all();
    command.list.filter.min_task_id = 2;
    command.list.filter.max_task_id = 3;
    expect_ids(world_do(world, &command), (uint64_t[]){2, 3}, 2);
    command.list.newest_first = true;
    expect_ids(world_do(world, &command), (uint64_t[]){3, 2}, 2);
    command.list.filter.min_task_id = 50;
    command.list.filter.max_task_id = 0;
    expect_ids(world_do(world, &command), NULL, 0);
    world_close(world);
}

static void walk_pages(bool newest_first)
{
    struct world *world = world_new();
    struct command command = list_all();
    uint64_t seen = 0;
    uint64_t last = newest_first ? UINT64_MAX : 0;

    for (int i = 0; i < 57; i++)
        (void)submit(world, "t");
    command.list.page_size = 10;
    command.list.newest_first = newest_first;
    do {
        const struct answer *answer = world_do(world, &command);
        for (size_t i = 0; i < answer->list.count; i++) {
            uint64_t id = answer->list.tasks[i]->id;
            cr_assert(newest_first ? id < last : id > last);
            last = id;
            seen++;
        }
        command.list.page_token = answer->list.next_page_token;
        command.token = 0;
    } while (command.list.page_token != 0);
    cr_assert_eq(seen, 57);
    world_close(world);
}

Test(list, pages_show_every_task_once_in_either_order)
{
    walk_pages(false);
    walk_pages(true);
}

Test(list, the_last_page_has_no_next_one)
{
    struct world *world = world_new();
    struct command command = list_all();

    for (int i = 0; i < 10; i++)
        (void)submit(world, "t");
    command.list.page_size = 10;
    cr_assert_eq(world_do(world, &command)->list.next_page_token, 0);
    command.list.page_size = 9;
    cr_assert_eq(world_do(world, &command)->list.next_page_token, 9);
    world_close(world);
}

Test(list, looks_at_a_bounded_number_of_tasks)
{
    struct world *world = world_new();
    struct task_spec specs[1000];
    struct command submit_many = {.kind = COMMAND_SUBMIT, .submit = {.specs = specs, .spec_count = 1000}};
    struct command command = list_all();
    size_t calls = 0;
    size_t found = 0;

    for (size_t i = 0; i < 1000; i++)
        specs[i] = spec_of("t");
    for (int i = 0; i < 12; i++)
        (void)world_do(world, &submit_many);
    cancel(world, 11500);
    command.list.filter.states = 1U << TASK_CANCELED;
    do {
        const struct answer *answer = world_do(world, &command);
        calls++;
        found += answer->list.count;
        command.list.page_token = answer->list.next_page_token;
    } while (command.list.page_token != 0);
    cr_assert_eq(found, 1);
    cr_assert_gt(calls, 2);
    world_close(world);
}

Test(list, a_page_fits_a_frame_whatever_the_results)
{
    struct world *world = world_new();
    static uint8_t result[RESULT_MAX];
    struct command command = list_all();
    size_t found = 0;

    for (int i = 0; i < 20; i++) {
        (void)submit(world, "t");
        struct command done = command_of_run(COMMAND_COMPLETE, claim_started(world, "a", "t"));
        done.complete.outcome.result = (struct bytes){.data = result, .size = sizeof result};
        (void)world_do(world, &done);
    }
    do {
        const struct answer *answer = world_do(world, &command);
        cr_assert_gt(answer->list.count, 0);
        cr_assert_leq(answer->list.count * sizeof result, (size_t)1024 * 1024);
        found += answer->list.count;
        command.list.page_token = answer->list.next_page_token;
    } while (command.list.page_token != 0);
    cr_assert_eq(found, 20);
    world_close(world);
}

Test(get, shows_the_outcome_of_the_last_run)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");
    struct command command = command_of_run(COMMAND_COMPLETE, run);

    cr_assert(!get(world, run.task_id)->has_outcome);
    command.complete.outcome = (struct outcome){.result = bytes_of_text("42"),
                                                .content_type = "application/json",
                                                .message = "well done",
                                                .error_type = "praise",
                                                .exit_status = 0,
                                                .fence = 12345};
    (void)world_do(world, &command);
    const struct task_view *task = get(world, run.task_id);
    cr_assert(task->has_outcome);
    cr_assert(bytes_equal(task->outcome.result, bytes_of_text("42")));
    cr_assert_str_eq(task->outcome.content_type, "application/json");
    cr_assert_str_eq(task->outcome.message, "well done");
    cr_assert_str_eq(task->outcome.error_type, "praise");
    cr_assert_eq(task->outcome.exit_status, 0);
    cr_assert_eq(task->outcome.fence, run.fence, "the broker says whose it is");
    world_close(world);
}

Test(get, shows_an_outcome_that_says_nothing_without_a_row_for_it)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");

    complete(world, run);
    const struct task_view *task = get(world, run.task_id);
    cr_assert(task->has_outcome);
    cr_assert_eq(task->outcome.exit_status, -1);
    cr_assert_eq(task->outcome.fence, run.fence);
    world_close(world);
}

Test(get, leaves_the_payload_out_unless_it_is_asked_for)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.payload = bytes_of_text("work");
    struct command command = {.kind = COMMAND_GET, .get = {.task_id = submit_spec(world, spec)}};
    cr_assert_eq(world_do(world, &command)->task->spec.payload.size, 0);
    command.get.with_payload = true;
    cr_assert_eq(world_do(world, &command)->task->spec.payload.size, 4);
    world_close(world);
}

Test(outcome, a_long_message_is_cut_at_a_character)
{
    struct world *world = world_new();
    char message[2000];

    memset(message, 'x', sizeof message);
    message[sizeof message - 1] = '\0';
    memcpy(message + MESSAGE_MAX - 1, "\xc3\xa9", 2); /* the cut would split it */
    (void)submit(world, "t");
    struct command command = command_of_run(COMMAND_FAIL, claim_started(world, "a", "t"));
    command.fail.outcome.message = message;
    (void)world_do(world, &command);
    cr_assert_eq(strlen(get(world, 1)->outcome.message), MESSAGE_MAX - 1);
    world_close(world);
}

Test(stats, count_by_queue_and_state_and_know_the_oldest)
{
    struct world *world = world_new();
    struct command command = {.kind = COMMAND_QUEUE_STATS, .queue_stats = {.namespace = ""}};
    struct task_spec spec = spec_of("late");

    cr_assert_eq(world_do(world, &command)->queue_stats.count, 0);
    spec.priority = 9;
    (void)submit_spec(world, spec);
    world_pass(world, 60000);
    (void)submit(world, "t");
    (void)submit(world, "t");
    (void)claim(world, "a", "t");
    spec.namespace = "acme";
    (void)submit_spec(world, spec);

    cr_assert_eq(world_do(world, &command)->queue_stats.count, 2);
    command.queue_stats.namespace = "default";
    const struct answer *answer = world_do(world, &command);
    cr_assert_eq(answer->queue_stats.count, 1);
    const struct queue_view *queue = &answer->queue_stats.queues[0];
    cr_assert_str_eq(queue->queue, "default");
    cr_assert_eq(queue->counts[TASK_READY], 2);
    cr_assert_eq(queue->counts[TASK_ASSIGNED], 1);
    cr_assert_eq(queue->oldest_ready_ms, 60000);
    cr_assert_eq(queue->agent_type_count, 2);
    world_close(world);
}
