#include "cli/json.h"

#include "client/ganger.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void expect_json(const ProtobufCMessage *message, const char *expected)
{
    json_t *json = json_of_message(message);
    char *text = json_dumps(json, JSON_COMPACT);

    cr_expect_str_eq(text, expected);
    free(text);
    json_decref(json);
}

Test(json, every_field_is_there_also_with_its_default)
{
    const Ganger__V1__Outcome outcome = GANGER__V1__OUTCOME__INIT;

    expect_json(&outcome.base, "{\"result\":\"\",\"content_type\":\"\",\"message\":\"\",\"exit_status\":0,\"signal\":0,"
                               "\"fence\":0,\"error_type\":\"\",\"usage\":null}");
}

Test(json, signed_numbers_keep_their_sign)
{
    Ganger__V1__Outcome outcome = GANGER__V1__OUTCOME__INIT;

    outcome.exit_status = -1;
    json_t *json = json_of_message(&outcome.base);
    cr_expect_eq(json_integer_value(json_object_get(json, "exit_status")), -1);
    json_decref(json);
}

Test(json, bytes_are_text_when_they_are_valid_and_base64_otherwise)
{
    Ganger__V1__StreamChunk chunk = GANGER__V1__STREAM_CHUNK__INIT;
    uint8_t text[] = "caf\xc3\xa9\n";
    uint8_t binary[] = {0xff, 0x00, 0x01};

    chunk.data = (ProtobufCBinaryData){.len = sizeof(text) - 1, .data = text};
    expect_json(&chunk.base, "{\"offset\":0,\"data\":\"café\\n\"}");
    chunk.data = (ProtobufCBinaryData){.len = sizeof(binary), .data = binary};
    expect_json(&chunk.base, "{\"offset\":0,\"data_base64\":\"/wAB\"}");
}

Test(json, ids_are_in_the_form_that_people_see_and_null_when_there_is_none)
{
    Ganger__V1__Lease lease = GANGER__V1__LEASE__INIT;

    lease.task_id = 33;
    lease.fence = 33;
    expect_json(&lease.base, "{\"task_id\":\"0000-0011\",\"fence\":33}");
    lease.task_id = 0;
    expect_json(&lease.base, "{\"task_id\":null,\"fence\":33}");
}

Test(json, an_id_that_is_a_text_stays_what_it_is)
{
    Ganger__V1__AttendRequest request = GANGER__V1__ATTEND_REQUEST__INIT;
    char agent_id[] = "build7/claude1";

    request.agent_id = agent_id;
    expect_json(&request.base, "{\"agent_id\":\"build7/claude1\",\"incarnation\":0}");
}

Test(json, repeated_ids_are_ids_too)
{
    Ganger__V1__WatchTasksRequest request = GANGER__V1__WATCH_TASKS_REQUEST__INIT;
    uint64_t task_ids[] = {1, 2};

    request.task_ids = task_ids;
    request.n_task_ids = 2;
    expect_json(&request.base, "{\"task_ids\":[\"0000-0001\",\"0000-0002\"]}");
}

Test(json, enums_are_names_and_numbers_when_they_are_unknown)
{
    Ganger__V1__StateCount count = GANGER__V1__STATE_COUNT__INIT;

    count.state = GANGER__V1__TASK_STATE__RUNNING;
    count.tasks = 3;
    expect_json(&count.base, "{\"state\":\"RUNNING\",\"tasks\":3}");
    count.state = (Ganger__V1__TaskState)77;
    expect_json(&count.base, "{\"state\":77,\"tasks\":3}");
}

Test(json, messages_nest_repeat_and_may_be_absent)
{
    Ganger__V1__ListStreamsResponse response = GANGER__V1__LIST_STREAMS_RESPONSE__INIT;
    Ganger__V1__StreamInfo info = GANGER__V1__STREAM_INFO__INIT;
    Ganger__V1__StreamInfo *infos[] = {&info};

    info.sealed = true;
    response.streams = infos;
    response.n_streams = 1;
    expect_json(&response.base, "{\"streams\":[{\"stream\":null,\"length\":0,\"sealed\":true,\"crc32c\":0,"
                                "\"created_ms\":0,\"modified_ms\":0}],\"next_page_token\":\"\"}");
}

Test(json, a_number_beyond_the_range_of_json_integers_is_text_rather_than_wrong)
{
    Ganger__V1__PutEntryResponse response = GANGER__V1__PUT_ENTRY_RESPONSE__INIT;

    response.version = INT64_MAX;
    response.revision = UINT64_MAX;
    expect_json(&response.base, "{\"version\":9223372036854775807,\"revision\":\"18446744073709551615\"}");
}

Test(json, every_message_of_the_protocol_can_be_shown)
{
    const ProtobufCServiceDescriptor *const services[] = {
        &ganger__v1__tasks__descriptor,   &ganger__v1__agents__descriptor,  &ganger__v1__admin__descriptor,
        &ganger__v1__context__descriptor, &ganger__v1__streams__descriptor,
    };

    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        for (unsigned j = 0; j < services[i]->n_methods; j++) {
            const ProtobufCMessageDescriptor *descriptor = services[i]->methods[j].output;
            ProtobufCMessage *message = calloc(1, descriptor->sizeof_message);
            protobuf_c_message_init(descriptor, message);
            json_t *json = json_of_message(message);
            cr_expect_eq(json_object_size(json), descriptor->n_fields, "%s", descriptor->name);
            json_decref(json);
            free(message);
        }
    }
}

static char *print_to_memory(bool interactive)
{
    Ganger__V1__StreamChunk chunk = GANGER__V1__STREAM_CHUNK__INIT;
    uint8_t text[] = "\033[31m\xc2\x9b é";
    char *printed = NULL;
    size_t size = 0;
    struct terminal terminal = {.stream = open_memstream(&printed, &size), .interactive = interactive};

    chunk.data = (ProtobufCBinaryData){.len = sizeof(text) - 1, .data = text};
    json_print_message(&terminal, &chunk.base);
    (void)fclose(terminal.stream);
    return printed;
}

Test(json, on_a_terminal_it_is_pure_ascii_and_elsewhere_as_it_is)
{
    char *on_terminal = print_to_memory(true);
    char *in_pipe = print_to_memory(false);

    cr_expect_str_eq(on_terminal, "{\"offset\":0,\"data\":\"\\u001B[31m\\u009B \\u00E9\"}\n");
    cr_expect_str_eq(in_pipe, "{\"offset\":0,\"data\":\"\\u001B[31m\xc2\x9b é\"}\n");
    free(on_terminal);
    free(in_pipe);
}
