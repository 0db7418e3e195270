/* What the machine allows: how long a synced append of one page takes, and how many frames ZeroMQ moves there and back
 * between two processes. Nothing above them can be faster. */
#include "bench/bench.h"
#include "bench/sample.h"
#include "common/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#define PAGE_BYTES 4096
#define ECHO_BYTES 256 /* a submit of PAYLOAD_BYTES with its envelope */
#define CONNECTIONS_MAX 8
#define BURST_MAX 1024

bool measure_sync(struct bench *bench)
{
    static const char page[PAGE_BYTES] = {1};
    char path[600];
    struct sample sample = {0};
    uint64_t begin_us = 0;
    uint64_t end_us = 0;
    int file = -1;

    (void)snprintf(path, sizeof(path), "%s/sync", bench->directory);
    file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    begin_us = clock_boot_us();
    end_us = begin_us + (uint64_t)(bench->seconds * 1e6);
    for (uint64_t now_us = begin_us; file >= 0 && now_us < end_us;) {
        uint64_t sent_us = now_us;

        if (write(file, page, sizeof(page)) != (ssize_t)sizeof(page) || fdatasync(file) != 0)
            break;
        now_us = clock_boot_us();
        sample_add(&sample, now_us - sent_us);
    }
    if (sample.count == 0)
        (void)fprintf(stderr, "ganger-bench: %s: %s\n", path, strerror(errno));
    else
        bench->result->limits[LIMIT_SYNC] = (struct limit_result){.per_second = (double)sample.count / bench->seconds,
                                                                  .latency = sample_latencies(&sample)};
    if (file >= 0)
        (void)close(file);
    (void)unlink(path);
    sample_done(&sample);
    return bench->result->limits[LIMIT_SYNC].per_second > 0;
}

/* Sends every frame back, draining what has come before it sleeps: the least that a server can do. */
_Noreturn static void echo_server(const char *endpoint)
{
    void *context = zmq_ctx_new();
    void *router = zmq_socket(context, ZMQ_ROUTER);

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (zmq_bind(router, endpoint) != 0)
        _exit(1);
    for (;;) {
        zmq_pollitem_t item = {.socket = router, .events = ZMQ_POLLIN};

        (void)zmq_poll(&item, 1, -1);
        for (int burst = 0; burst < BURST_MAX; burst++) {
            zmq_msg_t peer;
            zmq_msg_t frame;

            (void)zmq_msg_init(&peer);
            (void)zmq_msg_init(&frame);
            if (zmq_msg_recv(&peer, router, ZMQ_DONTWAIT) < 0)
                break;
            (void)zmq_msg_recv(&frame, router, 0);
            (void)zmq_msg_send(&peer, router, ZMQ_SNDMORE);
            (void)zmq_msg_send(&frame, router, 0);
        }
    }
}

/* The frames' own sending times come back in them. */
static void send_frame(void *dealer)
{
    unsigned char frame[ECHO_BYTES] = {0};
    uint64_t now_us = clock_boot_us();

    memcpy(frame, &now_us, sizeof(now_us));
    (void)zmq_send(dealer, frame, sizeof(frame), 0);
}

static struct limit_result measure_echoes(void **dealers, uint32_t connections, uint32_t frames, double seconds)
{
    struct sample sample = {0};
    struct limit_result result = {0};
    zmq_pollitem_t items[CONNECTIONS_MAX];
    uint64_t begin_us = clock_boot_us();
    uint64_t end_us = begin_us + (uint64_t)(seconds * 1e6);
    uint64_t under_way = (uint64_t)connections * frames;

    for (uint32_t i = 0; i < connections; i++) {
        items[i] = (zmq_pollitem_t){.socket = dealers[i], .events = ZMQ_POLLIN};
        for (uint32_t j = 0; j < frames; j++)
            send_frame(dealers[i]);
    }
    while (under_way > 0 && zmq_poll(items, (int)connections, 5000) > 0) {
        for (uint32_t i = 0; i < connections; i++) {
            unsigned char frame[ECHO_BYTES];
            uint64_t sent_us = 0;

            while (zmq_recv(dealers[i], frame, sizeof(frame), ZMQ_DONTWAIT) == ECHO_BYTES) {
                uint64_t now_us = clock_boot_us();

                memcpy(&sent_us, frame, sizeof(sent_us));
                sample_add(&sample, now_us - sent_us);
                if (now_us < end_us)
                    send_frame(dealers[i]);
                else
                    under_way--;
            }
        }
    }
    result.per_second = (double)sample.count * 1e6 / (double)(clock_boot_us() - begin_us);
    result.latency = sample_latencies(&sample);
    sample_done(&sample);
    return result;
}

bool measure_echo(struct bench *bench)
{
    static const struct {
        enum limit limit;
        uint32_t connections;
        uint32_t frames;
    } shapes[] = {{LIMIT_ECHO_1, 1, 1}, {LIMIT_ECHO_64, 1, 64}, {LIMIT_ECHO_512, 8, 64}};
    char endpoint[600];
    void *dealers[CONNECTIONS_MAX];
    void *context = NULL;
    bool measured = true;
    pid_t server = -1;

    (void)snprintf(endpoint, sizeof(endpoint), "ipc://%s/echo.sock", bench->directory);
    server = fork(); // before this process has a ZeroMQ context
    if (server == 0)
        echo_server(endpoint);
    context = zmq_ctx_new();
    for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
        int linger_ms = 0;

        dealers[i] = zmq_socket(context, ZMQ_DEALER);
        (void)zmq_setsockopt(dealers[i], ZMQ_LINGER, &linger_ms, sizeof(linger_ms));
        measured = zmq_connect(dealers[i], endpoint) == 0 && measured;
    }
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]) && measured; i++) {
        struct limit_result *result = &bench->result->limits[shapes[i].limit];

        *result = measure_echoes(dealers, shapes[i].connections, shapes[i].frames, bench->seconds);
        measured = result->per_second > 0;
    }
    for (uint32_t i = 0; i < CONNECTIONS_MAX; i++)
        (void)zmq_close(dealers[i]);
    (void)zmq_ctx_term(context);
    (void)kill(server, SIGKILL);
    (void)waitpid(server, NULL, 0);
    if (!measured)
        (void)fprintf(stderr, "ganger-bench: ZeroMQ did not echo at %s\n", endpoint);
    return measured;
}
