/* A core over a store in memory, and the commands of the protocol as one call each. Every call is a transaction of its
 * own, and after every one the whole store is checked. */
#pragma once

#include "contextd/core/core.h"

#include <stdint.h>

struct core_fixture {
    struct store *store;
    struct contextd core;
    struct contextd_now now;
    struct effects effects; /* of the last command; what it borrows is kept until the next */
    struct store_txn *txn;  /* of the last command, read only */
    bool unchecked;         /* leave the check out */
};

void core_fixture_init(struct core_fixture *fixture);
void core_fixture_done(struct core_fixture *fixture);
DEFINE_CLEANUP_EMBEDDED(struct core_fixture, core_fixture_done)

/* Runs it, commits, checks; returns the status of the answer. */
enum status core_run(struct core_fixture *fixture, const struct command *command);
/* Lets time pass, and does what is due. */
void core_pass(struct core_fixture *fixture, uint64_t ms);
/* What is due by now. */
void core_tick(struct core_fixture *fixture);
/* As after a SIGKILL: a new core on the same store. */
void core_restart(struct core_fixture *fixture);
/* Of the whole store; STATUS_OK or what is wrong. */
enum status core_check(struct core_fixture *fixture, struct error *error);
struct counters core_counters(struct core_fixture *fixture);

/* version < 0: whatever is there. */
enum status core_put(struct core_fixture *fixture, const char *key, const char *value, int64_t version);
enum status core_put_as(struct core_fixture *fixture, const char *key, uint64_t task_id, uint64_t fence);
enum status core_get(struct core_fixture *fixture, const char *key);
enum status core_delete(struct core_fixture *fixture, const char *key, int64_t version);
enum status core_list(struct core_fixture *fixture, const char *prefix, uint32_t page_size, const char *page_token);

/* Exclusive, held by "a". */
void core_put_lock(struct core_fixture *fixture, const char *name);

/* From "sender", with this request. The message's id is in the effects. */
enum status core_send(struct core_fixture *fixture, const char *mailbox, uint8_t request, const char *body);
void core_put_message(struct core_fixture *fixture, const char *mailbox, uint8_t request);
void core_ack(struct core_fixture *fixture, const char *mailbox, const char *reader, uint64_t up_to);

enum status core_append(struct core_fixture *fixture, const char *name, uint64_t offset, struct bytes data);
enum status core_append_text(struct core_fixture *fixture, const char *name, uint64_t offset, const char *text);
enum status core_read(struct core_fixture *fixture, const char *name, uint64_t offset, uint32_t max_bytes);
enum status core_seal(struct core_fixture *fixture, const char *name, uint64_t length);
/* The stream of that name that these use: namespace "default", task 7, fence 3. */
struct stream_name core_stream(const char *name);

#define assert_refused(expression, wanted_status, wanted_reason, fixture)                                              \
    do {                                                                                                               \
        cr_assert_eq((expression), (wanted_status), "%s", (fixture).effects.error.message);                            \
        cr_assert_str_eq((fixture).effects.error.reason, (wanted_reason));                                             \
    } while (0)
/* The refusal names the field that is wrong. */
#define assert_bad_field(expression, field, fixture)                                                                   \
    do {                                                                                                               \
        assert_refused(expression, STATUS_INVALID_ARGUMENT, "BAD_FIELD", fixture);                                     \
        cr_assert_eq(strncmp((fixture).effects.error.message, field ":", sizeof(field)), 0, "%s",                      \
                     (fixture).effects.error.message);                                                                 \
    } while (0)
#define assert_done(expression, fixture) cr_assert_eq((expression), STATUS_OK, "%s", (fixture).effects.error.message)
