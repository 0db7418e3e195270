/* The context store: entries of 1 KiB written and read, and one stream appended to. */
#include "bench/bench.h"
#include "bench/connections.h"
#include "bench/sample.h"
#include "common/base/check.h"
#include "common/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define VALUE_BYTES 1024
#define APPEND_BYTES ((size_t)256 * 1024)
#define ENTRIES 1024
#define CALL_TIMEOUT_MS 60000

static const struct {
    uint32_t connections;
    uint32_t slots;
} shapes[CONTEXT_ROWS] = {
    [CONTEXT_PUT_1] = {1, 1},
    [CONTEXT_PUT_64] = {8, 8},
    [CONTEXT_GET_64] = {8, 8},
    [CONTEXT_APPEND] = {1, 4},
};

struct load {
    enum context_row row;
    struct connections connections;
    struct sample sample;
    uint64_t next; /* number of the next call */
    uint64_t offset;
    uint64_t done;
    uint32_t under_way;
    bool measuring;
    bool ending;
    bool failed;
    uint8_t *bytes;
};

struct slot {
    struct load *load;
    struct ganger *ganger;
    uint64_t sent_us;
};

static void begin_call(struct slot *slot);

static void answered(const struct ganger_reply *reply, void *data)
{
    struct slot *slot = data;
    struct load *load = slot->load;

    load->under_way--;
    if (reply->error != NULL) {
        if (!load->failed)
            (void)fprintf(stderr, "ganger-bench: context store: %s: %s\n", reply->error->reason, reply->error->message);
        load->failed = true;
        return;
    }
    if (load->measuring) {
        sample_add(&load->sample, clock_boot_us() - slot->sent_us);
        load->done++;
    }
    if (!load->ending)
        begin_call(slot);
}

static void start(struct slot *slot, const ProtobufCServiceDescriptor *service, const char *method,
                  const ProtobufCMessage *request)
{
    slot->load->under_way++;
    slot->sent_us = clock_boot_us();
    (void)ganger_start(slot->ganger, service, method, request, CALL_TIMEOUT_MS, 0, answered, slot);
}

static void begin_append(struct slot *slot)
{
    Ganger__V1__AppendStreamRequest request = GANGER__V1__APPEND_STREAM_REQUEST__INIT;
    Ganger__V1__StreamName stream = GANGER__V1__STREAM_NAME__INIT;

    stream.name = (char[]){"bench"};
    request.stream = &stream;
    request.offset = slot->load->offset;
    request.data = (ProtobufCBinaryData){.data = slot->load->bytes, .len = APPEND_BYTES};
    slot->load->offset += APPEND_BYTES;
    start(slot, &ganger__v1__streams__descriptor, "AppendStream", &request.base);
}

static void begin_call(struct slot *slot)
{
    Ganger__V1__PutEntryRequest put = GANGER__V1__PUT_ENTRY_REQUEST__INIT;
    Ganger__V1__GetEntryRequest get = GANGER__V1__GET_ENTRY_REQUEST__INIT;
    char key[64];

    if (slot->load->row == CONTEXT_APPEND) {
        begin_append(slot);
        return;
    }
    (void)snprintf(key, sizeof(key), "global/bench-%" PRIu64, slot->load->next++ % ENTRIES);
    if (slot->load->row == CONTEXT_GET_64) {
        get.key = key;
        start(slot, &ganger__v1__context__descriptor, "GetEntry", &get.base);
        return;
    }
    put.key = key;
    put.value = (ProtobufCBinaryData){.data = slot->load->bytes, .len = VALUE_BYTES};
    start(slot, &ganger__v1__context__descriptor, "PutEntry", &put.base);
}

/* So that every read finds something. */
static bool put_all(struct load *load)
{
    Ganger__V1__PutEntryRequest put = GANGER__V1__PUT_ENTRY_REQUEST__INIT;
    struct slot slots[ENTRIES];
    char key[64];

    load->ending = true;
    for (uint32_t i = 0; i < ENTRIES; i++) {
        (void)snprintf(key, sizeof(key), "global/bench-%" PRIu32, i);
        put.key = key;
        put.value = (ProtobufCBinaryData){.data = load->bytes, .len = VALUE_BYTES};
        slots[i] = (struct slot){.load = load, .ganger = load->connections.items[0]};
        start(&slots[i], &ganger__v1__context__descriptor, "PutEntry", &put.base);
    }
    connections_flush(&load->connections);
    while (load->under_way > 0 && !load->failed)
        connections_turn(&load->connections);
    load->ending = false;
    return !load->failed;
}

static bool measure_row(struct bench *bench, enum context_row row)
{
    struct context_result *result = &bench->result->context[row];
    struct load load = {.row = row, .bytes = allocate_zero(1, APPEND_BYTES)};
    struct slot slots[64];
    uint32_t count = shapes[row].connections * shapes[row].slots;
    bool open = connections_open(&load.connections, bench->context_endpoint, GANGER_CONTEXT, shapes[row].connections);

    load.failed = !open || (row == CONTEXT_GET_64 && !put_all(&load));
    for (uint32_t i = 0; i < count && !load.failed; i++) {
        slots[i] = (struct slot){.load = &load, .ganger = load.connections.items[i % shapes[row].connections]};
        begin_call(&slots[i]);
    }
    connections_flush(&load.connections);
    uint64_t begin_us = clock_boot_us();
    double store_us = cpu_of_process_us(bench->contextd);
    load.measuring = true;
    while (!load.failed && clock_boot_us() < begin_us + (uint64_t)(bench->seconds * 1e6))
        connections_turn(&load.connections);
    load.measuring = false;
    double seconds = (double)(clock_boot_us() - begin_us) / 1e6;
    result->per_second = (double)load.done / seconds * (row == CONTEXT_APPEND ? (double)APPEND_BYTES : 1);
    result->store_us = (cpu_of_process_us(bench->contextd) - store_us) / (load.done > 0 ? (double)load.done : 1);
    load.ending = true;
    while (load.under_way > 0 && !load.failed)
        connections_turn(&load.connections);
    result->latency = sample_latencies(&load.sample);
    sample_done(&load.sample);
    connections_close(&load.connections);
    free(load.bytes);
    return !load.failed;
}

bool measure_context(struct bench *bench)
{
    bool measured = true;

    for (int row = 0; row < CONTEXT_ROWS && measured; row++)
        measured = measure_row(bench, (enum context_row)row);
    bench->result->has_context = measured;
    return measured;
}
