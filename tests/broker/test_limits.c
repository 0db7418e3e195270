#include "broker/core/keys.h"
#include "broker/core/limits.h"
#include "tests/broker/fixture.h"

static char text[4096];

/* A text of so many bytes. */
static const char *of_size(size_t size)
{
    memset(text, 'x', size);
    text[size] = '\0';
    return text;
}

static void expect_spec(struct task_spec spec, const char *field)
{
    struct error error = {0};
    enum status status = limits_check_spec(&spec, &error);

    if (field == NULL) {
        cr_assert_eq(status, STATUS_OK, "%s", error.message);
        return;
    }
    cr_assert_eq(status, STATUS_INVALID_ARGUMENT, "%s", field);
    cr_assert_str_eq(error.reason, "BAD_FIELD");
    cr_assert_eq(strncmp(error.message, field, strlen(field)), 0, "%s", error.message);
}

#define AT_AND_PAST(member, at, past, field)                                                                           \
    do {                                                                                                               \
        struct task_spec spec_ = spec_of("t");                                                                         \
        spec_.member = (at);                                                                                           \
        expect_spec(spec_, NULL);                                                                                      \
        spec_.member = (past);                                                                                         \
        expect_spec(spec_, field);                                                                                     \
    } while (0)

Test(limits, of_a_task_hold_at_their_edge_and_not_past_it)
{
    AT_AND_PAST(namespace, of_size(63), of_size(64), "namespace:");
    AT_AND_PAST(queue, of_size(63), of_size(64), "queue:");
    AT_AND_PAST(agent_type, of_size(63), of_size(64), "agent_type:");
    AT_AND_PAST(queue, "aZ09._-", "a b", "queue:");
    AT_AND_PAST(queue, "a", "a/b", "queue:");
    AT_AND_PAST(title, of_size(255), of_size(256), "title:");
    AT_AND_PAST(content_type, of_size(127), of_size(128), "content_type:");
    AT_AND_PAST(priority, 9, 10, "priority:");
    AT_AND_PAST(priority, 0, UINT32_MAX, "priority:");
    AT_AND_PAST(run_timeout_ms, 30 * DAY_MS, 30 * DAY_MS + 1, "run_timeout_ms:");
    AT_AND_PAST(retention_ms, 366 * DAY_MS, 366 * DAY_MS + 1, "retention_ms:");
    AT_AND_PAST(max_attempts, 100, 101, "max_attempts:");
    AT_AND_PAST(idempotency_key, of_size(127), of_size(128), "idempotency_key:");
    AT_AND_PAST(max_crashes, 100, 101, "max_crashes:");
    AT_AND_PAST(max_deliveries, 1000, 1001, "max_deliveries:");
    AT_AND_PAST(start_timeout_ms, 1000, 999, "start_timeout_ms:");
    AT_AND_PAST(start_timeout_ms, DAY_MS, DAY_MS + 1, "start_timeout_ms:");
}

Test(limits, of_a_payload_hold_at_their_edge_and_not_past_it)
{
    static uint8_t payload[PAYLOAD_MAX + 1];
    struct task_spec spec = spec_of("t");

    spec.payload = (struct bytes){.data = payload, .size = PAYLOAD_MAX};
    expect_spec(spec, NULL);
    spec.payload.size++;
    expect_spec(spec, "payload:");
}

Test(limits, of_labels_hold_at_their_edge_and_not_past_it)
{
    struct label labels[LABELS_MAX + 1];
    struct task_spec spec = spec_of("t");

    for (size_t i = 0; i <= LABELS_MAX; i++)
        labels[i] = (struct label){.key = "k", .value = ""};
    spec.labels = labels;
    spec.label_count = LABELS_MAX;
    expect_spec(spec, NULL);
    spec.label_count++;
    expect_spec(spec, "labels:");
    spec.label_count = 1;
    labels[0].key = of_size(63);
    expect_spec(spec, NULL);
    labels[0].key = of_size(64);
    expect_spec(spec, "labels.key:");
    labels[0].key = "";
    expect_spec(spec, "labels.key:");
    labels[0] = (struct label){.key = "k", .value = of_size(255)};
    expect_spec(spec, NULL);
    labels[0].value = of_size(256);
    expect_spec(spec, "labels.value:");
}

Test(limits, of_errors_without_a_retry_hold_at_their_edge_and_not_past_it)
{
    const char *types[NON_RETRYABLE_MAX + 1];
    struct task_spec spec = spec_of("t");

    for (size_t i = 0; i <= NON_RETRYABLE_MAX; i++)
        types[i] = "exit-2";
    spec.non_retryable = types;
    spec.non_retryable_count = NON_RETRYABLE_MAX;
    expect_spec(spec, NULL);
    spec.non_retryable_count++;
    expect_spec(spec, "non_retryable:");
    spec.non_retryable_count = 1;
    types[0] = of_size(ERROR_TYPE_MAX);
    expect_spec(spec, NULL);
    types[0] = of_size(ERROR_TYPE_MAX + 1);
    expect_spec(spec, "non_retryable:");
    types[0] = "";
    expect_spec(spec, "non_retryable:");
}

Test(limits, a_task_expires_after_it_may_begin)
{
    struct task_spec spec = spec_of("t");

    spec.not_before_ms = 5000;
    spec.expires_at_ms = 5001;
    expect_spec(spec, NULL);
    spec.expires_at_ms = 5000;
    expect_spec(spec, "expires_at_ms:");
}

Test(limits, a_delay_and_a_time_exclude_each_other)
{
    struct task_spec spec = spec_of("t");

    spec.delay_ms = 1;
    expect_spec(spec, NULL);
    spec.not_before_ms = 1;
    expect_spec(spec, "delay_ms:");
}

Test(limits, a_delay_is_at_most_366_days)
{
    struct task_spec spec = spec_of("t");

    spec.delay_ms = (uint64_t)366 * 24 * 3600 * 1000;
    expect_spec(spec, NULL);
    spec.delay_ms++;
    expect_spec(spec, "delay_ms:");
}

static void expect_refused(struct world *world, struct command command, const char *field)
{
    const struct answer *answer = world_ask(world, &command);

    cr_assert_not_null(answer->refusal, "%s", field);
    cr_assert_eq(answer->refusal->status, STATUS_INVALID_ARGUMENT);
    cr_assert_str_eq(answer->refusal->reason, "BAD_FIELD");
    cr_assert_eq(strncmp(answer->refusal->message, field, strlen(field)), 0, "%s", answer->refusal->message);
}

Test(limits, of_a_submit_hold_at_their_edge_and_not_past_it)
{
    struct world *world = world_new();
    struct task_spec specs[SPECS_MAX + 1];
    uint8_t session[SESSION_SIZE + 1] = {0};
    struct command command = {.kind = COMMAND_SUBMIT, .submit = {.specs = specs, .spec_count = SPECS_MAX}};

    for (size_t i = 0; i <= SPECS_MAX; i++)
        specs[i] = spec_of("t");
    (void)world_do(world, &command);
    command.submit.spec_count++;
    expect_refused(world, command, "tasks:");
    command.submit.spec_count = 0;
    expect_refused(world, command, "tasks:");
    command.submit.spec_count = 1;
    command.submit.session = (struct bytes){.data = session, .size = SESSION_SIZE + 1};
    expect_refused(world, command, "session:");
    command.submit.session.size = SESSION_SIZE;
    expect_refused(world, command, "sequence:");
    command.submit.sequence = 1;
    command.submit.acked_below = 2;
    expect_refused(world, command, "acked_below:");
    world_close(world);
}

Test(limits, of_a_claim_hold_at_their_edge_and_not_past_it)
{
    struct world *world = world_new();
    const char *queues[QUEUES_MAX + 1];
    struct command command = command_claim(world, of_size(AGENT_ID_MAX), "t");

    for (size_t i = 0; i <= QUEUES_MAX; i++)
        queues[i] = "q";
    command.claim.queues = queues;
    command.claim.queue_count = QUEUES_MAX;
    command.claim.max = CLAIM_MAX;
    (void)world_do(world, &command);
    command.claim.queue_count++;
    expect_refused(world, command, "queues:");
    command.claim.queue_count = 1;
    command.claim.max++;
    expect_refused(world, command, "max:");
    command.claim.max = 0;
    command.claim.claim_seq = 0;
    expect_refused(world, command, "claim_seq:");
    command.claim.claim_seq = 9;
    command.claim.agent_id = of_size(AGENT_ID_MAX + 1);
    expect_refused(world, command, "agent_id:");
    command.claim.agent_id = "";
    expect_refused(world, command, "agent_id:");
    command.claim.agent_id = "a b";
    expect_refused(world, command, "agent_id:");
    world_close(world);
}

Test(limits, of_a_heartbeat_hold_at_their_edge_and_not_past_it)
{
    struct world *world = world_new();
    static struct beat beats[BEATS_MAX + 1];
    struct command command = {
        .kind = COMMAND_HEARTBEAT,
        .heartbeat = {.agent_id = "a", .incarnation = 1, .beats = beats, .beat_count = BEATS_MAX}};

    for (size_t i = 0; i <= BEATS_MAX; i++)
        beats[i] = (struct beat){.progress_text = "", .progress_percent = 100};
    (void)world_do(world, &command);
    command.heartbeat.beat_count++;
    expect_refused(world, command, "beats:");
    command.heartbeat.beat_count = 1;
    beats[0].progress_percent = 101;
    expect_refused(world, command, "beats.progress_percent:");
    beats[0].progress_percent = 0;
    beats[0].progress_text = of_size(256);
    expect_refused(world, command, "beats.progress_text:");
    world_close(world);
}

Test(limits, of_an_outcome_hold_at_their_edge_and_not_past_it)
{
    struct world *world = world_new();
    static uint8_t result[RESULT_MAX + 1];
    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");
    struct command command = command_of_run(COMMAND_COMPLETE, run);
    struct command fail_command = command_of_run(COMMAND_FAIL, run);

    command.complete.outcome.result = (struct bytes){.data = result, .size = RESULT_MAX + 1};
    expect_refused(world, command, "outcome.result:");
    command.complete.outcome.result.size = RESULT_MAX;
    command.complete.outcome.content_type = of_size(128);
    expect_refused(world, command, "outcome.content_type:");
    fail_command.fail.outcome.content_type = of_size(128);
    expect_refused(world, fail_command, "outcome.content_type:");
    fail_command.fail.outcome.content_type = "";
    fail_command.fail.outcome.error_type = of_size(ERROR_TYPE_MAX + 1);
    expect_refused(world, fail_command, "outcome.error_type:");
    command.complete.outcome.error_type = of_size(ERROR_TYPE_MAX);
    command.complete.outcome.content_type = "";
    (void)world_do(world, &command);
    world_close(world);
}

Test(limits, of_a_content_type_of_a_result_hold_at_their_edge)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct command command = command_of_run(COMMAND_COMPLETE, claim_started(world, "a", "t"));

    command.complete.outcome.content_type = of_size(127);
    (void)world_do(world, &command);
    world_close(world);
}

Test(limits, of_other_commands_hold_past_their_edge)
{
    struct world *world = world_new();
    static struct run_name held[HELD_MAX + 1];
    struct command cancel_command = {.kind = COMMAND_CANCEL, .cancel = {.task_id = 1, .reason = of_size(256)}};
    struct command list = {
        .kind = COMMAND_LIST,
        .list = {.filter = {.namespace = "", .queue = "", .agent_type = ""}, .page_size = PAGE_MAX + 1}};
    struct command registration = {
        .kind = COMMAND_REGISTER,
        .registration = {.agent_id = "a", .host = "", .version = "", .held = held, .held_count = HELD_MAX + 1}};

    expect_refused(world, cancel_command, "reason:");
    expect_refused(world, list, "page_size:");
    list.list.page_size = PAGE_MAX;
    (void)world_do(world, &list);
    expect_refused(world, registration, "held:");
    registration.registration.held_count = HELD_MAX;
    (void)world_do(world, &registration);
    struct command stats = {.kind = COMMAND_QUEUE_STATS, .queue_stats = {.namespace = "no such/name"}};
    expect_refused(world, stats, "namespace:");
    world_close(world);
}
