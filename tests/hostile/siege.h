/* A daemon under attack: a real one, raw connections that send it hostile frames, and what it answered. */
#pragma once

#include "tests/hostile/frames.h"

#include <stdint.h>
#include <sys/types.h>

#define SIEGE_FRAMES 10000
#define SIEGE_ATTACKERS 8
#define SIEGE_STATUSES 17

struct siege {
    const char *program;
    const char *section; /* of the configuration */
    char directory[256];
    char configuration[300];
    char endpoint[300];
    pid_t daemon;
    uint64_t seed;
    struct frame_maker maker;
    struct arena arena;
    void *context; /* ZeroMQ's; NULL while the daemon is started */
    void *attackers[SIEGE_ATTACKERS];
    uint64_t sent[MUTATIONS];
    uint64_t answers[SIEGE_STATUSES];
};

/* Starts the daemon. All of these fail the test when something is not as it must be. */
void siege_begin(struct siege *siege, const char *program, const char *section,
                 const ProtobufCServiceDescriptor *const *services, size_t service_count);
/* Sends so many frames and judges every answer. */
void siege_attack(struct siege *siege, size_t frames);
/* The attackers go away. What they have sent may still be on its way: the daemon has read all of it once one honest
 * client is its only connection and two of its calls that follow one another had nobody's between them. */
void siege_lift(struct siege *siege);
/* The attackers go away; the daemon is stopped, must have no complaint (sanitizers), and is started again. */
void siege_restart_daemon(struct siege *siege);
/* What was sent and answered, for the reader of the log; the daemon ends for good. */
void siege_end(struct siege *siege);
uint64_t siege_memory_bytes(const struct siege *siege);
