/* The supervisor: its state, and what its parts ask of each other.
 *
 * One thread, one loop. Whatever wakes it (a daemon's answer, a shim's report, a timer, a signal), one turn follows:
 * the connections are served, then each part does what has come due. Handlers of answers change state; calls, processes
 * and removals begin in the turn. All times are CLOCK_BOOTTIME in milliseconds. */
#pragma once

#include "client/ganger.h"
#include "common/daemon/daemon.h"
#include "worker/core/claims.h"
#include "worker/core/fence.h"
#include "worker/core/life.h"
#include "worker/core/outcome.h"
#include "worker/core/slots.h"
#include "worker/run_directory.h"
#include "worker/settings.h"
#include "worker/shim_link.h"

#define PIECE_MAX_BYTES ((size_t)256 * 1024) /* of output in one request */
#define LINGER_MS 2000                       /* what descendants of an agent get after its end */
#define STORE_ID_MAX 63
#define NEVER UINT64_MAX

struct supervisor;
struct run;

/* All agents of one type. */
struct crew {
    struct supervisor *supervisor;
    struct profile *profile;
    char *agent_id; /* "build7/claude", whose claims they are */
    struct type_slots slots;
    struct claim claim;
    struct ganger_call *claim_call; /* NULL = none is open */
    char *program;                  /* its path; NULL = there is a problem */
    char problem[256];
    uint64_t look_again_ms;
    uint32_t told_running; /* as the broker was told */
    bool retired;          /* not in the configuration any more */
    struct crew *next;
};

/* One output of a run on its way into the context store. */
struct stream {
    struct run *run;
    const char *name; /* "stdout" */
    int fd;           /* -1 = there is no file */
    uint64_t read;    /* up to where the file was read */
    uint64_t sent;    /* length of the stream with all that is under way */
    uint64_t stored;  /* as the context store has confirmed */
    uint64_t size;    /* of the file when it was last looked at */
    uint32_t under_way;
    bool rewind;  /* a piece was refused: go on from what is stored, once nothing is under way */
    bool sealing; /* the request is under way */
    bool over;    /* sealed, or given up */
    bool lost;    /* given up */
    uint64_t not_before_ms;
};

enum { STREAM_STDOUT, STREAM_STDERR, STREAMS };

struct run {
    struct supervisor *supervisor;
    struct crew *crew;
    struct profile *profile; /* the one that it was started with */
    uint32_t slot;           /* 0 = it has none (any more) */
    char *agent_id;          /* "build7/claude2" */
    enum life life;
    struct ending ending;
    char reason[256]; /* of the ending */
    char last_words[256];

    uint64_t task_id;
    uint64_t fence;
    uint32_t attempt;
    uint32_t interruptions;
    uint32_t backoff_ms;
    uint32_t backoff_max_ms;
    uint64_t timeout_ms;
    char id_text[20];
    char *namespace;
    struct buffer payload;

    struct run_directory directory;
    char *workspace;
    struct shim_link shim;
    sd_event_source *control_source;
    sd_event_source *shim_source;
    bool shim_ended;
    bool strays; /* the shim died before its processes: they are ours to end */
    struct stream streams[STREAMS];

    uint64_t claimed_us;
    uint64_t allowed_us;  /* when StartTask was answered */
    uint64_t deadline_ms; /* of the whole run; NEVER until it runs */
    uint64_t kill_at_ms;
    uint64_t ship_until_ms; /* when stopping: then the rest of the output is given up */
    uint32_t lease_ms;      /* of its start */
    uint64_t start_sent_ms; /* the first time */
    uint64_t fence_ms;      /* then it is ended without being told; NEVER until it has begun */
    uint64_t report_at_ms;  /* when the next thing is to be said to the broker */
    struct ganger_call *start_call;
    struct ganger_call *report_call;
    bool begun; /* the shim has its order */
    bool ended; /* the main process has ended */
    bool gone;  /* no process of it is left */
    bool stale;
    struct run *next;
    struct run *prev;
};

struct supervisor {
    struct daemon *daemon;
    struct settings settings;
    uint64_t incarnation;
    struct ganger *broker;
    struct ganger *context;
    sd_event_source *broker_source;
    sd_event_source *context_source;
    sd_event_source *timer;
    sd_event_source *turn;

    struct slots slots;
    struct crew *crews;
    size_t claim_turn;
    struct run *runs;
    uint8_t *piece; /* room for one */
    uint64_t look_at_output_ms;
    uint32_t pieces_under_way;
    uint32_t run_count;

    uint64_t recover_at_ms;
    uint64_t recover_from_ms;
    uint64_t stop_until_ms; /* when stopping: then it ends, whatever is left */

    char store_id[STORE_ID_MAX + 1]; /* of the broker's store, and the latest revision that was seen of it */
    uint64_t seen_revision;

    uint64_t register_at_ms;
    struct ganger_call *register_call;
    struct ganger_call *attend_call;
    uint64_t attend_at_ms;
    uint64_t heartbeat_at_ms;
    uint32_t heartbeat_ms;
    uint32_t heartbeats_open;
    uint64_t heartbeat_sent_ms; /* of those that are open, or were last */
    struct fence_terms fence_terms;

    int state_lock;
    bool recovered; /* nothing of an earlier supervisor lives any more */
    bool registered;
    bool draining; /* an operator wants it to claim no more */
    bool registration_is_due;
    bool was_connected;
    bool replaced;
};

/* supervisor.c */
enum status supervisor_setup(struct daemon *daemon, void **ret_state, struct error *error);
void supervisor_reload(struct daemon *daemon, void *state);
void supervisor_stop(struct daemon *daemon, void *state);
void supervisor_done(void *state);
/* Its name is somebody else's: it ends all runs without a word and then itself, with a failure. */
void supervisor_replaced(struct supervisor *supervisor);

/* crews.c: profiles in use */
void crews_load(struct supervisor *supervisor);
/* Looks for missing programs again; forgets retired crews without runs. Returns when to be called next. */
uint64_t crews_tick(struct supervisor *supervisor, uint64_t now_ms);
void crews_free(struct supervisor *supervisor);
/* The program could not be executed: the crew is not claimed for until it is there again. */
void crew_program_failed(struct crew *crew, int error, uint64_t now_ms);

/* claiming.c */
uint64_t claiming_tick(struct supervisor *supervisor, uint64_t now_ms);
/* No claim waits at the broker any more, and no answer is open. */
bool claiming_has_ended(const struct supervisor *supervisor);

/* presence.c: what the broker knows of this supervisor */
uint64_t presence_tick(struct supervisor *supervisor, uint64_t now_ms);
/* Each reply comes with the latest revision of the broker's store. */
void presence_note_revision(struct supervisor *supervisor, const struct ganger_reply *reply);

/* runs.c: the life of runs */
void run_new(struct crew *crew, const Ganger__V1__Assignment *assignment);
struct run *run_find(const struct supervisor *supervisor, uint64_t task_id, uint64_t fence);
void run_move(struct run *run, enum life_event event);
/* Ends its processes: SIGTERM, grace, SIGKILL; a stale one at once. The first intent counts. */
void run_stop(struct run *run, enum intent intent, const char *reason);
/* Its lease was renewed by a request that was sent then: the shim and we may wait so long for the next one. */
void run_set_fence(struct run *run, uint64_t sent_ms, uint32_t lease_ms);
/* It never runs. delay_ms: before it may be claimed again. */
void run_refuse(struct run *run, bool for_good, uint32_t delay_ms, const char *reason);
/* StartTask was answered with the number of the attempt. */
void run_may_begin(struct run *run, uint32_t attempt);
void run_keep_reason(struct run *run, const char *reason);
void run_give_slot(struct run *run);
/* What has come due. Returns when to be called next, as all ticks do. */
uint64_t runs_tick(struct supervisor *supervisor, uint64_t now_ms);
void runs_free(struct supervisor *supervisor);

/* listening.c: what a shim says of its run */
enum status run_listen(struct run *run, struct error *error) NODISCARD;
/* No process of it is left. */
void run_gone(struct run *run);

/* launch.c: from an assignment to a process */
enum status launch_prepare(struct run *run, struct error *error) NODISCARD;
enum status launch_begin(struct run *run, struct error *error) NODISCARD;

/* reports.c: what the broker is told of a run */
/* The broker asks for the end of a run that we know nothing of: there is nothing of it. */
void report_nothing(struct supervisor *supervisor, uint64_t task_id, uint64_t fence);
/* What is left of the output of an earlier supervisor's run does not come any more. */
void report_output_lost(struct supervisor *supervisor, uint64_t task_id, uint64_t fence);
/* Sends it when it is due. Returns when to be called next. */
uint64_t report_tick(struct run *run, uint64_t now_ms);

/* streams.c: output into the context store */
void streams_open(struct run *run);
void streams_close(struct run *run);
/* Sends what has come since; final: the files grow no more, so they are sealed. true when nothing is left to do. */
bool streams_ship(struct run *run, bool final, uint64_t now_ms);
/* An output is longer than the profile allows. */
bool streams_overflow(const struct run *run);
/* At most size bytes from the end of it; returns how many. */
size_t stream_tail(const struct stream *stream, uint8_t *ret_tail, size_t size);

/* recovery.c: what an earlier supervisor left */
uint64_t recovery_tick(struct supervisor *supervisor, uint64_t now_ms);
/* Ends processes that came to us because their shim died. true when none is left. */
bool strays_end(const struct supervisor *supervisor);
