/* One agent with one task at a time, which waits for every answer. */
#pragma once

#include "client/ganger.h"

#include <stdbool.h>
#include <stdint.h>

struct solo {
    struct ganger *ganger;
    char agent_id[32];
    uint64_t incarnation;
    uint64_t claim_seq;
};

struct solo_run {
    uint64_t task_id;
    uint64_t fence;
};

enum solo_kind {
    SOLO_TASK,   /* like those of the load generators */
    SOLO_PARENT, /* of a type that nobody claims */
};

/* Each says on stderr why it returns false. */
bool solo_open(struct solo *ret_solo, const char *endpoint);
/* Accepts one that was not opened. */
void solo_close(struct solo *solo);
bool solo_submit(struct solo *solo, enum solo_kind kind, uint64_t *ret_task_id);
/* With start. False, too, when nothing is to be had. */
bool solo_claim(struct solo *solo, struct solo_run *ret_run);
bool solo_beat(struct solo *solo, struct solo_run run);
bool solo_complete(struct solo *solo, struct solo_run run);
