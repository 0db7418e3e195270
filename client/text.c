#include "client/client_internal.h"

#include "common/base/id.h"

#include <stdio.h>
#include <string.h>

#define NO_DAEMON_TEXT "no daemon answers"

_Static_assert(ID_TEXT_SIZE == 20, "ganger.h promises this size");
_Static_assert((int)GANGER_UNAUTHENTICATED == (int)STATUS_UNAUTHENTICATED, "the numbers are the same");

enum ganger_status give_error(const struct error *from, struct ganger_error *ret_error)
{
    if (ret_error != NULL) {
        ret_error->status = (enum ganger_status)from->status;
        (void)snprintf(ret_error->reason, sizeof ret_error->reason, "%s", from->reason != NULL ? from->reason : "");
        (void)snprintf(ret_error->message, sizeof ret_error->message, "%s", from->message);
    }
    return (enum ganger_status)from->status;
}

enum ganger_status give_refusal(const struct ganger *ganger, const struct rpc_reply *reply,
                                struct ganger_error *ret_error)
{
    const char *who = ganger->daemon == GANGER_BROKER ? "broker" : "context store";
    struct error error = {0};

    if (strncmp(reply->message, NO_DAEMON_TEXT, strlen(NO_DAEMON_TEXT)) == 0)
        (void)error_set(&error, reply->status, reply->reason, "no %s answers%s", who,
                        reply->message + strlen(NO_DAEMON_TEXT));
    else
        (void)error_set(&error, reply->status, reply->reason, "%s", reply->message);
    return give_error(&error, ret_error);
}

const char *ganger_id_format(uint64_t id, char text[20])
{
    return id_format(id, text);
}

enum ganger_status ganger_id_parse(const char *text, uint64_t *ret_first, uint64_t *ret_last,
                                   struct ganger_error *error)
{
    struct error problem = {0};

    if (id_parse(text, ret_first, ret_last, &problem) != STATUS_OK)
        return give_error(&problem, error);
    return GANGER_OK;
}

const char *ganger_version(void)
{
    return GANGER_VERSION;
}

const char *ganger_status_name(enum ganger_status status)
{
    return status_name((enum status)status);
}
