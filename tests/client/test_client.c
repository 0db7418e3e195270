#include "client/ganger.h"
#include "common/base/clock.h"
#include "common/rpc/envelope.h"
#include "tests/client/stub.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[64];
static char endpoint[128];
static struct stub *stub;
static struct ganger *broker;
static struct ganger_error error;

static void set_up(void)
{
    (void)strcpy(directory, "/tmp/ganger-client-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    (void)snprintf(endpoint, sizeof endpoint, "ipc://%s/stub.sock", directory);
    stub = stub_start(endpoint);
    cr_assert_eq(ganger_open(endpoint, GANGER_BROKER, &broker, &error), GANGER_OK);
}

static void tear_down(void)
{
    ganger_close(broker);
    if (stub != NULL)
        stub_stop(stub);
    cr_assert_eq(rmdir(directory), 0);
}

TestSuite(client, .init = set_up, .fini = tear_down);

/* Processes until condition holds; false after ten seconds. */
#define PROCESS_UNTIL(condition)                                                                                       \
    ({                                                                                                                 \
        uint64_t end_ms_ = clock_boot_ms() + 10000;                                                                    \
        while (!(condition) && clock_boot_ms() < end_ms_) {                                                            \
            ganger_process(broker);                                                                                    \
            ganger_wait(broker, 10);                                                                                   \
        }                                                                                                              \
        (condition);                                                                                                   \
    })

static enum ganger_status submit(uint64_t *ret_id)
{
    Ganger__V1__TaskSpec task = GANGER__V1__TASK_SPEC__INIT;
    Ganger__V1__TaskSpec *tasks[] = {&task};
    Ganger__V1__SubmitTasksRequest request = GANGER__V1__SUBMIT_TASKS_REQUEST__INIT;
    Ganger__V1__SubmitTasksResponse *response = NULL;

    request.tasks = tasks;
    request.n_tasks = 1;
    enum ganger_status status = ganger_submit_tasks(broker, &request, 10000, &response, &error);
    if (status == GANGER_OK)
        *ret_id = response->outcomes[0]->task_id;
    ganger_free(response);
    return status;
}

Test(client, a_call_returns_a_response_that_is_the_callers)
{
    Ganger__V1__GetTaskRequest request = GANGER__V1__GET_TASK_REQUEST__INIT;
    Ganger__V1__GetTaskResponse *response = NULL;

    request.task_id = 7;
    cr_assert_eq(ganger_get_task(broker, &request, 10000, &response, &error), GANGER_OK, "%s", error.message);
    cr_expect_eq(response->task->task_id, 7);
    cr_expect_str_eq(response->task->agent_id, "agent");
    ganger_free(response);
    cr_expect_eq(ganger_get_task(broker, &request, 10000, NULL, NULL), GANGER_OK, "nobody has to take it");
}

Test(client, a_refusal_leaves_the_response_untouched_and_fills_the_error)
{
    Ganger__V1__GetTaskRequest request = GANGER__V1__GET_TASK_REQUEST__INIT;
    Ganger__V1__GetTaskResponse *response = NULL;
    size_t size = 1;

    cr_expect_eq(ganger_get_task(broker, &request, 10000, &response, &error), GANGER_NOT_FOUND);
    cr_expect_null(response);
    cr_expect_str_eq(error.reason, "NO_SUCH_TASK");
    cr_expect_str_eq(error.message, "the stub says no");
    cr_expect_eq(error.status, GANGER_NOT_FOUND);
    cr_expect_null(ganger_last_detail(broker, &size));
    cr_expect_eq(size, 0);
    cr_expect_eq(ganger_get_task(broker, &request, 10000, NULL, NULL), GANGER_NOT_FOUND, "nor the error");
}

Test(client, the_detail_of_a_refusal_can_be_read_until_the_next_call)
{
    Ganger__V1__PutEntryRequest put = GANGER__V1__PUT_ENTRY_REQUEST__INIT;
    Ganger__V1__GetTaskRequest get = GANGER__V1__GET_TASK_REQUEST__INIT;
    size_t size = 0;

    put.key = field_text("global/goal");
    cr_expect_eq(ganger_put_entry(broker, &put, 10000, NULL, &error), GANGER_ABORTED);
    const uint8_t *detail = ganger_last_detail(broker, &size);
    cr_assert_not_null(detail);
    Ganger__V1__Entry *entry = ganger__v1__entry__unpack(NULL, size, detail);
    cr_assert_not_null(entry);
    cr_expect_str_eq(entry->key, "global/goal");
    cr_expect_eq(entry->version, 5);
    ganger_free(entry);
    get.task_id = 7;
    cr_expect_eq(ganger_get_task(broker, &get, 10000, NULL, NULL), GANGER_OK);
    cr_expect_null(ganger_last_detail(broker, &size));
}

Test(client, the_revision_of_an_answer_and_of_a_refusal_can_be_read)
{
    Ganger__V1__GetTaskRequest request = GANGER__V1__GET_TASK_REQUEST__INIT;

    cr_expect_eq(ganger_last_revision(broker), 0);
    cr_expect_eq(ganger_get_task(broker, &request, 10000, NULL, NULL), GANGER_NOT_FOUND);
    cr_expect_eq(ganger_last_revision(broker), 9);
    request.task_id = 7;
    cr_expect_eq(ganger_get_task(broker, &request, 10000, NULL, NULL), GANGER_OK);
    cr_expect_eq(ganger_last_revision(broker), 9);
    cr_expect_eq(ganger_call(broker, &ganger__v1__tasks__descriptor, "NoSuch", &request.base, 100, NULL, NULL),
                 GANGER_INVALID_ARGUMENT);
    cr_expect_eq(ganger_last_revision(broker), 0, "nobody was asked");
}

Test(client, submits_are_numbered_in_one_session_of_the_connection)
{
    static struct stub_submit submits[STUB_SUBMITS_MAX];
    uint64_t id = 0;

    for (uint64_t i = 1; i <= 3; i++) {
        cr_assert_eq(submit(&id), GANGER_OK, "%s", error.message);
        cr_expect_eq(id, i);
    }
    cr_assert_eq(stub_submits(submits), 3);
    for (uint64_t i = 0; i < 3; i++) {
        cr_expect_eq(submits[i].session_size, 16);
        cr_expect_eq(submits[i].sequence, i + 1);
        cr_expect_eq(submits[i].acked_below, i + 1);
        cr_expect_arr_eq(submits[i].session, submits[0].session, 16);
    }
    uint64_t session_ms = 0;
    for (size_t i = 0; i < 6; i++)
        session_ms = session_ms << 8 | submits[0].session[i];
    cr_expect_leq(session_ms, clock_wall_ms());
    cr_expect_gt(session_ms, clock_wall_ms() - 60000);
}

Test(client, a_submit_with_a_number_of_its_own_keeps_it)
{
    static struct stub_submit submits[STUB_SUBMITS_MAX];
    static uint8_t session[16] = "my own session!";
    Ganger__V1__SubmitTasksRequest request = GANGER__V1__SUBMIT_TASKS_REQUEST__INIT;

    request.session = (ProtobufCBinaryData){.data = session, .len = sizeof session};
    request.sequence = 77;
    request.acked_below = 70;
    cr_expect_eq(ganger_submit_tasks(broker, &request, 10000, NULL, &error), GANGER_OK);
    cr_assert_eq(stub_submits(submits), 1);
    cr_expect_arr_eq(submits[0].session, session, 16);
    cr_expect_eq(submits[0].sequence, 77);
    cr_expect_eq(submits[0].acked_below, 70);
}

Test(client, without_a_daemon_a_call_says_which_one_and_why)
{
    Ganger__V1__GetTaskRequest request = GANGER__V1__GET_TASK_REQUEST__INIT;
    struct ganger *store = NULL;

    stub_stop(stub);
    stub = NULL;
    cr_assert_eq(ganger_open(endpoint, GANGER_CONTEXT, &store, &error), GANGER_OK);
    cr_expect_eq(ganger_get_task(store, &request, 50, NULL, &error), GANGER_UNAVAILABLE);
    cr_expect_str_eq(error.reason, "NO_DAEMON");
    cr_expect_not_null(strstr(error.message, "no context store answers at ipc:///"), "%s", error.message);
    cr_expect_not_null(strstr(error.message, "the socket does not exist"), "%s", error.message);
    ganger_close(store);
}

Test(client, a_call_outlasts_a_restart_of_the_daemon)
{
    uint64_t id = 0;

    cr_assert_eq(submit(&id), GANGER_OK);
    stub_stop(stub);
    stub = stub_start(endpoint);
    cr_expect_eq(submit(&id), GANGER_OK, "%s", error.message);
}

Test(client, endpoints_come_from_the_environment_and_then_from_the_defaults)
{
    struct ganger *other = NULL;

    cr_assert_eq(setenv("GANGER_BROKER", endpoint, 1), 0);
    cr_assert_eq(ganger_open(NULL, GANGER_BROKER, &other, &error), GANGER_OK);
    cr_expect_str_eq(ganger_endpoint(other), endpoint);
    ganger_close(other);
    cr_assert_eq(unsetenv("GANGER_CONTEXT"), 0);
    cr_assert_eq(ganger_open(NULL, GANGER_CONTEXT, &other, &error), GANGER_OK);
    cr_expect_str_eq(ganger_endpoint(other), "ipc:///run/ganger/context.sock");
    ganger_close(other);
    cr_expect_eq(ganger_open("nonsense", GANGER_BROKER, &other, &error), GANGER_INVALID_ARGUMENT);
    cr_expect_str_eq(error.reason, "BAD_ENDPOINT");
    ganger_close(NULL);
    ganger_free(NULL);
}

Test(client, a_method_or_request_that_is_not_the_services_is_refused)
{
    Ganger__V1__GetTaskRequest request = GANGER__V1__GET_TASK_REQUEST__INIT;

    cr_expect_eq(ganger_call(broker, &ganger__v1__tasks__descriptor, "Shout", &request.base, 0, NULL, &error),
                 GANGER_INVALID_ARGUMENT);
    cr_expect_str_eq(error.reason, "NO_METHOD");
    cr_expect_eq(ganger_call(broker, &ganger__v1__tasks__descriptor, "WaitTask", &request.base, 0, NULL, &error),
                 GANGER_INVALID_ARGUMENT);
    cr_expect_str_eq(error.reason, "BAD_REQUEST");
}

struct seen {
    size_t replies;
    uint64_t last;
    uint64_t revision;
    enum ganger_status nested; /* of a call that waits, made in the handler */
    bool end;
    bool good;
    char reason[48];
};

static void see(const struct ganger_reply *reply, void *data)
{
    struct seen *seen = data;
    Ganger__V1__GetTaskRequest request = GANGER__V1__GET_TASK_REQUEST__INIT;

    seen->replies++;
    seen->end = reply->end;
    seen->good = reply->error == NULL;
    seen->revision = reply->revision;
    if (reply->error != NULL)
        (void)snprintf(seen->reason, sizeof seen->reason, "%s", reply->error->reason);
    else if (reply->response != NULL && reply->response->descriptor == &ganger__v1__watch_tasks_update__descriptor)
        seen->last = ((const Ganger__V1__WatchTasksUpdate *)reply->response)->missing_id;
    seen->nested = ganger_get_task(broker, &request, 0, NULL, NULL);
}

static struct ganger_call *watch(uint64_t updates, struct seen *seen)
{
    Ganger__V1__WatchTasksRequest request = GANGER__V1__WATCH_TASKS_REQUEST__INIT;

    request.task_ids = &updates;
    request.n_task_ids = 1;
    return ganger_start(broker, &ganger__v1__tasks__descriptor, "WatchTasks", &request.base, 0, 100, see, seen);
}

Test(client, a_stream_of_many_messages_comes_whole_through_a_small_credit)
{
    struct seen seen = {0};

    (void)watch(1000, &seen);
    cr_assert(PROCESS_UNTIL(seen.end));
    cr_expect(seen.good);
    cr_expect_eq(seen.replies, 1001);
    cr_expect_eq(seen.last, 1000);
    cr_expect_eq(seen.revision, 9);
}

Test(client, many_calls_are_open_at_once)
{
    Ganger__V1__GetTaskRequest request = GANGER__V1__GET_TASK_REQUEST__INIT;
    static struct seen seen[500];

    for (size_t i = 0; i < 500; i++) {
        request.task_id = i == 7 ? 7 : 1;
        (void)ganger_start(broker, &ganger__v1__tasks__descriptor, "GetTask", &request.base, 10000, 0, see, &seen[i]);
    }
    for (size_t i = 0; i < 500; i++) {
        cr_assert(PROCESS_UNTIL(seen[i].end));
        cr_expect_eq(seen[i].good, i == 7);
        cr_expect_eq(seen[i].replies, 1);
    }
}

Test(client, a_handler_cannot_wait_for_a_call)
{
    struct seen seen = {0};

    (void)watch(1, &seen);
    cr_assert(PROCESS_UNTIL(seen.end));
    cr_expect_eq(seen.nested, GANGER_FAILED_PRECONDITION);
}

Test(client, a_canceled_call_is_not_heard_of_again_and_the_daemon_is_told)
{
    struct seen seen = {0};
    Ganger__V1__WaitTaskRequest request = GANGER__V1__WAIT_TASK_REQUEST__INIT;

    struct ganger_call *call =
        ganger_start(broker, &ganger__v1__tasks__descriptor, "WaitTask", &request.base, 10000, 0, see, &seen);
    cr_assert(PROCESS_UNTIL(stub_waiting(stub) == 1));
    ganger_cancel(broker, call);
    cr_assert(PROCESS_UNTIL(stub_waiting(stub) == 0));
    cr_expect_eq(seen.replies, 0);
}

Test(client, a_deadline_passes_while_the_daemon_is_silent)
{
    Ganger__V1__WaitTaskRequest request = GANGER__V1__WAIT_TASK_REQUEST__INIT;

    cr_expect_eq(ganger_wait_task(broker, &request, 30, NULL, &error), GANGER_DEADLINE_EXCEEDED);
    cr_expect_str_eq(error.reason, "DEADLINE_EXCEEDED");
}

Test(client, the_next_deadline_is_known_to_a_loop)
{
    struct seen seen = {0};
    Ganger__V1__WaitTaskRequest request = GANGER__V1__WAIT_TASK_REQUEST__INIT;

    cr_expect_eq(ganger_next_ms(broker), UINT32_MAX);
    cr_expect_geq(ganger_fd(broker), 0);
    (void)ganger_start(broker, &ganger__v1__tasks__descriptor, "WaitTask", &request.base, 60000, 0, see, &seen);
    cr_expect_leq(ganger_next_ms(broker), 60000);
    cr_expect_gt(ganger_next_ms(broker), 1000);
    cr_assert(PROCESS_UNTIL(ganger_connected(broker)));
}

Test(text, ids_and_names_are_as_people_see_them)
{
    char text[20];
    uint64_t first = 0;
    uint64_t last = 0;

    cr_expect_eq(ganger_id_parse(ganger_id_format(123456, text), &first, &last, &error), GANGER_OK);
    cr_expect_eq(first, 123456);
    cr_expect_eq(last, 123456);
    cr_expect_eq(ganger_id_parse("not an id", &first, &last, &error), GANGER_INVALID_ARGUMENT);
    cr_expect_str_eq(error.reason, "BAD_ID");
    cr_expect_str_eq(ganger_status_name(GANGER_ABORTED), "ABORTED");
    cr_expect_str_eq(ganger_version(), GANGER_VERSION);
}
