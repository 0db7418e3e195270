/* Which tasks a command is about: the options that list and the commands for many tasks share. */
#pragma once

#include "cli/command.h"
#include "cli/values.h"

#define FILTER_STATES_MOST 16

/* Keys behind those of the commands' own options. */
enum {
    OPTION_STATE = OPTION_FIRST + 0x100,
    OPTION_TYPE_FILTER,
    OPTION_QUEUE_FILTER,
    OPTION_NAMESPACE_FILTER,
    OPTION_LABEL_FILTER,
    OPTION_PARENT_FILTER,
    OPTION_OLDER_THAN,
};

/* Rows of a table of options. */
#define FILTER_OPTIONS                                                                                                 \
    {"state", OPTION_STATE, "STATE,...", 0, "only in these states, e.g. failed,canceled", 0},                          \
        {"type", OPTION_TYPE_FILTER, "NAME", 0, "only for this type of agent", 0},                                     \
        {"queue", OPTION_QUEUE_FILTER, "NAME", 0, "only in this queue", 0},                                            \
        {"namespace", OPTION_NAMESPACE_FILTER, "NAME", 0, "only in this namespace", 0},                                \
        {"label", OPTION_LABEL_FILTER, "KEY=VALUE", 0, "only with this label; again for more", 0},                     \
    {                                                                                                                  \
        "parent", OPTION_PARENT_FILTER, "ID", 0, "only children of this task", 0                                       \
    }
#define FILTER_OPTION_OLDER                                                                                            \
    {                                                                                                                  \
        "older-than", OPTION_OLDER_THAN, "TIME", 0, "only those that ended so long ago", 0                             \
    }

struct filter {
    Ganger__V1__TaskFilter message;
    struct labels labels;
    Ganger__V1__TaskState states[FILTER_STATES_MOST];
    const char *parent;
    bool is_given; /* something was said */
};

void filter_init(struct filter *filter);
void filter_done(struct filter *filter);
DEFINE_CLEANUP_EMBEDDED(struct filter, filter_done)

bool filter_has_option(int key);
enum exit_status filter_take_option(int key, char *value, struct filter *filter);
/* Completes the message, which borrows from the filter. */
enum exit_status filter_complete(struct cli *cli, struct ganger *broker, struct filter *filter);
