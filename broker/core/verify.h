/* The check of a whole store: everything that can be derived is derived again and compared. What its files share. */
#pragma once

#include "broker/core/core.h"

struct scan {
    struct store_txn *txn;
    const struct check_watch *watch;
    struct check_report *report;
    struct arena arena;
    struct lanes lanes;               /* as the store has them; every task found is taken off their counts */
    uint64_t expected[BROKER_TABLES]; /* rows */
};

/* Counts it, and names it if it is one of the first. */
PRINTF_LIKE(2, 3) void problem(struct scan *scan, const char *format, ...);

/* verify_unique.c */

/* A task that lives has the idempotency key that it was submitted with. */
enum status check_key_of_task(struct scan *scan, const struct task *task, const char *key,
                              const struct counters *counters) NODISCARD;
/* All rows: in one of the buckets, and each key once. */
enum status check_keys(struct scan *scan, const struct counters *counters) NODISCARD;

/* verify_budgets.c */

/* The row of the budget that it brought, and what is settled from the one that it draws on. */
enum status check_budget_of_task(struct scan *scan, const struct task *task) NODISCARD;

/* verify_orphans.c */

/* All of them are of tasks that there are. */
enum status check_orphans(struct scan *scan) NODISCARD;

/* verify_events.c */

/* The chain of a task's events begins where its state record says. */
enum status check_last_event(struct scan *scan, const struct task *task, const struct counters *counters) NODISCARD;
/* All events: none is missing, and each goes on where the task's one before it has led. */
enum status check_events(struct scan *scan, const struct counters *counters) NODISCARD;

/* verify_jobs.c */

/* The rows of a task that waits for others, and that those will tell it. */
enum status check_waits(struct scan *scan, const struct task *task, const struct task_spec *spec) NODISCARD;
/* All jobs, and what is on their walks. */
enum status check_jobs(struct scan *scan, const struct counters *counters) NODISCARD;
