/* Who follows which stream, and whose turn it is.
 *
 * A follower holds an offset and no transaction: it sleeps until its stream has changed or its client has granted
 * credit again, and then gets its share, one piece at a time, in turns with all others. So one flood, or fifty
 * followers of it, delay nobody by more than a turn; and a follower that does not read costs nothing but its entry
 * here. */
#pragma once

#include "common/rpc/server.h"
#include "contextd/core/core.h"

#include <stdbool.h>
#include <stdint.h>

struct follower;
struct followed;

/* The zero value is empty. */
struct followers {
    struct followed *streams; /* a hash by the stream's key */
    struct follower *queue;   /* those who may have something to get, first come, first served */
    uint32_t count;
};

/* The calls were ended before. */
void followers_done(struct followers *followers);

/* Keeps the call and queues it for its first share. With wait, a stream that is not there is waited for. */
void followers_add(struct followers *followers, struct rpc_call *call, const struct stream_name *name, uint64_t offset,
                   bool wait);
/* That stream has grown or was sealed. */
void followers_wake(struct followers *followers, const struct stream_name *name);
bool followers_are_waiting(const struct followers *followers);
/* Sends what is there, in turns, until about max_bytes were sent or nobody can take more. The status is the store's. */
enum status followers_serve(struct followers *followers, struct store_txn *txn, size_t max_bytes) NODISCARD;
