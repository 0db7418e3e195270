/* A site: broker, context store and supervisor as real processes below one directory, and a client's view of them.
 *
 * Each test has one. Every call opens a connection of its own, so that no ZeroMQ context lives when a daemon is
 * started. Failing calls fail the test. */
#pragma once

#include "client/ganger.h"

#include <stdbool.h>
#include <sys/types.h>

#define SITE_LIMIT_MS 30000 /* for anything that should happen */

struct site {
    char *directory; /* also the mark in the environment of every agent */
    char *broker_endpoint;
    char *context_endpoint;
    pid_t broker;
    pid_t context;
    pid_t worker;
    const char *broker_settings[8]; /* "broker.KEY=VALUE", beside the usual ones; ends in NULL */
};
extern struct site site;

/* Starts broker and context store. */
void site_set_up(void);
/* Ends all, expects that nothing is left behind, and removes the directory. */
void site_tear_down(void);
void site_start_broker(void);
void site_start_context(void);
/* profiles: the sections [agent ...]; "@" stands for the directory and "$" for the agent of the tests. */
void site_write_profiles(unsigned slots, const char *profiles);
void site_start_worker(void);
/* One more with the same name and another state directory. */
pid_t site_start_twin(void);
/* One more with another name, too. */
pid_t site_start_other(void);
/* "DIRECTORY/name"; the caller frees it. */
char *site_file(const char *name);

/* A task of this type. more may be NULL; its agent_type and payload are set here. */
uint64_t site_submit(const char *agent_type, const void *payload, size_t size, Ganger__V1__TaskSpec *more);
uint64_t site_submit_text(const char *agent_type, const char *text);
/* To be given to ganger_free. */
Ganger__V1__GetTaskResponse *site_get(uint64_t task_id);
/* Waits for that state, bounded, and returns the task in it (ganger_free). */
Ganger__V1__GetTaskResponse *site_wait(uint64_t task_id, Ganger__V1__TaskState state);
/* Waits until it is finishing: its outcome is there, its output is not. */
Ganger__V1__GetTaskResponse *site_wait_finishing(uint64_t task_id);
void site_cancel(uint64_t task_id);
/* The whole output of a run, with NUL behind it; NULL when it is not sealed. The caller frees it. */
char *site_output(uint64_t task_id, uint64_t fence, const char *name, size_t *ret_size);
/* How long the output of a run is by now, sealed or not. */
uint64_t site_output_length(uint64_t task_id, uint64_t fence, const char *name);
/* What the broker knows of a profile of the worker. */
bool site_profile(const char *agent_type, bool *ret_available, char *ret_problem, size_t size);
/* Living shims of the worker's state directory. */
size_t site_shims(void);
size_t site_run_directories(void);
