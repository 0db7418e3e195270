#include "cli/filter.h"

#include "cli/ids.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/suggest.h"

#include <string.h>

#define OLDER_MOST_MS (10 * 366 * VALUE_DAY_MS)

void filter_init(struct filter *filter)
{
    *filter = (struct filter){.message = GANGER__V1__TASK_FILTER__INIT};
}

void filter_done(struct filter *filter)
{
    labels_done(&filter->labels);
}

static enum exit_status unknown_state(const char *text)
{
    static const char all[] = "blocked, scheduled, ready, assigned, running, suspended, completed, failed, "
                              "canceled, expired";
    static const char *const names[] = {"blocked",   "scheduled", "ready",  "assigned", "running",
                                        "suspended", "completed", "failed", "canceled", "expired"};
    struct suggestion suggestion = {0};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        suggestion_offer(&suggestion, text, names[i]);
    CLEANUP(free)
    char *why = suggestion.word != NULL ? format_text("did you mean %s?", suggestion.word) : NULL;
    CLEANUP(free)
    char *hint = format_text("the states are %s", all);
    return problem(EXIT_USAGE, why, hint, "--state: there is no state \"%.80s\"", text);
}

static enum exit_status take_states(char *value, struct filter *filter)
{
    char *rest = NULL;

    for (char *word = strtok_r(value, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
        if (filter->message.n_states == FILTER_STATES_MOST)
            return problem(EXIT_USAGE, NULL, "leave --state out to see all", "--state: there are too many states");
        if (!state_parse(word, &filter->states[filter->message.n_states]))
            return unknown_state(word);
        filter->message.n_states++;
    }
    return filter->message.n_states > 0 ? EXIT_DONE : unknown_state("");
}

bool filter_has_option(int key)
{
    return key >= OPTION_STATE && key <= OPTION_OLDER_THAN;
}

static enum exit_status take_older(const char *value, struct filter *filter)
{
    uint64_t age_ms = 0;

    // NOLINTNEXTLINE(bugprone-implicit-widening-of-multiplication-result)
    TRY_DONE(value_duration("--older-than", value, 1, OLDER_MOST_MS, &age_ms));
    filter->message.ended_before_ms = clock_wall_ms() - age_ms;
    return EXIT_DONE;
}

enum exit_status filter_take_option(int key, char *value, struct filter *filter)
{
    filter->is_given = true;
    switch (key) {
    case OPTION_STATE:
        return take_states(value, filter);
    case OPTION_TYPE_FILTER:
        return value_name("--type", value, &filter->message.agent_type);
    case OPTION_QUEUE_FILTER:
        return value_name("--queue", value, &filter->message.queue);
    case OPTION_NAMESPACE_FILTER:
        return value_name("--namespace", value, &filter->message.namespace_);
    case OPTION_LABEL_FILTER:
        return value_label("--label", value, &filter->labels);
    case OPTION_OLDER_THAN:
        return take_older(value, filter);
    default:
        filter->parent = value;
        return EXIT_DONE;
    }
}

enum exit_status filter_complete(struct cli *cli, struct ganger *broker, struct filter *filter)
{
    filter->message.states = filter->states;
    filter->message.labels = filter->labels.items;
    filter->message.n_labels = filter->labels.count;
    return filter->parent != NULL ? id_resolve(cli, broker, filter->parent, &filter->message.parent_id) : EXIT_DONE;
}
