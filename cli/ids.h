/* Ids as people type them: whole, or the beginning of one that no other task shares. */
#pragma once

#include "cli/command.h"

/* The task that text means: EXIT_NOT_FOUND when none begins so, EXIT_USAGE with the candidates when several do. A whole
 * id is not looked up. */
enum exit_status id_resolve(struct cli *cli, struct ganger *broker, const char *text, uint64_t *ret_task_id);
/* All of them, or the first problem. The caller frees the array. */
enum exit_status ids_resolve(struct cli *cli, struct ganger *broker, const struct arguments *arguments,
                             uint64_t **ret_task_ids);

/* What to say after NOT_FOUND, or anything else that a daemon refused for a task: "cannot VERB ID". */
enum exit_status id_refused(const struct cli *cli, const struct ganger_error *error, const char *verb,
                            uint64_t task_id);

/* What goes on, a choice shown as candidates: the lines that id_resolve prints for an ambiguous beginning. Pure; the
 * caller frees it. */
char *ids_candidates(const uint64_t *task_ids, size_t count, bool more);
