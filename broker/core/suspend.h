/* Tasks that are given back until somebody resumes them. */
#pragma once

#include "broker/core/task.h"

/* Asks the holder of a held task, in hand, to give it back as SUSPENDED, and writes that. One that is canceling,
 * suspending or reaping already is left as it is. The reason has at most 255 bytes. */
void suspend_ask(struct step *step, struct task *task, const char *reason);
/* A SUSPENDED task, in hand, is READY. An expires_ms that has passed is dropped. */
void task_resume(struct step *step, struct task *task, const char *why);
