/* What the files of the library share. */
#pragma once

#include "client/ganger.h"
#include "common/base/bytes.h"
#include "common/base/status.h"
#include "common/rpc/client.h"

#define SESSION_SIZE 16

struct ganger {
    struct rpc_client *client;
    struct ganger_call *calls; /* open ones */
    enum ganger_daemon daemon;
    char *endpoint;
    bool in_handler;               /* inside ganger_process */
    struct buffer detail;          /* of the last refusal */
    uint64_t revision;             /* of the last end */
    uint8_t session[SESSION_SIZE]; /* of the submits; made with the first */
    uint64_t sequence;             /* of the last submit; 0 = none yet */
};

/* Fills error (which may be NULL) and returns its status. */
enum ganger_status give_error(const struct error *from, struct ganger_error *ret_error);
/* The same of a reply, with the daemon called by its name. */
enum ganger_status give_refusal(const struct ganger *ganger, const struct rpc_reply *reply,
                                struct ganger_error *ret_error);
