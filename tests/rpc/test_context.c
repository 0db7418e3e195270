#include "common/rpc/context.h"

#include <criterion/criterion.h>
#include <sys/wait.h>
#include <unistd.h>

#define USERS_MAX 64

Test(context, is_shared_by_64_users_and_the_next_one_gets_another)
{
    struct rpc_context *contexts[USERS_MAX + 1];

    for (size_t i = 0; i <= USERS_MAX; i++)
        contexts[i] = rpc_context_share();
    for (size_t i = 1; i < USERS_MAX; i++)
        cr_expect_eq(contexts[i], contexts[0]);
    cr_expect_neq(contexts[USERS_MAX], contexts[0]);
    for (size_t i = 0; i <= USERS_MAX; i++)
        rpc_context_release(contexts[i]);
}

Test(context, has_room_again_when_one_has_left)
{
    struct rpc_context *first = rpc_context_share();

    for (size_t i = 1; i < USERS_MAX; i++)
        cr_assert_eq(rpc_context_share(), first);
    rpc_context_release(first);
    cr_expect_eq(rpc_context_share(), first);
    for (size_t i = 0; i < USERS_MAX; i++)
        rpc_context_release(first);
}

Test(context, of_a_user_alone_is_not_shared)
{
    struct rpc_context *own = rpc_context_new();
    struct rpc_context *shared = rpc_context_share();

    cr_expect_neq(own, shared);
    rpc_context_release(own);
    rpc_context_release(shared);
}

/* A child has no threads but the one that forked. */
Test(context, of_the_parent_is_not_shared_in_a_forked_child)
{
    struct rpc_context *shared = rpc_context_share();
    int status = -1;

    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        _exit(rpc_context_share() != shared ? 0 : 1);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    rpc_context_release(shared);
}
