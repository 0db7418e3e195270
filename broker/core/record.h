/* Records: what a value in the store looks like. A format version, the fields, and a CRC32C over both and over the
 * number that the record is filed under, so that neither a flipped bit nor a swapped record passes for good. */
#pragma once

#include "broker/core/command.h"
#include "broker/core/effect.h"
#include "broker/core/task.h"
#include "common/base/arena.h"
#include "common/base/bytes.h"

/* Empties the buffer and begins a record in it. */
void record_begin(struct buffer *buffer, uint8_t version);
/* Ends it with the checksum. Borrowed from the buffer. */
struct bytes record_seal(struct buffer *buffer, uint64_t number);
/* False when it is damaged or of another version; else ret_reader is at the first field. */
bool record_open(struct bytes value, uint8_t version, uint64_t number, struct reader *ret_reader);

/* A text with its NUL, so that it can be used where it lies. */
void record_add_text(struct buffer *buffer, const char *text);
/* Borrowed; "" and a failed reader when it is none. */
const char *record_text(struct reader *reader);

void record_add_labels(struct buffer *buffer, const struct label *labels, size_t count);
/* In the arena, their texts borrowed. */
const struct label *record_labels(struct reader *reader, struct arena *arena, size_t *ret_count);

/* The state record: small, rewritten at every move. */
struct bytes record_of_task(struct buffer *buffer, const struct task *task);
bool record_read_task(struct bytes value, uint64_t id, struct task *ret_task);

/* The body: what was submitted, without what the state record and the lane say already. */
struct bytes record_of_body(struct buffer *buffer, uint64_t id, const struct task_spec *spec);
/* Texts and payload are borrowed from value, the labels are in arena. Sets these members of spec only. */
bool record_read_body(struct bytes value, uint64_t id, struct arena *arena, struct task_spec *spec);

struct bytes record_of_outcome(struct buffer *buffer, uint64_t id, const struct outcome *outcome);
/* Borrowed from value. */
bool record_read_outcome(struct bytes value, uint64_t id, struct outcome *ret_outcome);
