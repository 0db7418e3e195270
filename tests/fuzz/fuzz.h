/* What a fuzz target and its drivers share. */
#pragma once

#include "common/base/bytes.h"

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

/* The target: crashes when it finds something. libFuzzer's name for it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Appends an input that the target takes as good, other for each state of seed. */
void fuzz_good_input(unsigned *seed, struct buffer *input);

/* Appends a packed message of this type, with random fields and values. */
void random_message(unsigned *seed, const ProtobufCMessageDescriptor *descriptor, struct buffer *packed);
