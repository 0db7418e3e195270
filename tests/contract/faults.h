/* System calls that fail when a test wants them to: these definitions come before the C library's, also for LMDB. */
#pragma once

#include <stdint.h>

enum fault_call { FAULT_SYNC_DATA, FAULT_SYNC_FILE, FAULT_WRITE, FAULT_RESERVE, FAULT_CALL_COUNT };

/* From now on the call fails with that errno, after as many that work; 0 = it works again. */
void fault_set(enum fault_call call, int error_number, uint32_t after);
/* Writes are cut to half instead of failing. */
void fault_cut_writes(uint32_t after);
/* Calls so far, whether they failed or not. */
uint64_t fault_count(enum fault_call call);
/* What fstatvfs says is left of the disk; UINT64_MAX = the truth. */
void fault_disk_left(uint64_t bytes);
