/* Proves the orphans: each is one of a task that there is. */
#include "broker/core/verify.h"
#include "common/base/id.h"

enum status check_orphans(struct scan *scan)
{
    struct bytes key;
    struct bytes value;
    char text[ID_TEXT_SIZE];
    enum status status = store_seek(scan->txn, TABLE_ORPHAN, (struct bytes){0}, &key, &value);

    while (status == STATUS_OK) {
        uint64_t task_id = load_u64(key.data);
        struct key task = key_of_id(task_id);
        struct key next = key_orphan(task_id, key_read_id(key) + 1);
        status = store_get(scan->txn, TABLE_STATE, key_bytes(&task), &value);
        if (status == STATUS_NOT_FOUND)
            problem(scan, "there is an orphan of task %s, which is not there", id_format(task_id, text));
        else if (status != STATUS_OK)
            return status;
        status = store_seek(scan->txn, TABLE_ORPHAN, key_bytes(&next), &key, &value);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}
