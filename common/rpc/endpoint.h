/* Endpoints: "ipc://PATH" and "tcp://HOST:PORT", checked before ZeroMQ sees them, and asked plainly who listens there.
 */
#pragma once

#include "common/base/status.h"

#include <stdbool.h>
#include <stddef.h>

/* INVALID_ARGUMENT/BAD_ENDPOINT with what is wrong. Without keys, tcp stays on the loopback device. */
enum status endpoint_check(const char *endpoint, struct error *error) NODISCARD;

/* The path of a checked ipc endpoint, NULL for tcp. Borrowed from endpoint. */
const char *endpoint_path(const char *endpoint);

/* Makes sure that an ipc endpoint can be bound: FAILED_PRECONDITION/ENDPOINT_IN_USE when a living server listens on
 * it, UNAVAILABLE/BIND_FAILED when something else is in the way. */
enum status endpoint_check_free(const char *endpoint, struct error *error) NODISCARD;

/* Why nobody answers there, for people: "the socket does not exist". Static. */
const char *endpoint_problem(const char *endpoint);
