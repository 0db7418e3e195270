/* Everything that uthash and utlist do for the server. Their macros nest deeper than a function of ours may. */
#include "common/rpc/server_internal.h"

#include <string.h>
#include <utlist.h>

/* NOLINTBEGIN(readability-function-size,clang-analyzer-core.UndefinedBinaryOperatorResult) */

struct method *methods_find(struct rpc_server *server, const char *path)
{
    struct method *method = NULL;

    HASH_FIND(hh, server->methods_by_path, path, strlen(path), method);
    return method;
}

void methods_add(struct rpc_server *server, struct method *method)
{
    HASH_ADD_KEYPTR(hh, server->methods_by_path, method->path, strlen(method->path), method);
}

void methods_clear(struct rpc_server *server)
{
    HASH_CLEAR(hh, server->methods_by_path);
}

struct rpc_peer *peers_find(struct rpc_server *server, const void *id, size_t size)
{
    struct rpc_peer *peer = NULL;

    HASH_FIND(hh, server->peers, id, size, peer);
    return peer;
}

void peers_add(struct rpc_server *server, struct rpc_peer *peer)
{
    HASH_ADD_KEYPTR(hh, server->peers, peer->id, peer->id_size, peer);
}

void peers_remove(struct rpc_server *server, struct rpc_peer *peer)
{
    HASH_DELETE(hh, server->peers, peer);
}

/* The number of the peer is part of the key and is not to be guessed, so nobody can choose call ids that collide. */
struct rpc_call *calls_find(struct rpc_server *server, const struct rpc_peer *peer, uint64_t call_id)
{
    struct call_key key = {.peer_number = peer->number, .call_id = call_id};
    struct rpc_call *call = NULL;

    HASH_FIND(hh, server->calls, &key, sizeof key, call);
    return call;
}

void calls_add(struct rpc_server *server, struct rpc_call *call)
{
    HASH_ADD(hh, server->calls, key, sizeof call->key, call);
    DL_APPEND(call->peer->calls, call);
}

void calls_remove(struct rpc_server *server, struct rpc_call *call)
{
    HASH_DELETE(hh, server->calls, call);
    DL_DELETE(call->peer->calls, call);
}

/* NOLINTEND(readability-function-size,clang-analyzer-core.UndefinedBinaryOperatorResult) */
