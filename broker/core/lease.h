/* Leases: how long a run is believed without a word from its holder.
 *
 * The row in the store is a promise that nothing happens before it is due. When it is due, what counts is the latest of
 * the row, the renewals in memory, and one full lease from the opening of the store; the row moves there, or the lease
 * is lost. */
#pragma once

#include "broker/core/task.h"

struct broker;

/* READY -> ASSIGNED, in hand, and with starts -> RUNNING: the first lease begins. Before its start a run has no more
 * than its start timeout, however often its holder is heard of. */
void run_assign(struct step *step, struct task *task, bool starts);
/* ASSIGNED -> RUNNING, in hand. */
void run_begin(struct step *step, struct task *task);
/* The end of a lease that begins at this time: a millisecond later than it says. Times are cut to milliseconds, and a
 * holder that counts finer from the sending of its request must not outlive it. */
uint64_t lease_end_ms(const struct broker *broker, uint64_t begin_ms);
/* A word from the holder of a held task: its lease begins anew. Past its run timeout it gets no more than the allowance
 * for ending. */
void lease_renew(struct step *step, struct task *task);
bool run_timeout_has_passed(const struct step *step, const struct task *task);
bool start_timeout_has_passed(const struct step *step, const struct task *task);

/* Takes back what is due, looking at most at max rows. */
enum status leases_tick(struct step *step, uint32_t max) NODISCARD;
/* How long until the first row is to be looked at; UINT64_MAX = never. */
enum status leases_next_ms(struct step *step, uint64_t *ret_ms) NODISCARD;
