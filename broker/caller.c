#include "broker/caller.h"

#include "common/base/check.h"

#include <pwd.h>
#include <stdlib.h>

struct user {
    uint32_t uid;
    char *name;
    struct index_node node;
};

static char *name_of_uid(uint32_t uid)
{
    struct passwd entry;
    struct passwd *found = NULL;
    char memory[4096];

    if (getpwuid_r((uid_t)uid, &entry, memory, sizeof memory, &found) == 0 && found != NULL)
        return duplicate_text(found->pw_name);
    return format_text("uid %u", uid);
}

static const char *user_name(struct callers *callers, uint32_t uid)
{
    struct user *user = index_find(&callers->by_uid, &uid, sizeof uid);

    if (user != NULL)
        return user->name;
    if (index_count(&callers->by_uid) == CALLERS_MAX)
        callers_done(callers);
    user = allocate_zero(1, sizeof *user);
    user->uid = uid;
    user->name = name_of_uid(uid);
    index_add(&callers->by_uid, &user->node, &user->uid, sizeof user->uid, user);
    return user->name;
}

const char *caller_name(struct callers *callers, const struct rpc_caller *caller)
{
    if (caller->is_local)
        return user_name(callers, caller->uid);
    return caller->address[0] != '\0' ? caller->address : "unknown";
}

void callers_done(struct callers *callers)
{
    struct user *user;

    while ((user = index_first(&callers->by_uid)) != NULL) {
        index_remove(&callers->by_uid, &user->node);
        free(user->name);
        free(user);
    }
}
