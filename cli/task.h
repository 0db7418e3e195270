/* Tasks as people see them: what state they are in, why, and what to call them. */
#pragma once

#include "cli/command.h"

/* "RUNNING"; "canceling" while its end is asked for; "?" for a state that this gangerctl does not know. */
const char *task_state(const Ganger__V1__Task *task);
const char *task_state_name(Ganger__V1__TaskState state);
enum tone task_tone(const Ganger__V1__Task *task);
/* A state that most fleets never see: what counts tasks by state leaves it out where there are none. */
bool task_state_is_rare(Ganger__V1__TaskState state);
bool task_has_ended(const Ganger__V1__Task *task);
/* Waits for another attempt. */
bool task_is_retrying(const Ganger__V1__Task *task);
unsigned task_attempts_most(const Ganger__V1__Task *task);

/* How it ended, or what it waits for or does; "" when there is nothing to say. The caller frees it. */
char *task_why(const Ganger__V1__Task *task);
/* Its queue, with the namespace before it where that is not the default: "acme/builds". The caller frees it. */
char *task_queue(const Ganger__V1__Task *task);
/* From the last start to the end, or until now; 0 when it never started. */
uint64_t task_took_ms(const Ganger__V1__Task *task, uint64_t now_ms);

/* What a command that changed a task prints of it: "0000-01K3 CANCELED", with -q the id, with --json the task. */
void task_print(const struct cli *cli, const Ganger__V1__Task *task);
