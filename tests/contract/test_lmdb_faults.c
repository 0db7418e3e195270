/* The disk and the kernel misbehave below the store. */
#include "tests/contract/faults.h"
#include "tests/contract/stores.h"

#include <errno.h>

static struct store *store_with_pair(void)
{
    struct store *store = store_of(KIND_LMDB, 0);
    struct store_txn *txn = must_begin(store, STORE_WRITE);

    put_text(txn, TABLE_ONE, "a", "1");
    must_commit(&txn);
    return store;
}

/* Commits a value of a few pages. */
static enum status commit_more(struct store *store)
{
    static const uint8_t body[20000];
    struct store_txn *txn = must_begin(store, STORE_WRITE);

    store_put(txn, TABLE_TWO, bytes_of_text("more"), (struct bytes){.data = body, .size = sizeof body});
    put_text(txn, TABLE_ONE, "a", "2");
    return store_commit(&txn);
}

Test(faults, a_failed_sync_leaves_the_outcome_unknown)
{
    struct store *store = store_with_pair();

    fault_set(FAULT_SYNC_DATA, EIO, 0);
    cr_assert_eq(commit_more(store), STATUS_UNAVAILABLE);
    cr_assert_str_neq(store_failure(store), "");
    fault_set(FAULT_SYNC_DATA, 0, 0);
    store_close(store);
}

Test(faults, a_failed_write_leaves_the_outcome_unknown)
{
    struct store *store = store_with_pair();

    fault_set(FAULT_WRITE, EIO, 0);
    cr_assert_eq(commit_more(store), STATUS_UNAVAILABLE);
    fault_set(FAULT_WRITE, 0, 0);
    store_close(store);
}

Test(faults, a_short_write_leaves_the_outcome_unknown)
{
    struct store *store = store_with_pair();

    fault_cut_writes(0);
    cr_assert_eq(commit_more(store), STATUS_UNAVAILABLE);
    fault_set(FAULT_WRITE, 0, 0);
    store_close(store);
}

Test(faults, a_full_disk_refuses_the_transaction_and_goes_on)
{
    struct store *store = store_with_pair();

    fault_set(FAULT_WRITE, ENOSPC, 0);
    cr_assert_eq(commit_more(store), STATUS_RESOURCE_EXHAUSTED);
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "a"), "1", "reads go on and nothing was written");
    cr_assert_eq(commit_more(store), STATUS_RESOURCE_EXHAUSTED);
    fault_set(FAULT_WRITE, 0, 0);
    cr_assert_eq(commit_more(store), STATUS_OK);
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "a"), "2");
    store_close(store);
}

/* The header is the last write of a commit. */
Test(faults, a_header_that_was_not_written_leaves_the_outcome_unknown)
{
    struct store *store = store_with_pair();

    /* From the second time on it writes as often each time: the same pages change. */
    cr_assert_eq(commit_more(store), STATUS_OK);
    uint64_t before = fault_count(FAULT_WRITE);
    cr_assert_eq(commit_more(store), STATUS_OK);
    uint32_t writes = (uint32_t)(fault_count(FAULT_WRITE) - before);
    fault_set(FAULT_WRITE, ENOSPC, writes - 1);
    cr_assert_eq(commit_more(store), STATUS_UNAVAILABLE);
    struct store_txn *txn = NULL;
    cr_assert_eq(store_begin(store, STORE_WRITE, &txn), STATUS_UNAVAILABLE);
    fault_set(FAULT_WRITE, 0, 0);
    store_close(store);
}

Test(faults, a_store_that_cannot_be_synced_is_not_opened)
{
    store_close(store_with_pair());
    fault_set(FAULT_SYNC_DATA, EIO, 0);
    struct error error = disk_refused(test_directory(), &test_schema);
    cr_assert_eq(error.status, STATUS_UNAVAILABLE);
    cr_assert_str_eq(error.reason, "STORE_FAILED");
}

Test(faults, a_directory_that_cannot_be_synced_is_not_used)
{
    fault_set(FAULT_SYNC_FILE, EIO, 0);
    struct error error = disk_refused(test_directory(), &test_schema);
    cr_assert_str_eq(error.reason, "STORE_FAILED");
}

Test(faults, blocks_are_set_aside_before_they_are_needed)
{
    struct store *store = store_with_pair();
    uint64_t before = fault_count(FAULT_RESERVE);

    cr_assert_geq(before, 1);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(commit_more(store), STATUS_OK);
    cr_assert_eq(fault_count(FAULT_RESERVE), before, "and not at every commit");
    store_close(store);
}

Test(faults, a_file_system_that_cannot_set_blocks_aside_is_not_asked_again)
{
    fault_set(FAULT_RESERVE, EOPNOTSUPP, 0);
    struct store *store = store_with_pair();
    cr_assert_eq(commit_more(store), STATUS_OK);
    cr_assert_eq(fault_count(FAULT_RESERVE), 1);
    store_close(store);
}

Test(faults, a_full_disk_is_asked_for_blocks_again)
{
    fault_set(FAULT_RESERVE, ENOSPC, 0);
    struct store *store = store_with_pair();
    uint64_t before = fault_count(FAULT_RESERVE);
    cr_assert_eq(commit_more(store), STATUS_OK);
    cr_assert_gt(fault_count(FAULT_RESERVE), before);
    store_close(store);
}

Test(faults, what_is_left_of_the_disk_is_the_limit)
{
    struct store *store = store_with_pair();

    cr_assert_not(store_usage(store).nearly_full);
    fault_set(FAULT_RESERVE, ENOSPC, 0);
    fault_disk_left(0);
    struct store_usage usage = store_usage(store);
    cr_assert_leq(usage.limit_bytes, (uint64_t)80 << 20, "no more than the file has already");
    fault_disk_left(UINT64_MAX);
    store_close(store);
}
