/* The broker's core: tasks, claims, leases, retries. Pure: it decides, the shell acts.
 *
 * Commands and the time come in, effects come out, state lives behind a store transaction. The same state, commands and
 * times give the same effects. A batch is any number of broker_step between one broker_tick and one broker_settle, in
 * one transaction that the caller opens and commits. A refused command has written nothing; its refusal is an effect.
 * A returned status other than STATUS_OK means that the store failed (or is full: STATUS_RESOURCE_EXHAUSTED), and the
 * transaction must be given up. */
#pragma once

#include "broker/core/command.h"
#include "broker/core/effect.h"
#include "broker/core/keys.h"
#include "common/base/cleanup.h"
#include "common/base/status.h"

/* Zero means the default. */
struct broker_settings {
    uint32_t lease_ms;                /* 30 s; of a holder whose heartbeats are not known yet */
    uint32_t lease_min_ms;            /* a third of lease_ms; for one that beats steadily */
    uint32_t lease_max_ms;            /* ten times lease_ms */
    uint32_t heartbeat_ms;            /* 3 s; what holders are told to keep */
    uint32_t terminate_ms;            /* 10 s: how long a run may take to end, also past its run timeout */
    uint32_t reap_grace_ms;           /* 10 min: how long past its lease a supervised run is waited for */
    uint32_t seal_ms;                 /* 1 h: how long a finishing task waits for its output */
    uint64_t retention_ms;            /* 7 days */
    uint64_t idempotency_window_ms;   /* 24 h: how long a key of a submit holds at least */
    uint32_t tick_max;                /* 256: due timers, and due leases, per batch */
    uint64_t events_max;              /* 1,000,000 that are kept */
    uint64_t events_age_ms;           /* 7 days */
    uint64_t random_seed;             /* for jitter */
    char store_id[STORE_ID_SIZE + 1]; /* random: what a new store is called from now on */
};

/* INVALID_ARGUMENT/BAD_CONFIG when these do not go together. */
enum status broker_check_settings(const struct broker_settings *settings, struct error *error) NODISCARD;

struct broker_time {
    uint64_t store_ms; /* the store's own time, for durations: goes on from broker_store_ms at the speed of BOOTTIME */
    uint64_t wall_ms;  /* Unix time, for what people mean as wall time */
};

/* Since the opening. */
struct broker_totals {
    uint64_t claimed;
    uint64_t completed;
    uint64_t failed; /* attempts */
    uint64_t expired_leases;
};

struct broker;

struct broker *broker_new(const struct broker_settings *settings) NODISCARD;
struct broker *broker_free(struct broker *broker);
DEFINE_CLEANUP(struct broker *, broker_free)

/* Reads what it keeps in memory; before the first step, and again after a transaction that was given up, which its
 * parked claims are told (UNAVAILABLE/STORE_FULL). DATA_LOSS with a message when the store cannot be used. */
enum status broker_open(struct broker *broker, struct store_txn *txn, struct effects *effects, struct error *error)
    NODISCARD;

/* What is due by now: timers and leases, at most settings.tick_max of each. */
enum status broker_tick(struct broker *broker, struct store_txn *txn, struct broker_time now, struct effects *effects)
    NODISCARD;
enum status broker_step(struct broker *broker, struct store_txn *txn, struct broker_time now,
                        const struct command *command, struct effects *effects) NODISCARD;
/* Writes what a batch writes once. Nothing else may be done with this transaction but to commit it. */
enum status broker_settle(struct broker *broker, struct store_txn *txn, struct broker_time now) NODISCARD;
/* The broker could do nothing for so long: it was stopped, starved, or waited for its disk. What holders said meanwhile
 * is not read yet. When that is more than a third of the shortest lease, and 250 ms, every lease gets a full term from
 * here, as after a restart; false when it is less, which lets nobody's lease run out. */
bool broker_held_up(struct broker *broker, struct broker_time now, uint64_t ms);
/* How long until broker_tick has something to do; UINT64_MAX = never. Before broker_settle, in the same transaction. */
enum status broker_next_ms(struct broker *broker, struct store_txn *txn, struct broker_time now, uint64_t *ret_ms)
    NODISCARD;

/* The store's time at the opening. */
uint64_t broker_store_ms(const struct broker *broker);
uint64_t broker_revision(const struct broker *broker);
/* What tells this store from others, also after it was restored from a backup. */
const char *broker_store_id(const struct broker *broker);
uint16_t broker_epoch(const struct broker *broker);
/* The revision of this store that a peer has seen and the store has not: it was rolled back, and nothing is claimed
 * until the epoch is raised. 0 = none. */
uint64_t broker_newest_seen(const struct broker *broker);
struct broker_totals broker_totals(const struct broker *broker);
uint32_t broker_parked(const struct broker *broker);
void broker_counts(const struct broker *broker, uint64_t ret_counts[static TASK_STATES]);

/* What a transaction sees the store as. */
struct store_identity {
    char store_id[STORE_ID_SIZE + 1];
    uint16_t epoch;
    uint64_t revision;
};
/* DATA_LOSS when the row is damaged. */
enum status broker_identify(struct store_txn *txn, struct store_identity *ret_identity) NODISCARD;

#define CHECK_NAMED_MAX 8

/* What a check found. */
struct check_report {
    uint64_t tasks;
    uint64_t problems;
    char named[CHECK_NAMED_MAX][256]; /* the first of them */
};

/* Told now and then how far it is; false stops it. */
struct check_watch {
    bool (*on_progress)(const struct check_report *report, void *data); /* NULL = nobody watches */
    void *data;
};

/* Reads the whole store and compares: every record's checksum, every index row with what the states imply, every count
 * with the tasks. Needs nothing but the transaction: one of another thread will do. After broker_settle where it is the
 * writing one. CANCELED when it was stopped. */
enum status broker_check(struct store_txn *txn, const struct check_watch *watch, struct check_report *ret_report)
    NODISCARD;
/* Adds to the report where the broker's memory differs from the transaction's store. */
enum status broker_compare(const struct broker *broker, struct store_txn *txn, struct check_report *report) NODISCARD;
