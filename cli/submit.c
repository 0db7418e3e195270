#include "cli/batch.h"
#include "cli/budget.h"
#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/ending.h"
#include "cli/input.h"
#include "cli/limit.h"
#include "cli/relatives.h"
#include "cli/spec.h"
#include "cli/text.h"
#include "cli/values.h"
#include "cli/watch.h"
#include "common/base/check.h"

#include <errno.h>
#include <string.h>

#define TITLE_DERIVED_BYTES 80
#define FAIRNESS_KEY_MOST_BYTES 63
#define KEY_MOST_BYTES 127
#define LIMITS_MOST 4
#define LINGER_MS 50

enum {
    OPTION_TYPE = OPTION_FIRST,
    OPTION_QUEUE,
    OPTION_NAMESPACE,
    OPTION_TITLE,
    OPTION_FILE,
    OPTION_EACH,
    OPTION_WAIT,
    OPTION_LIMIT,
    OPTION_FAIRNESS_KEY,
    OPTION_KEY,
    OPTION_ON_CONFLICT,
    OPTION_ON_LOST,
    OPTION_AFTER,
    OPTION_AFTER_FAILURE,
    OPTION_PARENT,
    OPTION_CHILD,
    OPTION_BUDGET_DOLLARS,
    OPTION_BUDGET_TOKENS,
    OPTION_ON_BREACH,
};

static const struct argp_option options[] = {
    {"type", OPTION_TYPE, "NAME", 0, "the type of agent that is to do it; any", 0},
    {"queue", OPTION_QUEUE, "NAME", 0, "where it waits; default", 0},
    {"namespace", OPTION_NAMESPACE, "NAME", 0, "the tenant; default", OPTION_SELDOM},
    {"title", OPTION_TITLE, "TEXT", 0, "what people see; with --each, {} is the line", 0},
    {"file", OPTION_FILE, "PATH", 0, "the payload is this file; - is stdin", 0},
    {"each", OPTION_EACH, NULL, 0, "one task per line of stdin, or of --file", 0},
    {"wait", OPTION_WAIT, NULL, 0, "wait until all have ended, with progress", 0},
    SPEC_OPTION_ROWS,
    {"key", OPTION_KEY, "TEXT", 0, "your name for this work, to submit it once", 0},
    {"on-conflict", OPTION_ON_CONFLICT, "POLICY", 0, "return, reject, replace; return", OPTION_SELDOM},
    {"on-lost", OPTION_ON_LOST, "POLICY", 0, "its host is gone: reassign, hold; reassign", OPTION_SELDOM},
    {"after", OPTION_AFTER, "ID,...", 0, "not before these tasks have ended", 0},
    {"after-failure", OPTION_AFTER_FAILURE, "POLICY", 0, "one failed: fail, cancel, run; fail", OPTION_SELDOM},
    {"parent", OPTION_PARENT, "ID", 0, "the task that it is a part of", OPTION_SELDOM},
    {"child", OPTION_CHILD, NULL, 0, "the same: the task that this agent works on", OPTION_SELDOM},
    {"limit", OPTION_LIMIT, "NAME", 0, "that its runs count against; again for more", OPTION_SELDOM},
    {"budget-dollars", OPTION_BUDGET_DOLLARS, "AMOUNT", 0, "what its tree may cost", OPTION_SELDOM},
    {"budget-tokens", OPTION_BUDGET_TOKENS, "COUNT", 0, "what its tree may use", OPTION_SELDOM},
    {"on-breach", OPTION_ON_BREACH, "POLICY", 0, "when that is used up: suspend, cancel; suspend", OPTION_SELDOM},
    {"fairness-key", OPTION_FAIRNESS_KEY, "TEXT", 0, "tasks of different keys take turns", OPTION_SELDOM},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_submit = {
    .name = "submit",
    .usage = "[OPTION...] [PAYLOAD]",
    .summary = "submit a task, or one per line; prints the ids",
    .examples = "gangerctl submit --type claude \"Fix the flaky test in tests/net.py\"\n"
                "gangerctl submit --type review --file change.patch --wait\n"
                "ls *.c | gangerctl submit --type review --title \"review {}\" --each --wait\n"
                "gangerctl submit --type deploy --after 0000-01K3,0000-01K4 \"release it\"\n",
    .options = options,
    .arguments_most = 1,
    .take_option = take_option,
    .run = run,
};

struct choices {
    struct spec_choices spec; /* of every task */
    struct relatives relatives;
    Ganger__V1__Budget budget;
    char *limits[LIMITS_MOST];
    char *title;
    const char *file;
    bool each;
    bool wait;
};

static void choices_done(struct choices *choices)
{
    spec_choices_done(&choices->spec);
}
DEFINE_CLEANUP_EMBEDDED(struct choices, choices_done)

static enum exit_status take_limit(struct choices *choices, char *value)
{
    Ganger__V1__TaskSpec *spec = &choices->spec.spec;

    if (spec->n_limits == LIMITS_MOST)
        return problem(EXIT_USAGE, "a task names at most 4 limits", NULL, "--limit: \"%.80s\" is one too many", value);
    TRY_DONE(limit_name("--limit", value, &choices->limits[spec->n_limits]));
    spec->limits = choices->limits;
    spec->n_limits++;
    return EXIT_DONE;
}

static enum exit_status take_policy(const char *value, Ganger__V1__ConflictPolicy *ret_policy)
{
    static const struct {
        const char *name;
        Ganger__V1__ConflictPolicy policy;
    } policies[] = {
        {"return", GANGER__V1__CONFLICT_POLICY__RETURN_EXISTING},
        {"reject", GANGER__V1__CONFLICT_POLICY__REJECT},
        {"replace", GANGER__V1__CONFLICT_POLICY__REPLACE},
    };

    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        if (strcmp(policies[i].name, value) == 0) {
            *ret_policy = policies[i].policy;
            return EXIT_DONE;
        }
    }
    return problem(EXIT_USAGE, "it is one of return, reject, replace", NULL, "--on-conflict: \"%.80s\" will not do",
                   value);
}

static enum exit_status take_lost_policy(const char *value, Ganger__V1__LostPolicy *ret_policy)
{
    if (strcmp(value, "reassign") != 0 && strcmp(value, "hold") != 0)
        return problem(EXIT_USAGE, "it is one of reassign, hold", NULL, "--on-lost: \"%.80s\" will not do", value);
    *ret_policy = value[0] == 'h' ? GANGER__V1__LOST_POLICY__HOLD : GANGER__V1__LOST_POLICY__REASSIGN;
    return EXIT_DONE;
}

static enum exit_status take_budget(int key, char *value, struct choices *choices)
{
    choices->spec.spec.budget = &choices->budget;
    switch (key) {
    case OPTION_BUDGET_DOLLARS:
        return budget_dollars("--budget-dollars", value, 1, &choices->budget.micro_dollars);
    case OPTION_BUDGET_TOKENS:
        return value_number("--budget-tokens", value, 1, UINT64_MAX, &choices->budget.tokens);
    default:
        return budget_policy(value, &choices->budget.on_breach);
    }
}

static enum exit_status take_option(int key, char *value, void *data)
{
    struct choices *choices = data;
    Ganger__V1__TaskSpec *spec = &choices->spec.spec;

    switch (key) {
    case OPTION_TYPE:
        return value_name("--type", value, &spec->agent_type);
    case OPTION_QUEUE:
        return value_name("--queue", value, &spec->queue);
    case OPTION_NAMESPACE:
        return value_name("--namespace", value, &spec->namespace_);
    case OPTION_TITLE:
        return value_text("--title", value, SPEC_TITLE_MOST_BYTES, &choices->title);
    case OPTION_FILE:
        choices->file = value;
        return EXIT_DONE;
    case OPTION_EACH:
        choices->each = true;
        return EXIT_DONE;
    case OPTION_WAIT:
        choices->wait = true;
        return EXIT_DONE;
    case OPTION_LIMIT:
        return take_limit(choices, value);
    case OPTION_FAIRNESS_KEY:
        return value_text("--fairness-key", value, FAIRNESS_KEY_MOST_BYTES, &spec->fairness_key);
    case OPTION_KEY:
        return value_text("--key", value, KEY_MOST_BYTES, &spec->idempotency_key);
    case OPTION_AFTER:
        choices->relatives.after = value;
        return EXIT_DONE;
    case OPTION_AFTER_FAILURE:
        return relatives_take_policy(value, &spec->on_dependency_failure);
    case OPTION_PARENT:
        choices->relatives.parent = value;
        return EXIT_DONE;
    case OPTION_CHILD:
        return relatives_take_own(&choices->relatives);
    case OPTION_ON_LOST:
        return take_lost_policy(value, &spec->on_lost);
    case OPTION_BUDGET_DOLLARS:
    case OPTION_BUDGET_TOKENS:
    case OPTION_ON_BREACH:
        return take_budget(key, value, choices);
    case OPTION_ON_CONFLICT:
        return take_policy(value, &spec->on_conflict);
    default:
        return spec_take(key, value, &choices->spec);
    }
}

/* The first line of a payload that is text, as far as it fits. The caller frees it. */
static char *derive_title(struct bytes payload)
{
    const uint8_t *newline = payload.size > 0 ? memchr(payload.data, '\n', payload.size) : NULL;
    struct bytes line = {payload.data, newline != NULL ? (size_t)(newline - payload.data) : payload.size};

    if (!text_is_valid(payload))
        return duplicate_text("");
    line.size = text_whole(line, TITLE_DERIVED_BYTES);
    return format_text("%.*s", (int)line.size, (const char *)line.data);
}

/* The title with each {} replaced by the line, cut where titles end. The caller frees it. */
static char *expand_title(const char *title, struct bytes line)
{
    struct buffer out = {0};

    while (*title != '\0') {
        if (strncmp(title, "{}", 2) == 0) {
            buffer_add(&out, line.data, line.size);
            title += 2;
        } else {
            buffer_add_u8(&out, (uint8_t)*title++);
        }
    }
    out.size = text_whole(buffer_view(&out), SPEC_TITLE_MOST_BYTES);
    buffer_add_u8(&out, '\0');
    return (char *)out.data;
}

static enum exit_status add_task(struct batch *batch, struct choices *choices, struct bytes payload)
{
    CLEANUP(free)
    char *title = NULL;
    bool is_text = text_is_valid(payload);
    Ganger__V1__TaskSpec spec = choices->spec.spec;
    static char binary[] = "application/octet-stream"; /* the batch keeps it until it is sent */

    if (choices->title == NULL)
        title = derive_title(payload);
    else if (choices->each && is_text)
        title = expand_title(choices->title, payload);
    else
        title = duplicate_text(choices->title);
    spec.labels = choices->spec.labels.items;
    spec.n_labels = choices->spec.labels.count;
    if (!is_text && spec.content_type[0] == '\0')
        spec.content_type = binary;
    return batch_add(batch, &spec, payload, title);
}

static enum exit_status report_long_line(const struct batch *batch, uint64_t number)
{
    CLEANUP(free)
    char *why = format_text("a payload has at most %d bytes; %zu tasks were submitted before it", PAYLOAD_MOST_BYTES,
                            batch->accepted);

    return problem(EXIT_USAGE, why, "put what is larger where the agent can read it, and pass its address",
                   "line %llu is too long", (unsigned long long)number);
}

/* Sends as soon as the lines stop coming, so that a slow producer's tasks do not wait for the batch to fill. */
static enum exit_status add_lines(struct batch *batch, struct choices *choices, struct line_reader *reader)
{
    enum line_event event = LINE_LATER;
    struct bytes line = {0};

    while (event == LINE_LATER || event == LINE_READY) {
        event = line_reader_next(reader, PAYLOAD_MOST_BYTES, batch->count > 0 ? LINGER_MS : -1, &line);
        if (event == LINE_FAILED)
            return problem(EXIT_USAGE, strerror(errno), NULL, "cannot read the lines");
        if (event == LINE_READY && line.size > 0)
            TRY_DONE(add_task(batch, choices, line));
        if (event != LINE_READY)
            TRY_DONE(batch_send(batch));
    }
    return event == LINE_END ? EXIT_DONE : report_long_line(batch, reader->number);
}

static enum exit_status add_each(struct batch *batch, struct choices *choices, struct line_reader *reader)
{
    TRY_DONE(add_lines(batch, choices, reader));
    if (batch->accepted == 0 && batch->refused == 0)
        problem_note("there was no line, so nothing was submitted");
    return EXIT_DONE;
}

/* The payload of a single task, checked before anything is asked of the broker. */
static enum exit_status read_payload(const struct choices *choices, const struct arguments *arguments,
                                     struct buffer *payload)
{
    const char *argument = arguments->count > 0 ? arguments->values[0] : NULL;
    const char *path = argument != NULL && strcmp(argument, "-") == 0 ? "-" : choices->file;

    if (argument == NULL && choices->file == NULL)
        return problem(EXIT_USAGE, "what is the agent to do?",
                       "pass it as an argument, or with --file PATH, or --each for one task per line",
                       "submit: the payload is missing");
    if (argument != NULL && choices->file != NULL)
        return problem(EXIT_USAGE, "there are two: an argument and --file", NULL, "submit: which is the payload?");
    if (path != NULL)
        return input_read(path, "a payload", PAYLOAD_MOST_BYTES, payload);
    if (strlen(argument) > PAYLOAD_MOST_BYTES) {
        CLEANUP(free)
        char *why = format_text("a payload has at most %d bytes", PAYLOAD_MOST_BYTES);
        return problem(EXIT_USAGE, why, "put what is larger where the agent can read it, and pass its address",
                       "submit: the payload is too large");
    }
    buffer_add(payload, argument, strlen(argument));
    return EXIT_DONE;
}

static enum exit_status wait_for(struct cli *cli, const struct batch *batch, const struct choices *choices)
{
    CLEANUP(ending_done)
    struct ending ending = {0};
    char id[20];
    bool single = batch->accepted == 1;
    const char *type = choices->spec.spec.agent_type;
    CLEANUP(free)
    char *again = single ? format_text("look again with: gangerctl wait %s", ganger_id_format(batch->task_ids[0], id))
                         : format_text("look again with: gangerctl list");

    ending_init(&ending, cli, true);
    enum exit_status exit_status =
        watch_until_ended(cli, &(struct watch_request){.task_ids = batch->task_ids,
                                                       .count = batch->accepted,
                                                       .label = type[0] != '\0' ? type : "tasks",
                                                       .again = again,
                                                       .on_end = ending_add,
                                                       .data = &ending});
    ending_print(&ending);
    return exit_status;
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(choices_done)
    struct choices choices = {0};
    CLEANUP(buffer_done)
    struct buffer payload = {0};
    CLEANUP(line_reader_done)
    struct line_reader lines = {.fd = -1};
    CLEANUP(batch_done)
    struct batch batch = {0};
    struct ganger *broker = NULL;

    spec_choices_init(&choices.spec);
    ganger__v1__budget__init(&choices.budget);
    TRY_DONE(command_parse(cli, &command_submit, count, words, &choices, &arguments));
    if (choices.spec.spec.budget != NULL && choices.budget.micro_dollars == 0 && choices.budget.tokens == 0)
        return problem(EXIT_USAGE, "it needs --budget-dollars or --budget-tokens", NULL,
                       "submit: --on-breach stands alone");
    if (choices.each && choices.spec.spec.idempotency_key[0] != '\0')
        return problem(EXIT_USAGE, "a key names one piece of work, and each line is another", NULL,
                       "submit: --key and --each do not go together");
    if (choices.each && arguments.count > 0 && strcmp(arguments.values[0], "-") != 0)
        return problem(EXIT_USAGE, "with --each the payloads are the lines of stdin, or of --file", NULL,
                       "submit: \"%.80s\" is one argument too many", arguments.values[0]);
    if (choices.each)
        TRY_DONE(input_open(choices.file != NULL ? choices.file : "-", &lines.fd));
    else
        TRY_DONE(read_payload(&choices, &arguments, &payload));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    TRY_DONE(relatives_resolve(cli, broker, &choices.relatives, &choices.spec.spec));
    batch_init(&batch, cli, broker);
    if (choices.each) {
        TRY_DONE(add_each(&batch, &choices, &lines));
    } else {
        TRY_DONE(add_task(&batch, &choices, buffer_view(&payload)));
        TRY_DONE(batch_send(&batch));
    }
    if (batch.refused > 1)
        problem_note("%zu of %zu tasks were refused", batch.refused, batch.refused + batch.accepted);
    enum exit_status exit_status = batch.exit_status;
    if (choices.wait && batch.accepted > 0) {
        enum exit_status waited = wait_for(cli, &batch, &choices);
        exit_status = waited != EXIT_DONE ? waited : exit_status;
    }
    return exit_status;
}
