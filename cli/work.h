/* Long work of the broker that tells on a stream how far it is. */
#pragma once

#include "cli/command.h"

/* One line about an update, which is borrowed. The caller frees it. */
typedef char *work_describe_fn(const ProtobufCMessage *update);

struct work {
    const char *method; /* of the service Admin */
    const ProtobufCMessage *request;
    work_describe_fn *describe; /* for the line that is shown on a terminal meanwhile */
    const char *refusal;        /* "cannot ..." */
};

/* Follows it to its end: the last update is the caller's. A program that ends stops the work. */
enum exit_status work_follow(struct cli *cli, const struct work *work, ProtobufCMessage **ret_last);
