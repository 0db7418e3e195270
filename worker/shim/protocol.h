/* What supervisor and shim say to each other, both on the same host and of the same package.
 *
 * They share a SEQPACKET socketpair: one packet is one struct, in host byte order, led by the version. The supervisor
 * writes the order into a memory file that the shim inherits and then says BEGIN. The end of the socket means that the
 * other side is gone. A shim that outlives its supervisor and is adopted again needs a version of its own to speak:
 * that is what the version is for. */
#pragma once

#include <stdint.h>

#define SHIM_VERSION 2
#define SHIM_ORDER_MAX 1048576U

/* The descriptors that a shim is born with, besides the usual three. */
enum { SHIM_CONTROL_FD = 3, SHIM_LOCK_FD = 4, SHIM_ORDER_FD = 5 };

enum shim_command_kind {
    SHIM_BEGIN = 1,     /* the order is written: start the agent */
    SHIM_TERMINATE = 2, /* SIGTERM to every process of the run */
    SHIM_KILL = 3,      /* SIGKILL to every process of the run until none is left */
    SHIM_FENCE = 4,     /* when fence_ms has come, end the run without being told: SIGTERM, at most grace_ms, SIGKILL */
};

struct shim_command {
    uint16_t version;
    uint16_t kind;
    uint32_t grace_ms; /* of FENCE, as the following */
    uint64_t fence_ms; /* CLOCK_BOOTTIME; takes the place of the one before */
};

/* The order: this, then texts that end in NUL: program, working directory, files for stdin, stdout and stderr, the
 * directory to remove in the end ("" = none), the arguments, the environment. */
struct shim_order {
    uint16_t version;
    uint16_t reserved;
    uint32_t size;      /* of the whole order */
    uint32_t linger_ms; /* how long descendants may outlive the main process */
    uint32_t grace_ms;  /* between SIGTERM and SIGKILL when the supervisor is gone */
    uint32_t argument_count;
    uint32_t environment_count;
};
enum shim_order_text {
    SHIM_PROGRAM,
    SHIM_DIRECTORY,
    SHIM_STDIN,
    SHIM_STDOUT,
    SHIM_STDERR,
    SHIM_SCRATCH,
    SHIM_FIXED_TEXTS
};

enum shim_report_kind {
    SHIM_STARTED = 1,      /* pid */
    SHIM_START_FAILED = 2, /* step, error; GONE follows */
    SHIM_EXITED = 3,       /* the main process: exit_status or signal */
    SHIM_GONE = 4,         /* no process of the run is left; killed, usage */
};

/* Where a start failed. */
enum shim_step { SHIM_STEP_ORDER = 1, SHIM_STEP_DIRECTORY = 2, SHIM_STEP_FILES = 3, SHIM_STEP_PROGRAM = 4 };

struct shim_report {
    uint16_t version;
    uint16_t kind;
    int32_t pid;
    int32_t step;
    int32_t error;       /* errno */
    int32_t exit_status; /* -1 = none: it did not start, or a signal ended it */
    int32_t signal;      /* 0 = none */
    uint32_t killed;     /* descendants that had to be killed after the end of the main process, or with it */
    uint32_t alone;      /* 1 = the shim has ended it without being told: its fence time had come */
    uint64_t user_us;    /* of all processes of the run, as the following */
    uint64_t system_us;
    uint64_t memory_peak_bytes; /* of the largest single process */
};
