#include "broker/core/trail.h"

#include "broker/core/core.h"
#include "broker/core/record.h"

#include <string.h>

#define ROW_VERSION 1
#define ROW_HEAD_SIZE 3     /* version, count */
#define ROW_MAX 2000        /* bytes: two fill a page of LMDB, and none needs pages of its own */
#define EVENT_FIXED_SIZE 45 /* before its texts */
#define CHECKSUM_SIZE 4
#define TRIM_EVERY_MS 60000 /* what is too old waits for more of its kind */
#define TRIM_MAX 16384      /* as many as a batch may have brought */

void trail_open(struct broker *broker)
{
    broker->trail.row.size = 0;
    broker->trail.count = 0;
    broker->trail.trim_due_ms = 0;
    broker->trail.trim_revision = broker->counters.revision;
}

void trail_done(struct trail *trail)
{
    buffer_done(&trail->row);
    *trail = (struct trail){0};
}

static uint8_t *put_text(uint8_t *at, struct bytes text)
{
    if (text.size > 0)
        memcpy(at, text.data, text.size);
    return at + text.size;
}

/* In place and not through buffer_add: there is one for each change of a task. */
static void put_event(struct buffer *row, const struct event *event, size_t size)
{
    uint8_t *at = buffer_reserve(row, size + CHECKSUM_SIZE);

    at[0] = (uint8_t)event->kind;
    at[1] = (uint8_t)((unsigned int)event->from << 4 | (unsigned int)event->to);
    at[2] = (uint8_t)event->who.size;
    at[3] = (uint8_t)event->subject.size;
    at[4] = (uint8_t)event->why.size;
    store_u64(at + 5, event->task_id);
    store_u64(at + 13, event->previous);
    store_u64(at + 21, event->fence);
    store_u64(at + 29, event->wall_ms);
    store_u64(at + 37, event->store_ms);
    at = put_text(at + EVENT_FIXED_SIZE, event->who);
    at = put_text(at, event->subject);
    (void)put_text(at, event->why);
    row->size += size;
}

void trail_add(struct broker *broker, struct store_txn *txn, const struct event *event)
{
    struct trail *trail = &broker->trail;
    size_t size = EVENT_FIXED_SIZE + event->who.size + event->subject.size + event->why.size;

    if (trail->count > 0 &&
        (event->revision != trail->first + trail->count || trail->row.size + size + CHECKSUM_SIZE > ROW_MAX))
        trail_settle(broker, txn);
    if (trail->count == 0) {
        trail->first = event->revision;
        record_begin(&trail->row, ROW_VERSION);
        buffer_add_u16(&trail->row, 0);
    }
    put_event(&trail->row, event, size);
    trail->count++;
    broker->counters.events++;
}

void trail_settle(struct broker *broker, struct store_txn *txn)
{
    struct trail *trail = &broker->trail;
    struct key key = key_of_id(trail->first);

    if (trail->count == 0)
        return;
    store_u16(trail->row.data + 1, trail->count);
    store_put_append(txn, TABLE_EVENT, key_bytes(&key), record_seal(&trail->row, trail->first));
    trail->row.size = 0;
    trail->count = 0;
}

bool trail_row_open(struct bytes value, uint64_t first, struct trail_row *ret_row)
{
    struct reader reader;

    if (!record_open(value, ROW_VERSION, first, &reader))
        return false;
    uint16_t count = reader_u16(&reader);
    *ret_row = (struct trail_row){.next = first, .left = count, .reader = reader};
    return count > 0;
}

bool trail_row_next(struct trail_row *row, struct event *ret_event)
{
    struct reader *reader = &row->reader;

    if (row->left == 0)
        return false;
    struct event event = {.revision = row->next, .kind = (enum event_kind)reader_u8(reader)};
    unsigned int states = reader_u8(reader);
    event.from = (enum task_state)(states >> 4);
    event.to = (enum task_state)(states & 15U);
    event.who.size = reader_u8(reader);
    event.subject.size = reader_u8(reader);
    event.why.size = reader_u8(reader);
    event.task_id = reader_u64(reader);
    event.previous = reader_u64(reader);
    event.fence = reader_u64(reader);
    event.wall_ms = reader_u64(reader);
    event.store_ms = reader_u64(reader);
    event.who = reader_take(reader, event.who.size);
    event.subject = reader_take(reader, event.subject.size);
    event.why = reader_take(reader, event.why.size);
    if (reader->failed || event_name(event.kind) == NULL || (size_t)event.from >= TASK_STATES ||
        (size_t)event.to >= TASK_STATES)
        return false;
    row->next++;
    row->left--;
    *ret_event = event;
    return true;
}

enum status trail_seek(struct store_txn *txn, uint64_t revision, struct bytes *ret_key, struct bytes *ret_value)
{
    struct key key = key_of_id(revision);
    struct trail_row row;
    enum status status = store_seek_back(txn, TABLE_EVENT, key_bytes(&key), ret_key, ret_value);

    if (status == STATUS_NOT_FOUND)
        return store_seek(txn, TABLE_EVENT, key_bytes(&key), ret_key, ret_value);
    TRY(status);
    uint64_t first = key_read_id(*ret_key);
    if (!trail_row_open(*ret_value, first, &row) || revision - first < row.left)
        return STATUS_OK;
    return store_next(txn, TABLE_EVENT, ret_key, ret_value);
}

enum status trail_find_from(struct store_txn *txn, uint64_t revision, struct event *ret_event)
{
    struct bytes key;
    struct bytes value;
    struct trail_row row;
    enum status status = trail_seek(txn, revision, &key, &value);

    for (; status == STATUS_OK; status = store_next(txn, TABLE_EVENT, &key, &value)) {
        if (!trail_row_open(value, key_read_id(key), &row))
            continue;
        while (trail_row_next(&row, ret_event))
            if (ret_event->revision >= revision)
                return STATUS_OK;
    }
    return status;
}

enum status trail_find(struct store_txn *txn, uint64_t revision, struct event *ret_event)
{
    TRY(trail_find_from(txn, revision, ret_event));
    return ret_event->revision == revision ? STATUS_OK : STATUS_NOT_FOUND;
}

static bool is_over(const struct broker *broker)
{
    return broker->counters.events > broker->settings.events_max;
}

/* How many events it has, and when they become too old: what cannot be read is so at once, and counts as one. */
static void look_at_row(const struct broker *broker, struct bytes value, uint64_t first, uint16_t *ret_count,
                        uint64_t *ret_old_ms)
{
    struct trail_row row;
    struct event event;

    *ret_count = 1;
    *ret_old_ms = 0;
    if (!trail_row_open(value, first, &row))
        return;
    *ret_count = row.left;
    if (!is_over(broker) && trail_row_next(&row, &event))
        *ret_old_ms = event.store_ms + broker->settings.events_age_ms;
}

/* Trims the first row, if there is one to trim. If not, the time of the next look is set. */
static enum status trim_row(struct step *step, uint16_t *ret_trimmed)
{
    struct broker *broker = step->broker;
    struct bytes key;
    struct bytes value;
    uint64_t old_ms = 0;
    enum status status = store_seek(step->txn, TABLE_EVENT, (struct bytes){0}, &key, &value);

    *ret_trimmed = 0;
    if (status == STATUS_NOT_FOUND) {
        broker->trail.trim_due_ms = step->now.store_ms + broker->settings.events_age_ms;
        return STATUS_OK;
    }
    TRY(status);
    struct key first = key_of_id(key_read_id(key));
    look_at_row(broker, value, key_read_id(key), ret_trimmed, &old_ms);
    if (old_ms > step->now.store_ms) {
        uint64_t soonest_ms = step->now.store_ms + TRIM_EVERY_MS;
        broker->trail.trim_due_ms = old_ms > soonest_ms ? old_ms : soonest_ms;
        *ret_trimmed = 0;
        return STATUS_OK;
    }
    store_delete(step->txn, TABLE_EVENT, key_bytes(&first));
    broker->counters.events -= *ret_trimmed;
    broker->counters.trimmed = key_read_id(key_bytes(&first)) + *ret_trimmed - 1;
    broker->is_dirty = true;
    return STATUS_OK;
}

enum status trail_trim(struct step *step)
{
    struct broker *broker = step->broker;
    struct trail *trail = &broker->trail;
    uint64_t come = broker->counters.revision - trail->trim_revision;
    uint64_t max = broker->settings.tick_max + 2 * (come < TRIM_MAX ? come : TRIM_MAX);
    uint64_t done = 0;
    uint16_t trimmed = 1;

    trail->trim_revision = broker->counters.revision;
    if (!is_over(broker) && step->now.store_ms < trail->trim_due_ms)
        return STATUS_OK;
    for (; done < max && trimmed > 0; done += trimmed)
        TRY(trim_row(step, &trimmed));
    return STATUS_OK;
}

uint64_t trail_next_ms(const struct broker *broker, uint64_t store_ms)
{
    if (broker->counters.events == 0)
        return UINT64_MAX;
    if (is_over(broker) || broker->trail.trim_due_ms <= store_ms)
        return 0;
    return broker->trail.trim_due_ms - store_ms;
}
