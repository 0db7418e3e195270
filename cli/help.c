#include "cli/help.h"

#include "cli/commands.h"
#include "cli/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME_COLUMNS 10
#define OPTION_COLUMNS 24
#define LINE_COLUMNS 78

static const struct argp_option options[] = {
    {0},
};

static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_help = {
    .name = "help",
    .usage = "[COMMAND]",
    .summary = "show examples and options of a command",
    .examples = "gangerctl help\n"
                "gangerctl help submit\n"
                "gangerctl help context put\n",
    .options = options,
    .arguments_most = 2,
    .run = run,
};

void help_overview(FILE *stream, const struct command *group)
{
    const struct command *const *at = group != NULL ? group->members : commands;

    if (group == NULL)
        (void)fprintf(stream, "gangerctl: submit tasks to a fleet of agents, and see after them\n\n"
                              "  gangerctl submit --type claude \"Fix the flaky test in tests/net.py\" --wait\n"
                              "  gangerctl list --state running\n"
                              "  gangerctl show 0000-01K3\n\n");
    (void)fprintf(stream, "Commands:\n");
    for (; *at != NULL; at++)
        (void)fprintf(stream, "  %-*s %s\n", group != NULL ? NAME_COLUMNS + 6 : NAME_COLUMNS, (*at)->name,
                      (*at)->summary);
    if (group == NULL)
        (void)fprintf(stream, "\nEverywhere: --json -q --timeout TIME --broker ENDPOINT --context ENDPOINT\n");
    (void)fprintf(stream, "\ngangerctl help %s%sCOMMAND shows examples and options.\n",
                  group != NULL ? group->name : "", group != NULL ? " " : "");
}

static bool has_letter(const struct argp_option *option)
{
    return option->key > ' ' && option->key < 0x7f;
}

static void print_option(FILE *stream, const struct argp_option *option)
{
    char letter[5] = "    ";
    char name[64];

    if ((option->flags & OPTION_HIDDEN) != 0 || option->group == OPTION_SELDOM)
        return;
    if (has_letter(option))
        (void)snprintf(letter, sizeof(letter), "-%c, ", option->key);
    (void)snprintf(name, sizeof(name), "--%s%s%s", option->name, option->arg != NULL ? " " : "",
                   option->arg != NULL ? option->arg : "");
    (void)fprintf(stream, "  %s%-*s %s\n", letter, OPTION_COLUMNS, name, option->doc);
}

/* Only their names, as many as fit a line. */
static void print_seldom(FILE *stream, const struct argp_option *first)
{
    size_t column = 0;

    for (const struct argp_option *option = first; option->name != NULL; option++) {
        size_t size = strlen(option->name) + 3;
        if (option->group != OPTION_SELDOM)
            continue;
        if (column == 0)
            (void)fprintf(stream, "\nMore, told in gangerctl(1):");
        if (column == 0 || column + size > LINE_COLUMNS) {
            (void)fprintf(stream, "\n ");
            column = 1;
        }
        (void)fprintf(stream, " --%s", option->name);
        column += size;
    }
    if (column > 0)
        (void)fprintf(stream, "\n");
}

static void print_indented(FILE *stream, const char *lines)
{
    for (const char *line = lines; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        (void)fprintf(stream, "  %.*s\n", (int)length, line);
        line += length + (line[length] == '\n' ? 1 : 0);
    }
}

void help_command(FILE *stream, const struct command *command)
{
    (void)fprintf(stream, "Examples:\n");
    print_indented(stream, command->examples);
    (void)fprintf(stream, "\ngangerctl %s %s\n%s", command->name, command->usage, command->summary);
    if (command->alias != NULL)
        (void)fprintf(stream, " (also: %s)", command->alias);
    (void)fprintf(stream, "\n\n");
    if (command->members != NULL) {
        help_overview(stream, command);
        return;
    }
    if (command->options != NULL && command->options[0].name != NULL) {
        (void)fprintf(stream, "Options:\n");
        for (const struct argp_option *option = command->options; option->name != NULL; option++)
            print_option(stream, option);
        print_seldom(stream, command->options);
    }
    (void)fprintf(stream, "\nEverywhere: ");
    for (const struct argp_option *option = options_global; option->name != NULL; option++)
        if ((option->flags & OPTION_HIDDEN) == 0)
            (void)fprintf(stream, "%s--%s", option == options_global ? "" : " ", option->name);
    (void)fprintf(stream, "\n");
}

/* For the completion: names only, one per line. */
static void print_words(const struct command *command)
{
    const struct command *const *at = command == NULL ? commands : command->members;

    for (; at != NULL && *at != NULL; at++)
        printf("%s\n", command_word(*at));
    if (command != NULL && command->options != NULL)
        for (const struct argp_option *option = command->options; option->name != NULL; option++)
            printf("--%s\n", option->name);
    for (const struct argp_option *option = options_global; option->name != NULL; option++)
        if ((option->flags & OPTION_HIDDEN) == 0)
            printf("--%s\n", option->name);
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    const struct command *command = NULL;

    TRY_DONE(command_parse(cli, &command_help, count, words, NULL, &arguments));
    for (size_t i = 0; i < arguments.count; i++) {
        const struct command *group = command;
        if (group != NULL && group->members == NULL)
            return problem(EXIT_USAGE, "it has no commands below it", NULL, "%s has no command \"%.80s\"", group->name,
                           arguments.values[i]);
        command = command_find(group, arguments.values[i]);
        if (command == NULL)
            return command_unknown(group, arguments.values[i]);
    }
    if (cli->quiet)
        print_words(command);
    else if (command == NULL)
        help_overview(stdout, NULL);
    else
        help_command(stdout, command);
    return EXIT_DONE;
}
