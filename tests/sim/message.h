/* What travels: requests and replies as copies of their own, which may arrive late, twice, or never.
 *
 * Texts are not copied: names are static, and agents' ids live as long as their world. */
#pragma once

#include "broker/core/effect.h"

#define ITEMS_MAX 16 /* tasks, runs or beats of one message */
#define SPECS_IN_REQUEST 4
#define QUEUES_IN_REQUEST 3
#define DEPENDENCIES_IN_SPEC 3 /* of each kind */
#define LIMITS_IN_SPEC 2

struct request {
    uint32_t owners;
    struct command command; /* points into this struct */
    struct task_spec specs[SPECS_IN_REQUEST];
    uint64_t depends_on[SPECS_IN_REQUEST][DEPENDENCIES_IN_SPEC];
    uint32_t depends_on_index[SPECS_IN_REQUEST][DEPENDENCIES_IN_SPEC];
    const char *limits[SPECS_IN_REQUEST][LIMITS_IN_SPEC];
    struct run_name held[ITEMS_MAX];
    struct beat beats[ITEMS_MAX];
    const char *queues[QUEUES_IN_REQUEST];
    uint8_t session[16];
};

/* With one owner, and the command's arrays where they belong. */
struct request *request_new(enum command_kind kind);
struct request *request_share(struct request *request);
struct request *request_free(struct request *request);

struct reply_item {
    struct run_name run; /* the tasks of a submit have no fence */
    enum task_state state;
    enum verdict verdict;
    uint32_t lease_ms;
    bool existing; /* of a submit: the task was there before */
};

struct reply {
    uint32_t owners;
    enum command_kind kind;
    enum status status;
    const char *reason; /* of a refusal; NULL otherwise */
    uint64_t revision;
    struct reply_item items[ITEMS_MAX];
    size_t item_count;
    enum task_state state;
    uint32_t lease_ms;
    uint32_t heartbeat_ms;
    uint32_t attempt;
    bool is_repeat;
    bool registered;
    bool finishing;
};

struct reply *reply_of_answer(const struct answer *answer);
struct reply *reply_of_refusal(enum command_kind kind, enum status status, const char *reason);
struct reply *reply_share(struct reply *reply);
struct reply *reply_free(struct reply *reply);

/* "CLAIM" */
const char *command_name(enum command_kind kind);
