#include "cli/command.h"

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/options.h"
#include "common/base/check.h"
#include "common/base/cleanup.h"
#include "common/base/suggest.h"

#include <errno.h>
#include <string.h>

void arguments_done(struct arguments *arguments)
{
    free(arguments->values);
    *arguments = (struct arguments){0};
}

/* One reading of words; argp's input. */
struct reading {
    struct cli *cli;
    const struct command *command; /* NULL: only globals, up to the first word that is none */
    const struct command *group;   /* then: whose member that word names; NULL at the top */
    void *choices;
    struct arguments *arguments;
    int stopped_at;               /* that word's index; 0 = there is none */
    int failed_at;                /* the index behind an option that argp could not read */
    enum exit_status exit_status; /* of a problem that was reported */
};

static error_t take_argument(struct reading *reading, char *value, struct argp_state *state)
{
    if (reading->command == NULL) {
        reading->stopped_at = state->next - 1;
        state->next = state->argc;
        return 0;
    }
    struct arguments *arguments = reading->arguments;
    if (arguments->count == reading->command->arguments_most) {
        CLEANUP(free)
        char *usage = format_text("usage: gangerctl %s %s", reading->command->name, reading->command->usage);
        reading->exit_status = problem(EXIT_USAGE, usage, "text with spaces goes into quotes",
                                       "%s: \"%.80s\" is one argument too many", reading->command->name, value);
        return EINVAL;
    }
    arguments->values[arguments->count++] = value;
    return 0;
}

static error_t take(int key, char *value, struct argp_state *state)
{
    struct reading *reading = state->input;

    if (key == ARGP_KEY_ARG)
        return take_argument(reading, value, state);
    if (key == ARGP_KEY_ERROR)
        reading->failed_at = state->next;
    if (options_is_global(key))
        reading->exit_status =
            options_take(reading->cli, reading->command != NULL ? reading->command : reading->group, key, value);
    else if (options_holds(reading->command, key))
        reading->exit_status = reading->command->take_option(key, value, reading->choices);
    else
        return ARGP_ERR_UNKNOWN;
    return reading->exit_status == EXIT_DONE ? 0 : EINVAL;
}

/* Runs argp over words with its own messages off: ours say what to do. */
static enum exit_status read_words(struct reading *reading, int count, char **words)
{
    unsigned flags = ARGP_NO_ERRS | ARGP_NO_HELP | ARGP_NO_EXIT | (reading->command == NULL ? ARGP_IN_ORDER : 0U);
    CLEANUP(free)
    struct argp_option *options = options_join(reading->command);
    const struct argp argp = {.options = options, .parser = take};
    int end = 0;

    error_t error = argp_parse(&argp, count, words, flags, &end, reading);
    if (reading->exit_status != EXIT_DONE)
        return reading->exit_status;
    if (error != 0)
        return options_explain(reading->command, options, words[reading->failed_at - 1]);
    return EXIT_DONE;
}

enum exit_status command_parse(struct cli *cli, const struct command *command, int count, char **words, void *choices,
                               struct arguments *ret_arguments)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {.values = allocate_zero((size_t)count + 1, sizeof(arguments.values[0]))};
    struct reading reading = {.cli = cli, .command = command, .choices = choices, .arguments = &arguments};

    TRY_DONE(read_words(&reading, count, words));
    if (arguments.count < command->arguments_least) {
        CLEANUP(free)
        char *usage = format_text("usage: gangerctl %s %s", command->name, command->usage);
        CLEANUP(free)
        char *hint = format_text("gangerctl help %s shows examples", command->name);
        return problem(EXIT_USAGE, usage, hint, "%s: an argument is missing", command->name);
    }
    *ret_arguments = arguments;
    arguments = (struct arguments){0};
    return EXIT_DONE;
}

const char *command_word(const struct command *command)
{
    const char *space = strrchr(command->name, ' ');

    return space != NULL ? space + 1 : command->name;
}

const struct command *command_find(const struct command *group, const char *word)
{
    const struct command *const *at = group != NULL ? group->members : commands;

    for (; *at != NULL; at++)
        if (strcmp(command_word(*at), word) == 0 || ((*at)->alias != NULL && strcmp((*at)->alias, word) == 0))
            return *at;
    return NULL;
}

enum exit_status command_unknown(const struct command *group, const char *word)
{
    struct suggestion suggestion = {0};

    for (const struct command *const *at = group != NULL ? group->members : commands; *at != NULL; at++) {
        suggestion_offer(&suggestion, word, command_word(*at));
        if ((*at)->alias != NULL)
            suggestion_offer(&suggestion, word, (*at)->alias);
    }
    CLEANUP(free)
    char *why = suggestion.word != NULL ? format_text("did you mean %s?", suggestion.word) : NULL;
    CLEANUP(free)
    char *hint = format_text("gangerctl help%s%s lists the commands", group != NULL ? " " : "",
                             group != NULL ? group->name : "");
    return problem(EXIT_USAGE, why, hint, "there is no command \"%s%s%.80s\"", group != NULL ? group->name : "",
                   group != NULL ? " " : "", word);
}

enum exit_status command_dispatch(struct cli *cli, const struct command *group, int count, char **words)
{
    struct reading reading = {.cli = cli, .group = group};

    TRY_DONE(read_words(&reading, count, words));
    if (reading.stopped_at == 0) {
        help_overview(stderr, group);
        return EXIT_USAGE;
    }
    const char *word = words[reading.stopped_at];
    const struct command *command = command_find(group, word);
    if (command == NULL)
        return command_unknown(group, word);
    return command->run(cli, count - reading.stopped_at, words + reading.stopped_at);
}
