/* Everything that uthash and utlist do for the client. Their macros nest deeper than a function of ours may. */
#include "common/rpc/client_internal.h"

#include <utlist.h>

/* NOLINTBEGIN(readability-function-size) */

struct rpc_client_call *client_find(struct rpc_client *client, uint64_t call_id)
{
    struct rpc_client_call *call = NULL;

    HASH_FIND(hh, client->calls, &call_id, sizeof call_id, call);
    return call;
}

void client_add(struct rpc_client *client, struct rpc_client_call *call)
{
    HASH_ADD(hh, client->calls, call_id, sizeof call->call_id, call);
}

void client_remove(struct rpc_client *client, struct rpc_client_call *call)
{
    HASH_DELETE(hh, client->calls, call);
}

void client_queue(struct rpc_client *client, struct rpc_client_call *call)
{
    call->unsent = true;
    DL_APPEND(client->unsent, call);
}

void client_unqueue(struct rpc_client *client, struct rpc_client_call *call)
{
    call->unsent = false;
    DL_DELETE(client->unsent, call);
}

/* NOLINTEND(readability-function-size) */
