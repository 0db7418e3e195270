#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/event.h"
#include "cli/format.h"
#include "cli/ids.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/values.h"
#include "common/base/check.h"
#include "common/base/clock.h"

#include <inttypes.h>
#include <string.h>

#define CREDIT_BYTES 262144
#define TURN_MS 100
#define REOPEN_AFTER_MS 500
#define SINCE_DEFAULT_MS (60 * VALUE_MINUTE_MS)

enum { OPTION_SINCE = OPTION_FIRST, OPTION_TASK, OPTION_QUEUE, OPTION_NAMESPACE };

static const struct argp_option options[] = {
    {"follow", 'f', NULL, 0, "go on with what comes, if not --since from now on", 0},
    {"since", OPTION_SINCE, "REVISION|TIME", 0, "from this revision, or so long ago; 1h", 0},
    {"task", OPTION_TASK, "ID", 0, "only of this task", 0},
    {"queue", OPTION_QUEUE, "NAME", 0, "only of this queue and its tasks", 0},
    {"namespace", OPTION_NAMESPACE, "NAME", 0, "only of this namespace", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_events = {
    .name = "events",
    .usage = "[OPTION...]",
    .summary = "show what has happened to all tasks, and what operators did",
    .examples = "gangerctl events --since 10m\n"
                "gangerctl events -f\n"
                "gangerctl events -f --queue night\n"
                "gangerctl events --json --since 1d | jq 'select(.kind == \"CANCEL\") | .who'\n",
    .options = options,
    .take_option = take_option,
    .run = run,
};

struct choices {
    bool follow;
    const char *task;
    Ganger__V1__WatchEventsRequest request;
};

/* Digits alone are a revision: times have a unit here. */
static enum exit_status take_since(const char *value, Ganger__V1__WatchEventsRequest *request)
{
    request->from_revision = 0;
    request->newer_than_ms = 0;
    if (number_parse(value, &request->from_revision) && request->from_revision > 0)
        return EXIT_DONE;
    request->from_revision = 0;
    return value_duration("--since", value, 1, 366 * VALUE_DAY_MS, &request->newer_than_ms);
}

static enum exit_status take_option(int key, char *value, void *data)
{
    struct choices *choices = data;

    switch (key) {
    case 'f':
        choices->follow = true;
        return EXIT_DONE;
    case OPTION_SINCE:
        return take_since(value, &choices->request);
    case OPTION_TASK:
        choices->task = value;
        return EXIT_DONE;
    case OPTION_QUEUE:
        return value_name("--queue", value, &choices->request.queue);
    default:
        return value_name("--namespace", value, &choices->request.namespace_);
    }
}

/* The stream, opened again from where it was whenever its connection is lost. */
struct tail {
    struct cli *cli;
    struct ganger *broker;
    struct table *table;
    const struct choices *choices;
    struct ganger_call *call; /* NULL: closed */
    uint64_t reopen_at_ms;
    uint64_t next;  /* the revision to go on from; 0 = not told yet */
    uint64_t last;  /* the store's revision when it was first opened */
    char *store_id; /* NULL = not told yet */
    uint32_t epoch;
    bool refused;
    struct ganger_error error;
    bool is_other_store;
};

static void tail_done(struct tail *tail)
{
    if (tail->call != NULL)
        ganger_cancel(tail->broker, tail->call);
    table_free(tail->table);
    free(tail->store_id);
}
DEFINE_CLEANUP_EMBEDDED(struct tail, tail_done)

/* What was asked for is not there: for programs on their way, too. */
static void tell_gap(struct tail *tail, uint64_t revision)
{
    if (tail->cli->json) {
        json_t *json = json_pack("{s:I}", "gap_revision", (json_int_t)revision);
        json_print(&tail->cli->output, json);
        json_decref(json);
    } else if (!tail->cli->quiet) {
        problem_note("events before revision %" PRIu64 " are not kept any more", revision);
    }
}

static void take_opening(struct tail *tail, const Ganger__V1__WatchEventsUpdate *update)
{
    if (tail->store_id == NULL) {
        tail->store_id = duplicate_text(update->store_id);
        tail->last = update->revision;
    } else if (strcmp(tail->store_id, update->store_id) != 0) {
        tail->is_other_store = true;
    } else if (tail->epoch != update->epoch && !tail->cli->quiet) {
        problem_note("the store was restored from a backup: it is in epoch %u now", update->epoch);
    }
    tail->epoch = update->epoch;
}

static void take_update(struct tail *tail, const Ganger__V1__WatchEventsUpdate *update)
{
    if (update->store_id[0] != '\0')
        take_opening(tail, update);
    if (tail->is_other_store)
        return;
    if (update->gap_revision != 0)
        tell_gap(tail, update->gap_revision);
    for (size_t i = 0; i < update->n_events; i++) {
        if (tail->cli->json)
            json_print_message(&tail->cli->output, &update->events[i]->base);
        else if (tail->cli->quiet)
            printf("%" PRIu64 "\n", update->events[i]->revision);
        else
            event_add(tail->table, update->events[i], false);
    }
    table_flush(tail->table);
    terminal_flush(&tail->cli->output);
    tail->next = update->next_revision;
}

static void on_reply(const struct ganger_reply *reply, void *data)
{
    struct tail *tail = data;

    if (reply->response != NULL)
        take_update(tail, (const Ganger__V1__WatchEventsUpdate *)(const void *)reply->response);
    if (!reply->end)
        return;
    tail->call = NULL;
    tail->reopen_at_ms = clock_boot_ms() + REOPEN_AFTER_MS;
    if (reply->error == NULL || reply->error->status == GANGER_UNAVAILABLE || tail->refused)
        return;
    tail->refused = true;
    tail->error = *reply->error;
}

static void open_stream(struct tail *tail)
{
    Ganger__V1__WatchEventsRequest request = tail->choices->request;

    if (tail->next != 0) {
        request.from_revision = tail->next;
        request.newer_than_ms = 0;
    }
    tail->call = ganger_start(tail->broker, &ganger__v1__tasks__descriptor, "WatchEvents", &request.base, 0,
                              CREDIT_BYTES, on_reply, tail);
}

static enum exit_status other_store(void)
{
    return problem(EXIT_REFUSED, "its revisions say nothing about those of the first one", "run it again",
                   "another store answers now");
}

static enum exit_status stop_following(const struct tail *tail, enum exit_status exit_status, const char *what)
{
    CLEANUP(free)
    char *hint = format_text("go on with: gangerctl events -f --since %" PRIu64, tail->next);

    return problem(exit_status, NULL, tail->next != 0 ? hint : NULL, "%s", what);
}

static enum exit_status tail_turns(struct tail *tail)
{
    uint64_t started_ms = clock_boot_ms();
    uint64_t patience_ms = tail->cli->timeout_ms;

    for (;;) {
        uint64_t now_ms = clock_boot_ms();
        if (tail->is_other_store)
            return other_store();
        if (tail->refused)
            return daemon_refused(tail->cli, GANGER_BROKER, &tail->error, "cannot show the events");
        if (!tail->choices->follow && tail->store_id != NULL && tail->next > tail->last)
            return EXIT_DONE;
        if (interrupted())
            return stop_following(tail, EXIT_INTERRUPTED, "you have stopped following");
        if (patience_ms != 0 && now_ms - started_ms >= patience_ms)
            return stop_following(tail, EXIT_TIMED_OUT, "the time is over");
        if (tail->call == NULL && now_ms >= tail->reopen_at_ms)
            open_stream(tail);
        if (ferror(stdout) != 0)
            return EXIT_DONE;
        daemon_process_all(tail->cli, TURN_MS);
    }
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    struct choices choices = {.request = GANGER__V1__WATCH_EVENTS_REQUEST__INIT};
    CLEANUP(tail_done)
    struct tail tail = {.cli = cli, .choices = &choices};

    TRY_DONE(command_parse(cli, &command_events, count, words, &choices, &arguments));
    if (!choices.follow && choices.request.from_revision == 0 && choices.request.newer_than_ms == 0)
        choices.request.newer_than_ms = SINCE_DEFAULT_MS;
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &tail.broker));
    if (choices.task != NULL)
        TRY_DONE(id_resolve(cli, tail.broker, choices.task, &choices.request.task_id));
    tail.table = event_table(cli, false);
    interrupt_catch();
    return tail_turns(&tail);
}
