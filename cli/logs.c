#include "cli/logs.h"

#include "cli/commands.h"
#include "cli/content.h"
#include "cli/daemon.h"
#include "cli/ids.h"
#include "cli/json.h"
#include "cli/streams.h"
#include "cli/task.h"
#include "cli/values.h"
#include "common/base/check.h"

#include <inttypes.h>
#include <string.h>

#define READ_BYTES (256 * 1024)

enum { OPTION_STDOUT = OPTION_FIRST, OPTION_STDERR, OPTION_STREAM, OPTION_RUN };

static const struct argp_option options[] = {
    {"follow", 'f', NULL, 0, "go on until the task has ended, over all its runs", 0},
    {"stdout", OPTION_STDOUT, NULL, 0, "only what the agent wrote to stdout", 0},
    {"stderr", OPTION_STDERR, NULL, 0, "only what it wrote to stderr, to our stdout", 0},
    {"stream", OPTION_STREAM, "NAME", 0, "only this stream", 0},
    {"run", OPTION_RUN, "FENCE", 0, "of this run, as show names it; latest", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_logs = {
    .name = "logs",
    .usage = "[OPTION...] ID",
    .summary = "show what a task's agent wrote, its stdout and stderr apart",
    .examples = "gangerctl logs 0000-01K3\n"
                "gangerctl logs -f 0000-01K3\n"
                "gangerctl logs --stderr 0000-01K3 > errors.txt\n"
                "gangerctl logs --run 17 0000-01K3\n",
    .options = options,
    .arguments_least = 1,
    .arguments_most = 1,
    .take_option = take_option,
    .run = run,
};

struct choices {
    bool follow;
    char *stream; /* NULL = stdout and stderr */
    uint64_t fence;
};

static char name_of_stdout[] = "stdout";
static char name_of_stderr[] = "stderr";

static enum exit_status take_option(int key, char *value, void *data)
{
    struct choices *choices = data;

    switch (key) {
    case 'f':
        choices->follow = true;
        return EXIT_DONE;
    case OPTION_STDOUT:
        choices->stream = name_of_stdout;
        return EXIT_DONE;
    case OPTION_STDERR:
        choices->stream = name_of_stderr;
        return EXIT_DONE;
    case OPTION_STREAM:
        return value_name("--stream", value, &choices->stream);
    default:
        if (strcmp(value, "latest") == 0)
            return EXIT_DONE;
        return value_number("--run", value, 1, UINT64_MAX, &choices->fence);
    }
}

enum exit_status logs_get_task(struct logs *logs, Ganger__V1__GetTaskResponse **ret_response)
{
    Ganger__V1__GetTaskRequest request = GANGER__V1__GET_TASK_REQUEST__INIT;
    struct ganger_error error = {0};

    request.task_id = logs->task_id;
    if (ganger_get_task(logs->broker, &request, daemon_timeout_ms(logs->cli), ret_response, &error) != GANGER_OK)
        return id_refused(logs->cli, &error, "show the output of", logs->task_id);
    return EXIT_DONE;
}

Ganger__V1__StreamName logs_stream_name(const Ganger__V1__Task *task, const struct logs_stream *stream, uint64_t fence)
{
    Ganger__V1__StreamName name = GANGER__V1__STREAM_NAME__INIT;

    name.namespace_ = task->spec->namespace_;
    name.task_id = task->task_id;
    name.fence = fence;
    name.name = stream->name;
    return name;
}

static void show_json(struct logs *logs, const struct logs_stream *stream, uint64_t fence, ProtobufCBinaryData data)
{
    Ganger__V1__StreamChunk chunk = GANGER__V1__STREAM_CHUNK__INIT;
    chunk.data = data;
    chunk.offset = stream->offset;
    json_t *json = json_of_message(&chunk.base);
    json_t *named = json_pack("{s:s, s:I}", "stream", stream->name, "fence", (json_int_t)fence);

    CHECK(json_object_update(named, json) == 0);
    json_print(&logs->cli->output, named);
    json_decref(named);
    json_decref(json);
}

void logs_show(struct logs *logs, struct logs_stream *stream, uint64_t fence, ProtobufCBinaryData data)
{
    if (logs->cli->json)
        show_json(logs, stream, fence, data);
    else
        content_piece(stream->output, &stream->filter, (struct bytes){data.data, data.len});
    stream->offset += data.len;
}

/* The whole of one stream as it is now. */
static enum exit_status read_stream(struct logs *logs, const Ganger__V1__Task *task, struct logs_stream *stream,
                                    uint64_t fence)
{
    Ganger__V1__StreamName name = logs_stream_name(task, stream, fence);
    Ganger__V1__ReadStreamRequest request = GANGER__V1__READ_STREAM_REQUEST__INIT;
    size_t size = 0;

    request.stream = &name;
    request.max_bytes = READ_BYTES;
    do {
        CLEANUP(ganger_free)
        Ganger__V1__ReadStreamResponse *response = NULL;
        struct ganger_error error = {0};
        request.offset = stream->offset;
        if (ganger_read_stream(logs->store, &request, daemon_timeout_ms(logs->cli), &response, &error) != GANGER_OK)
            return daemon_refused(logs->cli, GANGER_CONTEXT, &error, "cannot read the output");
        size = response->data.len;
        if (size > 0)
            logs_show(logs, stream, fence, response->data);
    } while (size > 0 && ferror(stdout) == 0);
    if (!logs->cli->json)
        content_end(stream->output, &stream->filter);
    return EXIT_DONE;
}

static void note_no_output(const Ganger__V1__Task *task)
{
    char id[20];

    (void)ganger_id_format(task->task_id, id);
    if (task->fence == 0)
        problem_note("%s has not run yet: it is %s", id, task_state(task));
    else
        problem_note("%s has no output from that run", id);
}

static enum exit_status read_once(struct logs *logs, const Ganger__V1__Task *task)
{
    CLEANUP(streams_done)
    struct streams streams = {0};
    struct ganger_error error = {0};
    uint64_t fence = logs->fence != 0 ? logs->fence : task->fence;
    size_t found = 0;

    if (streams_list(logs->cli, task, &streams, &error) != GANGER_OK)
        return daemon_refused(logs->cli, GANGER_CONTEXT, &error, "cannot look for the output");
    for (size_t i = 0; i < logs->stream_count; i++) {
        if (fence == 0 || streams_find(&streams, fence, logs->streams[i].name) == NULL)
            continue;
        found++;
        TRY_DONE(read_stream(logs, task, &logs->streams[i], fence));
        terminal_flush(logs->streams[i].output);
    }
    if (found > 0)
        return EXIT_DONE;
    if (logs->fence != 0)
        return problem(EXIT_NOT_FOUND, NULL, "gangerctl show names the runs that have output",
                       "there is no output of run %" PRIu64, logs->fence);
    note_no_output(task);
    return EXIT_DONE;
}

static void choose_streams(struct logs *logs, const struct choices *choices)
{
    struct cli *cli = logs->cli;

    if (choices->stream != NULL) {
        logs->streams[logs->stream_count++] = (struct logs_stream){.name = choices->stream, .output = &cli->output};
        return;
    }
    logs->streams[logs->stream_count++] = (struct logs_stream){.name = name_of_stdout, .output = &cli->output};
    logs->streams[logs->stream_count++] = (struct logs_stream){.name = name_of_stderr, .output = &cli->errors};
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__GetTaskResponse *response = NULL;
    struct choices choices = {0};
    struct logs logs = {.cli = cli};

    TRY_DONE(command_parse(cli, &command_logs, count, words, &choices, &arguments));
    if (choices.follow && choices.fence != 0)
        return problem(EXIT_USAGE, "--follow goes over the runs as they come", "leave one of them out",
                       "logs: --run and --follow do not go together");
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &logs.broker));
    TRY_DONE(daemon_open(cli, GANGER_CONTEXT, &logs.store));
    TRY_DONE(id_resolve(cli, logs.broker, arguments.values[0], &logs.task_id));
    logs.fence = choices.fence;
    choose_streams(&logs, &choices);
    TRY_DONE(logs_get_task(&logs, &response));
    return choices.follow ? logs_follow(&logs, response->task) : read_once(&logs, response->task);
}
