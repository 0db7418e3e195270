/* Frames: what may be in one, checked before a byte of it is unpacked.
 *
 * protobuf-c follows nesting without a bound, merges repeated singular messages in quadratic time, and passes embedded
 * NUL and broken UTF-8. So a frame is first scanned in one linear pass against its descriptor, then unpacked into an
 * arena that is capped at a multiple of its size. */
#pragma once

#include "common/base/arena.h"
#include "common/base/bytes.h"
#include "common/base/status.h"

#include <protobuf-c/protobuf-c.h>

#define FRAME_MAX ((size_t)(1024 + 64) * 1024)
#define BODY_MAX ((size_t)(1024 + 32) * 1024)
#define SCAN_DEPTH_MAX 16
#define SCAN_FIELDS_MAX 65536
#define UNPACK_FACTOR 8
#define UNPACK_FLOOR ((size_t)512 * 1024) /* a heartbeat of 1,000 runs takes 15 times its size */

/* INVALID_ARGUMENT/MALFORMED, with the field's path in the message: bad wire format, wrong wire type, nesting over
 * SCAN_DEPTH_MAX, more than SCAN_FIELDS_MAX fields, a singular message twice, a string that is not UTF-8 or has NUL in
 * it, an enum number that its type does not have. Unknown fields pass. */
enum status message_scan(const ProtobufCMessageDescriptor *descriptor, struct bytes packed, struct error *error)
    NODISCARD;

/* Scans and unpacks into arena, whose limit it sets for the time of the call. The message lives as long as the arena
 * and is never freed alone. INVALID_ARGUMENT/MALFORMED as above, RESOURCE_EXHAUSTED/MESSAGE_TOO_LARGE when it would
 * take more memory than the cap. */
enum status message_unpack(const ProtobufCMessageDescriptor *descriptor, struct bytes packed, struct arena *arena,
                           ProtobufCMessage **ret_message, struct error *error) NODISCARD;

/* The number in the first field with this tag, of a message that cannot be unpacked; 0 when it cannot be read. */
uint64_t message_find_number(struct bytes packed, uint32_t tag);

/* protobuf-c has no const: borrowed things as fields of a message that is only packed. */
char *field_text(const char *text);
ProtobufCBinaryData field_bytes(struct bytes bytes);

/* Packs onto the end of buffer. */
void message_pack(const ProtobufCMessage *message, struct buffer *buffer);
