/* A command of gangerctl, and how its arguments are read.
 *
 * Each command is one file that opens with its entry; cli/commands.c lists them. Options are argp's; those of every
 * command (--json, --broker, ...) may stand before or after its name. */
#pragma once

#include "cli/problem.h"
#include "cli/terminal.h"
#include "common/base/cleanup.h"

#include "client/ganger.h"
#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

/* What every command works with. */
struct cli {
    const char *endpoints[2]; /* by enum ganger_daemon; NULL = the default */
    bool json;
    bool quiet;
    uint64_t timeout_ms;       /* 0 = not said */
    struct terminal output;    /* stdout */
    struct terminal errors;    /* stderr */
    struct ganger *daemons[2]; /* opened at first need */
};

struct command {
    const char *name;     /* of a member of a group with the group's before it: "context get" */
    const char *alias;    /* NULL = none */
    const char *usage;    /* behind the name: "ID..." */
    const char *summary;  /* one line */
    const char *examples; /* one per line */
    const struct argp_option *options;
    const struct command *const *members; /* of a group; NULL = an ordinary command */
    size_t arguments_least;
    size_t arguments_most;
    /* Takes one of its options into choices. */
    enum exit_status (*take_option)(int key, char *value, void *choices);
    /* words[0] is its name. */
    enum exit_status (*run)(struct cli *cli, int count, char **words);
};

/* Keys of options without a letter: a command's own from OPTION_FIRST, the global ones from OPTION_GLOBAL. */
enum { OPTION_FIRST = 0x100, OPTION_GLOBAL = 0x1000 };

/* The group of an option that help only names, so that it fits a screen: the manual page tells the rest. */
#define OPTION_SELDOM 1

#define ARGUMENTS_UNBOUNDED SIZE_MAX

struct arguments {
    char **values; /* the array is its own, the texts are borrowed from the words */
    size_t count;
};
void arguments_done(struct arguments *arguments);
DEFINE_CLEANUP_EMBEDDED(struct arguments, arguments_done)

/* Reads words[1..count) for a command: globals into cli, its options through take_option into choices. */
enum exit_status command_parse(struct cli *cli, const struct command *command, int count, char **words, void *choices,
                               struct arguments *ret_arguments);
/* Reads globals up to the name of a command, and runs that. group is NULL at the top. */
enum exit_status command_dispatch(struct cli *cli, const struct command *group, int count, char **words);

/* The last word of its name: what is typed. */
const char *command_word(const struct command *command);
/* The command that is typed so, by name or alias, in the group or at the top; NULL when there is none. */
const struct command *command_find(const struct command *group, const char *word);
/* Says that there is no such command, and which one may be meant. */
enum exit_status command_unknown(const struct command *group, const char *word);
