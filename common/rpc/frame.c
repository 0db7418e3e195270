#include "common/rpc/server_internal.h"

#include <stddef.h>

/* ZeroMQ counts the messages that wait for a peer, not their bytes: large ones are counted here, from the send until
 * ZeroMQ frees them. So one peer that does not read costs at most this and OUTWARD_MAX small frames. */
#define SMALL_MAX ((size_t)16 * 1024)
#define BACKLOG_MAX ((size_t)64 * 1024 * 1024)

struct large_frame {
    struct backlog *backlog;
    size_t size;
    uint8_t data[];
};

void backlog_release(struct backlog *backlog)
{
    if (backlog != NULL && atomic_fetch_sub(&backlog->references, 1) == 1)
        free(backlog);
}

/* Called by ZeroMQ, in any of its threads. */
static void large_frame_free(void *data, void *hint)
{
    struct large_frame *large = hint;

    (void)data;
    atomic_fetch_sub(&large->backlog->bytes, large->size);
    backlog_release(large->backlog);
    free(large);
}

static bool make_large(struct rpc_peer *peer, size_t size, zmq_msg_t *ret_frame)
{
    if (peer->backlog == NULL) {
        peer->backlog = allocate_zero(1, sizeof *peer->backlog);
        atomic_store(&peer->backlog->references, 1);
    }
    if (atomic_load(&peer->backlog->bytes) + size > BACKLOG_MAX)
        return false;
    struct large_frame *large = allocate(sizeof *large + size);
    large->backlog = peer->backlog;
    large->size = size;
    atomic_fetch_add(&peer->backlog->bytes, size);
    atomic_fetch_add(&peer->backlog->references, 1);
    CHECK(zmq_msg_init_data(ret_frame, large->data, size, large_frame_free, large) == 0);
    return true;
}

bool frame_make(struct rpc_peer *peer, const Ganger__V1__Envelope *envelope, zmq_msg_t *ret_frame)
{
    size_t size = ganger__v1__envelope__get_packed_size(envelope);

    if (size > SMALL_MAX) {
        if (!make_large(peer, size, ret_frame))
            return false;
    } else {
        CHECK(zmq_msg_init_size(ret_frame, size) == 0);
    }
    (void)ganger__v1__envelope__pack(envelope, zmq_msg_data(ret_frame));
    return true;
}
