/* Events as people see them: rows of a table. */
#pragma once

#include "cli/command.h"
#include "cli/table.h"

/* What the task became: "READY -> RUNNING", "RUNNING" where it has not moved, "" where there is no task. The caller
 * frees it. */
char *event_change(const Ganger__V1__Event *event);

/* For the events of one task, or of all. */
struct table *event_table(const struct cli *cli, bool of_one_task) NODISCARD;
void event_add(struct table *table, const Ganger__V1__Event *event, bool of_one_task);
