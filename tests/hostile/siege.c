#include "tests/hostile/siege.h"

#include "client/ganger.h"
#include "tests/support/process.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <ganger/v1/envelope.pb-c.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <zmq.h>

#define BURST 50
#define ATTACKER_LIFE 500 /* frames, after which one is replaced */
#define SEND_TIMEOUT_MS 5000
#define STOP_TIMEOUT_MS 20000
#define DEAF SIEGE_ATTACKERS - 1 /* the attacker that never reads an answer */

static void start_daemon(struct siege *siege)
{
    char log[300];
    const char *const arguments[] = {siege->program, "--config", siege->configuration, NULL};

    (void)snprintf(log, sizeof(log), "%s/daemon.log", siege->directory);
    siege->daemon = process_start(arguments, log);
    cr_assert(siege->daemon > 0);
}

void siege_begin(struct siege *siege, const char *program, const char *section,
                 const ProtobufCServiceDescriptor *const *services, size_t service_count)
{
    const char *sanitizer = getenv("ASAN_OPTIONS");
    char options[512];

    *siege = (struct siege){.program = program, .section = section, .seed = seed_from_environment()};
    siege->maker = (struct frame_maker){
        .random = random_for(siege->seed, 0), .services = services, .service_count = service_count};
    (void)printf("GANGER_SEED=%" PRIu64 "\n", siege->seed);
    (void)fflush(stdout);
    /* The sanitizer keeps freed memory for a while; with little of that, growth is the daemon's own. */
    (void)snprintf(options, sizeof(options), "%s:quarantine_size_mb=4", sanitizer != NULL ? sanitizer : "");
    (void)setenv("ASAN_OPTIONS", options, 1);
    cr_assert(scratch_make(NULL, siege->directory, sizeof(siege->directory)));
    (void)snprintf(siege->endpoint, sizeof(siege->endpoint), "ipc://%s/daemon.sock", siege->directory);
    (void)snprintf(siege->configuration, sizeof(siege->configuration), "%s/daemon.conf", siege->directory);
    cr_assert(configuration_write(siege->configuration, "[%s]\nlisten = %s\nstore = %s/store\n", section,
                                  siege->endpoint, siege->directory));
    start_daemon(siege);
}

static void open_attacker(struct siege *siege, size_t i)
{
    int linger_ms = 0;

    if (siege->context == NULL)
        siege->context = zmq_ctx_new();
    if (siege->attackers[i] != NULL)
        (void)zmq_close(siege->attackers[i]);
    siege->attackers[i] = zmq_socket(siege->context, ZMQ_DEALER);
    (void)zmq_setsockopt(siege->attackers[i], ZMQ_LINGER, &linger_ms, sizeof(linger_ms));
    cr_assert(zmq_connect(siege->attackers[i], siege->endpoint) == 0);
}

static void close_attackers(struct siege *siege)
{
    for (size_t i = 0; i < SIEGE_ATTACKERS; i++) {
        if (siege->attackers[i] != NULL)
            (void)zmq_close(siege->attackers[i]);
        siege->attackers[i] = NULL;
    }
    if (siege->context != NULL)
        (void)zmq_ctx_term(siege->context);
    siege->context = NULL;
}

/* Whatever the frame was, what comes back is an answer of the protocol: a status that the caller's mistake explains,
 * with a reason and a sentence. */
static void judge_answer(struct siege *siege, const void *frame, size_t size)
{
    Ganger__V1__Envelope *envelope = ganger__v1__envelope__unpack(NULL, size, frame);

    cr_assert_not_null(envelope, "the daemon sent a frame that is no envelope");
    cr_assert(envelope->kind == GANGER__V1__KIND__DATA || envelope->kind == GANGER__V1__KIND__END, "kind %d",
              (int)envelope->kind);
    cr_assert(envelope->status < SIEGE_STATUSES);
    cr_assert(envelope->status != GANGER_UNKNOWN && envelope->status != GANGER_INTERNAL &&
                  envelope->status != GANGER_DATA_LOSS,
              "%s: %s", envelope->reason, envelope->message);
    cr_assert(envelope->status == 0 || (envelope->reason[0] != '\0' && envelope->message[0] != '\0'),
              "status %u without reason or message", envelope->status);
    siege->answers[envelope->status]++;
    ganger__v1__envelope__free_unpacked(envelope, NULL);
}

static void read_answers(struct siege *siege)
{
    for (size_t i = 0; i < SIEGE_ATTACKERS; i++) {
        zmq_msg_t frame;

        if (i == DEAF || siege->attackers[i] == NULL)
            continue;
        (void)zmq_msg_init(&frame);
        while (zmq_msg_recv(&frame, siege->attackers[i], ZMQ_DONTWAIT) >= 0)
            judge_answer(siege, zmq_msg_data(&frame), zmq_msg_size(&frame));
        (void)zmq_msg_close(&frame);
    }
}

static void send_frame(struct siege *siege, size_t attacker, struct bytes frame, int flags)
{
    zmq_pollitem_t item = {.socket = siege->attackers[attacker], .events = ZMQ_POLLOUT};

    /* Not every frame has to arrive: one that closes the connection takes others with it. */
    if (zmq_poll(&item, 1, attacker == DEAF ? 0 : SEND_TIMEOUT_MS) > 0)
        (void)zmq_send(siege->attackers[attacker], frame.size > 0 ? (const void *)frame.data : "", frame.size,
                       ZMQ_DONTWAIT | flags);
}

void siege_attack(struct siege *siege, size_t frames)
{
    struct random *random = &siege->maker.random;

    for (size_t i = 0; i < frames; i++) {
        size_t attacker = (size_t)random_below(random, SIEGE_ATTACKERS);
        enum mutation mutation = MUTATION_NONE;
        struct bytes frame = {0};

        if (siege->attackers[attacker] == NULL || i % ATTACKER_LIFE == ATTACKER_LIFE - 1)
            open_attacker(siege, attacker);
        arena_reset(&siege->arena);
        frame = frame_make(&siege->maker, &siege->arena, &mutation);
        siege->sent[mutation]++;
        if (random_permille(random, 20))
            send_frame(siege, attacker, bytes_of_text("a frame too many"), ZMQ_SNDMORE);
        send_frame(siege, attacker, frame, 0);
        if (i % BURST == BURST - 1)
            read_answers(siege);
    }
    read_answers(siege);
    cr_assert(process_poll(siege->daemon) < 0, "the daemon died: see %s/daemon.log", siege->directory);
}

void siege_lift(struct siege *siege)
{
    close_attackers(siege);
}

void siege_restart_daemon(struct siege *siege)
{
    int status = 0;

    close_attackers(siege);
    status = process_stop(siege->daemon, STOP_TIMEOUT_MS);
    cr_assert(status == 0, "the daemon stopped with %d: see %s/daemon.log", status, siege->directory);
    start_daemon(siege);
}

static void print_counts(const struct siege *siege)
{
    for (size_t i = 0; i < MUTATIONS; i++)
        (void)printf("  sent %-20s %8" PRIu64 "\n", mutation_name((enum mutation)i), siege->sent[i]);
    for (size_t i = 0; i < SIEGE_STATUSES; i++) {
        if (siege->answers[i] > 0)
            (void)printf("  answered %-20s %8" PRIu64 "\n", ganger_status_name((enum ganger_status)i),
                         siege->answers[i]);
    }
    (void)fflush(stdout);
}

void siege_end(struct siege *siege)
{
    uint64_t answered = 0;
    uint64_t sent = 0;
    int status = 0;

    for (size_t i = 0; i < SIEGE_STATUSES; i++)
        answered += siege->answers[i];
    for (size_t i = 0; i < MUTATIONS; i++)
        sent += siege->sent[i];
    print_counts(siege);
    /* Or else the frames did not get past the door, and the test has shown nothing. */
    cr_expect(answered > sent / 4, "%" PRIu64 " of %" PRIu64 " frames were answered", answered, sent);
    cr_expect(siege->answers[GANGER_OK] > sent / 50);
    close_attackers(siege);
    arena_done(&siege->arena);
    status = process_stop(siege->daemon, STOP_TIMEOUT_MS);
    cr_assert(status == 0, "the daemon stopped with %d: see %s/daemon.log", status, siege->directory);
    scratch_remove(siege->directory);
}

uint64_t siege_memory_bytes(const struct siege *siege)
{
    return process_memory_bytes(siege->daemon);
}
