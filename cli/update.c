#include "cli/batch.h"
#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/ids.h"
#include "cli/input.h"
#include "cli/spec.h"
#include "cli/task.h"
#include "common/base/bytes.h"

enum {
    OPTION_TITLE = OPTION_FIRST,
    OPTION_FILE,
    OPTION_EXPECT,
};
#define OWN_FIELDS 2

static const struct argp_option options[] = {
    {"title", OPTION_TITLE, "TEXT", 0, "what people see", 0},
    {"file", OPTION_FILE, "PATH", 0, "the payload is this file; - is stdin", 0},
    {"expect", OPTION_EXPECT, "REVISION", 0, "only if it is at this revision", 0},
    SPEC_OPTION_ROWS,
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_update = {
    .name = "update",
    .usage = "OPTION... ID...",
    .summary = "change what was said of tasks that nobody works on yet",
    .examples = "gangerctl update --priority 1 0000-01K3\n"
                "gangerctl update --delay 2h --max-attempts 5 0000-01K3 0000-01K4\n"
                "gangerctl update --file better.txt 0000-01K3\n",
    .options = options,
    .arguments_least = 1,
    .arguments_most = ARGUMENTS_UNBOUNDED,
    .take_option = take_option,
    .run = run,
};

struct choices {
    struct spec_choices spec;
    char *title;
    const char *file;
    uint64_t expected_revision;
};

static void choices_done(struct choices *choices)
{
    spec_choices_done(&choices->spec);
}
DEFINE_CLEANUP_EMBEDDED(struct choices, choices_done)

static enum exit_status take_option(int key, char *value, void *data)
{
    struct choices *choices = data;

    switch (key) {
    case OPTION_TITLE:
        return value_text("--title", value, SPEC_TITLE_MOST_BYTES, &choices->title);
    case OPTION_FILE:
        choices->file = value;
        return EXIT_DONE;
    case OPTION_EXPECT:
        return value_number("--expect", value, 1, UINT64_MAX, &choices->expected_revision);
    default:
        return spec_take(key, value, &choices->spec);
    }
}

/* What was said, into the request. The payload is borrowed. */
static enum exit_status fill(struct choices *choices, struct buffer *payload, char **fields,
                             Ganger__V1__UpdateTaskRequest *request)
{
    Ganger__V1__TaskSpec *spec = &choices->spec.spec;

    spec_complete(&choices->spec);
    request->n_fields = spec_fields(&choices->spec, fields);
    if (choices->title != NULL) {
        spec->title = choices->title;
        fields[request->n_fields++] = "title";
    }
    if (choices->file != NULL) {
        TRY_DONE(input_read(choices->file, "a payload", PAYLOAD_MOST_BYTES, payload));
        spec->payload = (ProtobufCBinaryData){.data = payload->data, .len = payload->size};
        fields[request->n_fields++] = "payload";
    }
    if (request->n_fields == 0)
        return problem(EXIT_USAGE, "no option says what is to change", "gangerctl help update lists them",
                       "update: there is nothing to do");
    request->fields = fields;
    request->spec = spec;
    request->expected_revision = choices->expected_revision;
    return EXIT_DONE;
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(choices_done)
    struct choices choices = {0};
    CLEANUP(buffer_done)
    struct buffer payload = {0};
    CLEANUP(free)
    uint64_t *task_ids = NULL;
    char *fields[SPEC_OPTIONS + OWN_FIELDS];
    Ganger__V1__UpdateTaskRequest request = GANGER__V1__UPDATE_TASK_REQUEST__INIT;
    struct ganger *broker = NULL;
    enum exit_status exit_status = EXIT_DONE;

    spec_choices_init(&choices.spec);
    TRY_DONE(command_parse(cli, &command_update, count, words, &choices, &arguments));
    TRY_DONE(fill(&choices, &payload, fields, &request));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    TRY_DONE(ids_resolve(cli, broker, &arguments, &task_ids));
    for (size_t i = 0; i < arguments.count && exit_status != EXIT_NO_DAEMON; i++) {
        CLEANUP(ganger_free)
        Ganger__V1__UpdateTaskResponse *response = NULL;
        struct ganger_error error = {0};
        request.task_id = task_ids[i];
        if (ganger_update_task(broker, &request, daemon_timeout_ms(cli), &response, &error) == GANGER_OK)
            task_print(cli, response->task);
        else
            exit_status = id_refused(cli, &error, "update", task_ids[i]);
    }
    return exit_status;
}
