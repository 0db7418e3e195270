/* What submitters and operators do to a task that somebody else works on, alone or by the thousand. */
#pragma once

#include "broker/core/task.h"

struct step;

/* A live task that waits ends at once; one that is held is flagged, and its holder told. False when there is nothing
 * to do: it is canceling already, or as good as over. */
bool task_cancel(struct step *step, struct task *task, const char *reason);
/* An ended task gets a new life; nobody may still have to hear of its end. */
void task_retry(struct step *step, struct task *task, const char *why);
