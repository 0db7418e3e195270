/* Messages as JSON, for --json: one reflection over protobuf-c's descriptors instead of a printer per message.
 *
 * Names are those of the proto. Every field is there, also with its default, so that programs need not ask; a message
 * that is absent is null. Ids are in the form that people see and commands take, null for none; enums are names; bytes
 * are text when they are valid UTF-8, else base64 under the name with _base64 behind it. */
#pragma once

#include "cli/terminal.h"

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

/* The caller's. */
json_t *json_of_message(const ProtobufCMessage *message);
json_t *json_of_id(uint64_t id);

/* One line on the output. On a terminal it is pure ASCII, so that text of tasks cannot act on it. */
void json_print(const struct terminal *output, const json_t *json);
void json_print_message(const struct terminal *output, const ProtobufCMessage *message);
