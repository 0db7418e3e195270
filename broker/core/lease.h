/* Leases: how long a run is believed without a word from its holder.
 *
 * The row in the store is a promise that nothing happens before it is due. When it is due, what counts is the latest of
 * the row, the renewals in memory, and one full lease from the opening of the store; the row moves there, or the lease
 * is lost. Then a run without a supervisor is over: its fence protects what it could still write. A supervised one has
 * processes that must be gone first: it is *reaping* until its supervisor confirms that, or was not heard of for the
 * reap grace, within which it must have killed them by itself.
 *
 * A holder that beats steadily gets a shorter lease than others, one that is late a longer one. A shorter one binds
 * from the heartbeat reply that names it: until then what was promised before counts. */
#pragma once

#include "broker/core/task.h"

struct agent;
struct broker;

/* READY -> ASSIGNED, in hand, and with starts -> RUNNING: the first lease begins. Before its start a run has no more
 * than its start timeout, however often its holder is heard of. */
void run_assign(struct step *step, struct task *task, bool starts);
/* ASSIGNED -> RUNNING, in hand. */
void run_begin(struct step *step, struct task *task);
/* The end of a lease that begins at this time: a millisecond later than it says. Times are cut to milliseconds, and a
 * holder that counts finer from the sending of its request must not outlive it. */
uint64_t lease_end_ms(uint64_t begin_ms, uint32_t lease_ms);
/* The lease of a new run. The claimer is told of the usual one; to one that is known to be slow more is given. */
uint32_t lease_at_claim_ms(const struct broker *broker, const char *agent_id);
/* The lease that this agent gets now. */
uint32_t lease_of_agent_ms(const struct broker *broker, const struct agent *agent);
/* The lease that a heartbeat of this agent is answered with (NULL = one that has not registered). A longer one than the
 * task's holder was promised before is written down: after a restart it still counts. */
uint32_t lease_promise(struct step *step, const struct agent *agent, struct task *task);
/* A word from the holder of a held task: its lease begins anew. Past its run timeout it gets no more than the allowance
 * for ending; a reaping one has the reap grace from here. */
void lease_renew(struct step *step, struct task *task, uint32_t lease_ms);
bool run_timeout_has_passed(const struct step *step, const struct task *task);
bool start_timeout_has_passed(const struct step *step, const struct task *task);

/* Takes back what is due, looking at most at max rows. */
enum status leases_tick(struct step *step, uint32_t max) NODISCARD;
/* How long until the first row is to be looked at; UINT64_MAX = never. */
enum status leases_next_ms(struct step *step, uint64_t *ret_ms) NODISCARD;
