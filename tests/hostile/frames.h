/* Frames that no honest client sends, and some that it does: made from the protocol's own descriptors, then mutated.
 *
 * The same seed gives the same frames. Numbers that name tasks are far from those that a young broker gives, so that no
 * hostile frame names a task of an honest client by luck. */
#pragma once

#include "common/base/arena.h"
#include "common/base/bytes.h"
#include "tests/support/random.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

enum mutation {
    MUTATION_NONE, /* well formed; the values are wild */
    MUTATION_TRUNCATED,
    MUTATION_BIT_FLIPS,
    MUTATION_BYTES_CUT_OUT,
    MUTATION_BYTES_PUT_IN,
    MUTATION_PART_TWICE,
    MUTATION_RANDOM_BYTES, /* nothing of the request is left */
    MUTATION_WRONG_KIND,
    MUTATION_UNKNOWN_METHOD,
    MUTATION_BROKEN_BODY,    /* a whole envelope around a mutated request */
    MUTATION_NESTED_DEEPLY,  /* thousands of messages in messages */
    MUTATION_REPEATED_FIELD, /* a singular message again and again */
    MUTATION_LONG_LENGTH,    /* a field that claims to be longer than the frame */
    MUTATION_LARGE,          /* about as large as a frame may be, or larger */
    MUTATION_EMPTY,
    MUTATIONS
};

const char *mutation_name(enum mutation mutation);

struct frame_maker {
    struct random random;
    const ProtobufCServiceDescriptor *const *services;
    size_t service_count;
    uint64_t next_call_id;
};

/* A frame in the arena. */
struct bytes frame_make(struct frame_maker *maker, struct arena *arena, enum mutation *ret_mutation);
