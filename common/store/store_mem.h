/* The store in memory: for simulations and unit tests. Deterministic; keeps nothing. */
#pragma once

#include "common/store/store.h"

/* limit_bytes bounds the sum of keys and values, 0 = none; over it a commit is STATUS_RESOURCE_EXHAUSTED. */
struct store *store_mem_new(const struct store_schema *schema, uint64_t limit_bytes) NODISCARD;
/* From the next transaction on. */
void store_mem_set_limit(struct store *store, uint64_t limit_bytes);
