#include "worker/supervisor.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HELD_MAX 1000
#define BEATS_MAX 1000
#define REGISTER_PAUSE_MS 1000
#define ATTEND_PAUSE_MS 1000
#define ATTEND_CREDIT_BYTES 65536
#define HEARTBEAT_TIMEOUT_MS 10000

/* Until its report is answered a run is held, and its lease is kept alive. */
static bool is_held(const struct run *run)
{
    return run->life <= LIFE_REPORTING && !run->stale;
}

/* A newer supervisor has our name: what we hold is not ours any more. */
static bool is_replaced(struct supervisor *supervisor, const struct ganger_error *error)
{
    if (strcmp(error->reason, "STALE_INCARNATION") != 0)
        return false;
    if (!supervisor->daemon->stopping) {
        log_error("Another supervisor has taken this name: stopping", log_text("agent_id", supervisor->settings.name));
        supervisor_replaced(supervisor);
    }
    return true;
}

static void set_draining(struct supervisor *supervisor, bool draining)
{
    if (supervisor->draining != draining)
        log_info(draining ? "Draining: no more claims until an operator ends it" : "Draining has ended");
    supervisor->draining = draining;
}

void presence_note_revision(struct supervisor *supervisor, const struct ganger_reply *reply)
{
    if (reply->revision > supervisor->seen_revision)
        supervisor->seen_revision = reply->revision;
}

/* Another store counts for itself. */
static void note_store(struct supervisor *supervisor, const struct ganger_reply *reply, const char *store_id)
{
    if (strcmp(supervisor->store_id, store_id) != 0)
        supervisor->seen_revision = 0;
    (void)snprintf(supervisor->store_id, sizeof supervisor->store_id, "%s", store_id);
    presence_note_revision(supervisor, reply);
}

/* Registration */

static void on_registered(const struct ganger_reply *reply, void *data)
{
    struct supervisor *supervisor = data;

    supervisor->register_call = NULL;
    if (reply->error != NULL) {
        supervisor->registration_is_due = !is_replaced(supervisor, reply->error);
        supervisor->register_at_ms = clock_boot_ms() + REGISTER_PAUSE_MS;
        log_warning("Registration refused", log_text("reason", reply->error->reason),
                    log_text("error", reply->error->message));
        return;
    }
    const Ganger__V1__RegisterAgentResponse *response = (const Ganger__V1__RegisterAgentResponse *)reply->response;
    if (!supervisor->registered)
        log_info("Registered", log_text("agent_id", supervisor->settings.name),
                 log_number("released", response->n_released), log_number("heartbeat_ms", response->heartbeat_ms));
    supervisor->registered = true;
    supervisor->fence_terms =
        (struct fence_terms){.reap_grace_ms = response->reap_grace_ms, .terminate_ms = response->terminate_ms};
    note_store(supervisor, reply, response->store_id);
    set_draining(supervisor, response->draining);
    if (response->heartbeat_ms > 0)
        supervisor->heartbeat_ms = response->heartbeat_ms;
    supervisor->heartbeat_at_ms = 0;
    for (size_t i = 0; i < response->n_released; i++) {
        struct run *run = run_find(supervisor, response->released[i]->task_id, response->released[i]->fence);
        if (run != NULL)
            run_stop(run, INTENT_STALE, NULL);
    }
}

static size_t fill_profiles(const struct supervisor *supervisor, Ganger__V1__Profile *profiles,
                            Ganger__V1__Profile **pointers)
{
    size_t count = 0;

    for (struct crew *crew = supervisor->crews; crew != NULL && count < PROFILES_MAX; crew = crew->next) {
        if (crew->retired)
            continue;
        ganger__v1__profile__init(&profiles[count]);
        profiles[count].agent_type = crew->profile->agent_type;
        profiles[count].max = crew->profile->max != 0 ? crew->profile->max : supervisor->settings.slots;
        profiles[count].running = crew->slots.taken;
        crew->told_running = crew->slots.taken;
        profiles[count].available = crew->program != NULL;
        profiles[count].problem = crew->problem;
        pointers[count] = &profiles[count];
        count++;
    }
    return count;
}

static size_t fill_held(const struct supervisor *supervisor, Ganger__V1__Lease *leases, Ganger__V1__Lease **pointers)
{
    size_t count = 0;

    for (const struct run *run = supervisor->runs; run != NULL && count < HELD_MAX; run = run->next) {
        if (!is_held(run))
            continue;
        ganger__v1__lease__init(&leases[count]);
        leases[count].task_id = run->task_id;
        leases[count].fence = run->fence;
        pointers[count] = &leases[count];
        count++;
    }
    return count;
}

static void send_registration(struct supervisor *supervisor)
{
    Ganger__V1__RegisterAgentRequest request = GANGER__V1__REGISTER_AGENT_REQUEST__INIT;
    Ganger__V1__Profile profiles[PROFILES_MAX];
    Ganger__V1__Profile *profile_pointers[PROFILES_MAX];
    CLEANUP(free)
    Ganger__V1__Lease *leases = allocate_zero(HELD_MAX, sizeof *leases);
    CLEANUP(free)
    Ganger__V1__Lease **lease_pointers = allocate_zero(HELD_MAX, sizeof(void *));
    char host[HOST_NAME_MAX + 1] = {0};
    char version[] = GANGER_VERSION;

    (void)gethostname(host, sizeof host - 1);
    request.agent_id = supervisor->settings.name;
    request.incarnation = supervisor->incarnation;
    request.host = host;
    request.pid = (uint64_t)getpid();
    request.version = version;
    request.slots = supervisor->settings.slots;
    request.profiles = profile_pointers;
    request.n_profiles = fill_profiles(supervisor, profiles, profile_pointers);
    request.held = lease_pointers;
    request.n_held = fill_held(supervisor, leases, lease_pointers);
    /* Nothing is said to the broker before all shims of an earlier life have ended. */
    request.all_gone = true;
    request.store_id = supervisor->store_id;
    request.seen_revision = supervisor->seen_revision;
    supervisor->registration_is_due = false;
    supervisor->register_at_ms = clock_boot_ms() + REGISTER_PAUSE_MS;
    supervisor->register_call = ganger_start(supervisor->broker, &ganger__v1__agents__descriptor, "RegisterAgent",
                                             &request.base, 0, 0, on_registered, supervisor);
}

/* Heartbeats */

static void obey(struct supervisor *supervisor, uint64_t task_id, uint64_t fence, Ganger__V1__Verdict verdict,
                 const char *reason)
{
    struct run *run = run_find(supervisor, task_id, fence);

    if (run == NULL && verdict == GANGER__V1__VERDICT__KILL)
        report_nothing(supervisor, task_id, fence);
    if (run == NULL)
        return;
    if (verdict == GANGER__V1__VERDICT__STALE)
        run_stop(run, INTENT_STALE, reason);
    else if (verdict == GANGER__V1__VERDICT__KILL)
        run_stop(run, INTENT_LOST, reason);
    else if (verdict == GANGER__V1__VERDICT__STOP)
        run_stop(run, INTENT_CANCEL, reason);
    else if (verdict == GANGER__V1__VERDICT__SUSPEND)
        run_stop(run, INTENT_SUSPEND, reason);
    else if (verdict == GANGER__V1__VERDICT__GIVE_BACK)
        run_stop(run, INTENT_GIVE_BACK, reason);
}

/* A lease that was renewed. */
static void keep_alive(struct supervisor *supervisor, const Ganger__V1__BeatReply *beat)
{
    struct run *run = run_find(supervisor, beat->task_id, beat->fence);

    if (run != NULL && (beat->verdict == GANGER__V1__VERDICT__GO_ON || beat->verdict == GANGER__V1__VERDICT__STOP))
        run_set_fence(run, supervisor->heartbeat_sent_ms, beat->lease_ms);
}

static void on_heartbeat(const struct ganger_reply *reply, void *data)
{
    struct supervisor *supervisor = data;

    supervisor->heartbeats_open--;
    if (reply->error != NULL) {
        log_debug("Heartbeat refused", log_text("reason", reply->error->reason));
        supervisor->registration_is_due = !is_replaced(supervisor, reply->error);
        return;
    }
    const Ganger__V1__HeartbeatResponse *response = (const Ganger__V1__HeartbeatResponse *)reply->response;
    presence_note_revision(supervisor, reply);
    set_draining(supervisor, response->draining);
    if (!response->registered)
        supervisor->registration_is_due = true;
    supervisor->fence_terms =
        (struct fence_terms){.reap_grace_ms = response->reap_grace_ms, .terminate_ms = response->terminate_ms};
    for (size_t i = 0; i < response->n_replies; i++) {
        const Ganger__V1__BeatReply *beat = response->replies[i];
        keep_alive(supervisor, beat);
        obey(supervisor, beat->task_id, beat->fence, beat->verdict, beat->reason);
    }
}

static void send_heartbeat(struct supervisor *supervisor, Ganger__V1__Beat **beats, size_t count)
{
    Ganger__V1__HeartbeatRequest request = GANGER__V1__HEARTBEAT_REQUEST__INIT;

    request.agent_id = supervisor->settings.name;
    request.incarnation = supervisor->incarnation;
    request.beats = beats;
    request.n_beats = count;
    request.store_id = supervisor->store_id;
    request.seen_revision = supervisor->seen_revision;
    supervisor->heartbeats_open++;
    (void)ganger_start(supervisor->broker, &ganger__v1__agents__descriptor, "Heartbeat", &request.base,
                       HEARTBEAT_TIMEOUT_MS, 0, on_heartbeat, supervisor);
}

/* One request for all runs; one more for each further thousand. Without a run it says that we live. */
static void send_heartbeats(struct supervisor *supervisor)
{
    CLEANUP(free)
    Ganger__V1__Beat *beats = allocate_zero(BEATS_MAX, sizeof *beats);
    CLEANUP(free)
    Ganger__V1__Beat **pointers = allocate_zero(BEATS_MAX, sizeof(void *));
    size_t count = 0;

    for (const struct run *run = supervisor->runs; run != NULL; run = run->next) {
        if (!is_held(run))
            continue;
        if (count == BEATS_MAX) {
            send_heartbeat(supervisor, pointers, count);
            count = 0;
        }
        ganger__v1__beat__init(&beats[count]);
        beats[count].task_id = run->task_id;
        beats[count].fence = run->fence;
        pointers[count] = &beats[count];
        count++;
    }
    send_heartbeat(supervisor, pointers, count);
}

/* Commands: the heartbeat says the same, this is only faster. */

static void on_command(const struct ganger_reply *reply, void *data)
{
    struct supervisor *supervisor = data;

    if (reply->end) {
        supervisor->attend_call = NULL;
        supervisor->attend_at_ms = clock_boot_ms() + ATTEND_PAUSE_MS;
        return;
    }
    const Ganger__V1__Command *command = (const Ganger__V1__Command *)reply->response;
    if (command->task_id == 0 && strcmp(command->agent_id, supervisor->settings.name) == 0)
        set_draining(supervisor, command->verdict == GANGER__V1__VERDICT__DRAIN);
    obey(supervisor, command->task_id, command->fence, command->verdict, command->reason);
}

static void attend(struct supervisor *supervisor)
{
    Ganger__V1__AttendRequest request = GANGER__V1__ATTEND_REQUEST__INIT;

    request.agent_id = supervisor->settings.name;
    request.incarnation = supervisor->incarnation;
    supervisor->attend_call = ganger_start(supervisor->broker, &ganger__v1__agents__descriptor, "Attend", &request.base,
                                           0, ATTEND_CREDIT_BYTES, on_command, supervisor);
}

/* People look at these numbers: a second later is soon enough. */
static bool numbers_have_changed(const struct supervisor *supervisor)
{
    for (const struct crew *crew = supervisor->crews; crew != NULL; crew = crew->next)
        if (crew->told_running != crew->slots.taken)
            return true;
    return false;
}

static uint64_t next_of(const struct supervisor *supervisor, uint64_t now_ms)
{
    uint64_t next_ms = supervisor->heartbeats_open == 0 ? supervisor->heartbeat_at_ms : NEVER;

    if (supervisor->register_call == NULL && (supervisor->registration_is_due || numbers_have_changed(supervisor)) &&
        supervisor->register_at_ms < next_ms)
        next_ms = supervisor->register_at_ms;
    if (supervisor->attend_call == NULL && supervisor->attend_at_ms < next_ms)
        next_ms = supervisor->attend_at_ms;
    return next_ms > now_ms ? next_ms : now_ms;
}

uint64_t presence_tick(struct supervisor *supervisor, uint64_t now_ms)
{
    bool connected = ganger_connected(supervisor->broker);

    /* A broker that was started anew knows no agents: what it says of us is only right after a registration. */
    if (connected && !supervisor->was_connected)
        supervisor->registration_is_due = true;
    supervisor->was_connected = connected;
    if (!supervisor->recovered)
        return NEVER;
    bool is_due = supervisor->registration_is_due || (supervisor->registered && numbers_have_changed(supervisor));
    if (is_due && supervisor->register_call == NULL && supervisor->register_at_ms <= now_ms)
        send_registration(supervisor);
    if (!supervisor->registered)
        return supervisor->register_call == NULL ? supervisor->register_at_ms : NEVER;
    if (supervisor->attend_call == NULL && supervisor->attend_at_ms <= now_ms)
        attend(supervisor);
    if (supervisor->heartbeats_open == 0 && supervisor->heartbeat_at_ms <= now_ms) {
        supervisor->heartbeat_sent_ms = now_ms;
        send_heartbeats(supervisor);
        supervisor->heartbeat_at_ms = now_ms + supervisor->heartbeat_ms;
    }
    return next_of(supervisor, now_ms);
}
