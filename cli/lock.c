#include "cli/lock.h"

#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/interrupt.h"
#include "cli/values.h"
#include "common/base/check.h"
#include "common/base/clock.h"

#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#define CALL_WAIT_MOST_MS 20000
#define TTL_LEAST_MS 1000
#define TTL_MOST_MS VALUE_DAY_MS

static enum exit_status run(struct cli *cli, int count, char **words);

static const struct command *const members[] = {
    &command_lock_run,
    &command_lock_list,
    &command_lock_stats,
    &command_lock_acquire,
    &command_lock_release,
    &command_lock_renew,
    NULL,
};

const struct command command_lock = {
    .name = "lock",
    .usage = "COMMAND",
    .summary = "keep others away from what only one may touch",
    .examples = "gangerctl lock run repo:acme/src -- make release\n"
                "gangerctl lock list\n"
                "gangerctl lock stats\n",
    .members = members,
    .run = run,
};

static enum exit_status run(struct cli *cli, int count, char **words)
{
    return command_dispatch(cli, &command_lock, count, words);
}

enum { OPTION_SHARED = OPTION_LOCK_FIRST, OPTION_TTL, OPTION_WAIT, OPTION_AS, OPTION_NAMESPACE };

const struct argp_option lock_wish_options[] = {
    {"shared", OPTION_SHARED, NULL, 0, "beside other shared ones", 0},
    {"ttl", OPTION_TTL, "DURATION", 0, "lost after so long without a renewal; 1m", 0},
    {"wait", OPTION_WAIT, "DURATION", 0, "how long to wait for it", 0},
    {"as", OPTION_AS, "HOLDER", 0, "who holds it; the agent, or user@host:process", 0},
    {"namespace", OPTION_NAMESPACE, "NAME", 0, "the tenant; default", 0},
    {0},
};

enum exit_status lock_wish_take_option(int key, char *value, struct lock_wish *wish)
{
    uint64_t ttl_ms = 0;

    switch (key) {
    case OPTION_SHARED:
        wish->request.mode = GANGER__V1__LOCK_MODE__SHARED;
        return EXIT_DONE;
    case OPTION_TTL:
        TRY_DONE(value_duration("--ttl", value, TTL_LEAST_MS, TTL_MOST_MS, &ttl_ms));
        wish->request.ttl_ms = (uint32_t)ttl_ms;
        return EXIT_DONE;
    case OPTION_WAIT:
        return value_duration("--wait", value, 0, UINT64_MAX / 2, &wish->wait_ms);
    case OPTION_AS:
        return value_text("--as", value, 127, &wish->self.writer.agent_id);
    default:
        return value_name("--namespace", value, &wish->request.namespace_);
    }
}

void lock_wish_init(struct lock_wish *wish)
{
    *wish = (struct lock_wish){.request = GANGER__V1__ACQUIRE_LOCK_REQUEST__INIT};
    self_init(&wish->self);
    CHECK(getrandom(wish->id, sizeof wish->id, 0) == (ssize_t)sizeof wish->id);
    wish->request.request = (ProtobufCBinaryData){.data = wish->id, .len = sizeof wish->id};
}

void lock_wish_done(struct lock_wish *wish)
{
    self_done(&wish->self);
}

/* The daemon sends what is in the way along. The caller frees it; NULL when it is no lock that is held. */
static char *describe_holder(struct ganger *store)
{
    size_t size = 0;
    const uint8_t *detail = ganger_last_detail(store, &size);
    Ganger__V1__HeldLock *lock = detail != NULL ? ganger__v1__held_lock__unpack(NULL, size, detail) : NULL;

    if (lock == NULL)
        return NULL;
    char *text = format_text("%s holds \"%s\" (%u more wait)", lock->holder != NULL ? lock->holder->agent_id : "?",
                             lock->name, lock->waiters);
    ganger__v1__held_lock__free_unpacked(lock, NULL);
    return text;
}

static enum exit_status refused_to_acquire(struct cli *cli, struct ganger *store, const struct ganger_error *error,
                                           const struct lock_wish *wish)
{
    CLEANUP(free)
    char *holder = describe_holder(store);

    if (strcmp(error->reason, "LOCK_HELD") != 0)
        return lock_refused(cli, error, "acquire", wish->request.name);
    return problem(wish->wait_ms > 0 ? EXIT_TIMED_OUT : EXIT_REFUSED, holder != NULL ? holder : error->message,
                   "wait for it with --wait 5m; gangerctl lock list shows all that are held", "cannot acquire \"%s\"",
                   wish->request.name);
}

enum exit_status lock_acquire(struct cli *cli, struct ganger *store, struct lock_wish *wish,
                              Ganger__V1__AcquireLockResponse **ret_response)
{
    uint64_t begin_ms = clock_boot_ms();
    bool said = false;

    wish->request.holder = &wish->self.writer;
    for (;;) {
        struct ganger_error error = {0};
        uint64_t waited_ms = clock_boot_ms() - begin_ms;
        uint64_t left_ms = waited_ms < wish->wait_ms ? wish->wait_ms - waited_ms : 0;
        wish->request.wait_ms = (uint32_t)(left_ms < CALL_WAIT_MOST_MS ? left_ms : CALL_WAIT_MOST_MS);
        if (ganger_acquire_lock(store, &wish->request, wish->request.wait_ms + daemon_timeout_ms(cli), ret_response,
                                &error) == GANGER_OK)
            return EXIT_DONE;
        if (interrupted())
            return EXIT_INTERRUPTED;
        if (strcmp(error.reason, "LOCK_HELD") != 0 || left_ms == 0)
            return refused_to_acquire(cli, store, &error, wish);
        CLEANUP(free)
        char *holder = describe_holder(store);
        if (!said && holder != NULL && cli->errors.interactive)
            problem_note("%s: waiting", holder);
        said = true;
    }
}

enum exit_status lock_refused(struct cli *cli, const struct ganger_error *error, const char *verb, const char *name)
{
    CLEANUP(free)
    char *what = format_text("cannot %s \"%s\"", verb, name);

    return daemon_refused(cli, GANGER_CONTEXT, error, what);
}

enum exit_status lock_name_and_fence(const struct arguments *arguments, char **ret_name, uint64_t *ret_fence)
{
    TRY_DONE(value_text("NAME", arguments->values[0], LOCK_NAME_MOST_BYTES, ret_name));
    return value_number("FENCE", arguments->values[1], 1, UINT64_MAX, ret_fence);
}
