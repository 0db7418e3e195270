/* Commands for many tasks: what they would do is shown first, and done with --yes, by a job of the broker. */
#pragma once

#include "cli/command.h"
#include "cli/filter.h"

/* Keys behind those of the filter. */
enum { OPTION_YES = OPTION_FIRST + 0x200, OPTION_WAIT_FOR_JOB };

/* Rows of a table of options. */
#define JOB_OPTIONS                                                                                                    \
    {"yes", OPTION_YES, NULL, 0, "do it; else they are only counted", 0},                                              \
    {                                                                                                                  \
        "wait", OPTION_WAIT_FOR_JOB, NULL, 0, "wait until all is done, with progress", 0                               \
    }

struct job_choices {
    struct filter filter;
    bool yes;
    bool wait;
};

void job_choices_init(struct job_choices *choices);
void job_choices_done(struct job_choices *choices);
DEFINE_CLEANUP_EMBEDDED(struct job_choices, job_choices_done)

bool job_has_option(int key);
enum exit_status job_take_option(int key, char *value, struct job_choices *choices);

/* Ids or a filter, and not both. */
enum exit_status job_check_arguments(const struct job_choices *choices, const struct arguments *arguments,
                                     const char *name);
/* Shows what the order would be about or, with --yes, has it done. Its filter is that of the choices. */
enum exit_status job_run(struct cli *cli, struct ganger *broker, Ganger__V1__JobOrder *order,
                         struct job_choices *choices);
/* Until it is over, with progress; then prints it. */
enum exit_status job_wait(struct cli *cli, struct ganger *broker, uint64_t job_id);
/* As it is now. */
enum exit_status job_show(struct cli *cli, struct ganger *broker, uint64_t job_id);
/* "0000-0002 CANCEL_TASKS DONE 5,500 of 5,500", with -q the id, with --json the job. */
void job_print(const struct cli *cli, const Ganger__V1__Job *job);
const char *job_kind_name(Ganger__V1__JobKind kind);
const char *job_state_name(Ganger__V1__JobState state);
