/* Between the protocol's messages and the core's structs. What a message is made of is borrowed from its source, or in
 * the arena. */
#pragma once

#include "broker/core/command.h"
#include "broker/core/effect.h"
#include "common/base/arena.h"

#include <ganger/v1/admin.pb-c.h>
#include <ganger/v1/agents.pb-c.h>
#include <ganger/v1/tasks.pb-c.h>

struct bytes bytes_of_message(ProtobufCBinaryData data);
struct task_spec *specs_of_messages(struct arena *arena, Ganger__V1__TaskSpec *const *messages, size_t count);
struct label *labels_of_messages(struct arena *arena, Ganger__V1__Label *const *messages, size_t count);
Ganger__V1__Label **messages_of_labels(struct arena *arena, const struct label *labels, size_t count);
struct outcome outcome_of_message(const Ganger__V1__Outcome *message); /* NULL is an empty one */
struct run_name *runs_of_messages(struct arena *arena, Ganger__V1__Lease *const *messages, size_t count);
struct profile *profiles_of_messages(struct arena *arena, Ganger__V1__Profile *const *messages, size_t count);

/* One bit for each; one that the broker does not know is none. */
uint32_t bits_of_states(const Ganger__V1__TaskState *states, size_t count);

Ganger__V1__Outcome *message_of_outcome(struct arena *arena, const struct outcome *outcome);
Ganger__V1__Task *message_of_task(struct arena *arena, const struct task_view *view);
Ganger__V1__Profile **messages_of_profiles(struct arena *arena, const struct profile *profiles, size_t count);
Ganger__V1__Event **messages_of_events(struct arena *arena, const struct event *events, size_t count);
Ganger__V1__Queue *message_of_queue(struct arena *arena, const struct queue_view *view);
struct queue_defaults defaults_of_message(const Ganger__V1__QueueDefaults *message); /* NULL: nothing said */
struct budget budget_of_message(const Ganger__V1__Budget *message);                  /* NULL: none */
struct usage usage_of_message(const Ganger__V1__Usage *message);                     /* NULL: nothing said */
Ganger__V1__BudgetState *message_of_budget(struct arena *arena, const struct budget_row *row);
Ganger__V1__Limit *message_of_limit(struct arena *arena, const struct limit_view *view);
Ganger__V1__WaitReason **messages_of_reasons(struct arena *arena, const struct wait_reason *reasons, size_t count);
/* One for every state of the protocol. */
Ganger__V1__StateCount **messages_of_counts(struct arena *arena, const uint64_t counts[static TASK_STATES],
                                            size_t *ret_count);
/* Messages do not have const members; nothing writes to what a response borrows. */
char *borrowed_text(const char *text);
ProtobufCBinaryData borrowed_bytes(struct bytes bytes);
