#include "broker/core/turn.h"

#include "broker/core/keys.h"
#include "broker/core/lane.h"
#include "broker/core/record.h"
#include "common/base/check.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define TURN_VERSION 1
#define LOOKS_PER_BATCH 16

static void mark_dirty(struct turns *turns, struct turn_key *key)
{
    if (key->dirty)
        return;
    key->dirty = true;
    LL_PREPEND2(turns->dirty, key, next_dirty);
}

static struct turn_line *line_obtain(struct turns *turns, struct queue *queue, uint8_t priority)
{
    CHECK(priority < TURN_LINES);
    struct turn_line *line = queue->lines[priority];

    if (line != NULL)
        return line;
    line = allocate_zero(1, sizeof *line);
    line->queue = queue;
    line->priority = priority;
    line->shared.line = line;
    line->shared.text = duplicate_text("");
    line->shared.number = ++turns->last_number;
    queue->lines[priority] = line;
    return line;
}

static struct turn_key *key_find(struct turn_line *line, const char *text)
{
    return text[0] == '\0' ? &line->shared : index_find(&line->keys, text, strlen(text));
}

static struct turn_key *key_add(struct turns *turns, struct turn_line *line, const char *text)
{
    struct turn_key *key = allocate_zero(1, sizeof *key);

    key->line = line;
    key->text = duplicate_text(text);
    key->number = ++turns->last_number;
    index_add(&line->keys, &key->node, key->text, strlen(key->text), key);
    DL_APPEND(turns->keys, key);
    turns->key_count++;
    return key;
}

static void key_erase(struct turn_key *key, struct store_txn *txn)
{
    struct key row = key_of_id(key->number);

    if (key->is_stored && txn != NULL)
        store_delete(txn, TABLE_TURN, key_bytes(&row));
}

static void key_remove(struct turns *turns, struct turn_key *key, struct store_txn *txn)
{
    key_erase(key, txn);
    if (key->dirty)
        LL_DELETE2(turns->dirty, key, next_dirty);
    index_remove(&key->line->keys, &key->node);
    DL_DELETE(turns->keys, key);
    turns->key_count--;
    free(key->text);
    free(key);
}

static void line_remove(struct turns *turns, struct turn_line *line, struct store_txn *txn)
{
    struct turn_key *key;

    while ((key = index_first(&line->keys)) != NULL)
        key_remove(turns, key, txn);
    key_erase(&line->shared, txn);
    if (line->shared.dirty)
        LL_DELETE2(turns->dirty, &line->shared, next_dirty);
    free(line->shared.text);
    free(line);
}

void turns_drop_queue(struct turns *turns, struct queue *queue, struct store_txn *txn)
{
    for (size_t priority = 0; priority < TURN_LINES; priority++) {
        if (queue->lines[priority] != NULL)
            line_remove(turns, queue->lines[priority], txn);
        queue->lines[priority] = NULL;
    }
}

uint64_t turn_give(struct turns *turns, struct queue *queue, uint8_t priority, const char *fairness_key)
{
    struct turn_line *line = line_obtain(turns, queue, priority);
    struct turn_key *key = key_find(line, fairness_key);

    if (key == NULL)
        key = turns->key_count < TURN_KEYS_MAX ? key_add(turns, line, fairness_key) : &line->shared;
    key->last = (key->last > line->claimed ? key->last : line->claimed) + 1;
    mark_dirty(turns, key);
    return key->last;
}

void turn_claimed(struct turns *turns, struct queue *queue, uint8_t priority, uint64_t turn)
{
    struct turn_line *line = line_obtain(turns, queue, priority);

    if (turn <= line->claimed)
        return;
    line->claimed = turn;
    mark_dirty(turns, &line->shared);
}

uint64_t turn_last(const struct queue *queue, uint8_t priority, const char *fairness_key)
{
    struct turn_line *line = priority < TURN_LINES ? queue->lines[priority] : NULL;

    if (line == NULL)
        return 0;
    const struct turn_key *key = key_find(line, fairness_key);
    uint64_t last = key != NULL ? key->last : line->shared.last;
    return last > line->claimed ? last : line->claimed;
}

static enum status turn_load(struct lanes *lanes, struct bytes row, struct bytes value)
{
    struct reader reader;

    if (row.size != 8 || !record_open(value, TURN_VERSION, load_u64(row.data), &reader))
        return STATUS_DATA_LOSS;
    const char *namespace = record_text(&reader);
    const char *name = record_text(&reader);
    const char *text = record_text(&reader);
    uint8_t priority = reader_u8(&reader);
    uint64_t last = reader_u64(&reader);
    uint64_t claimed = reader_u64(&reader);
    if (reader.failed || priority >= TURN_LINES)
        return STATUS_DATA_LOSS;
    struct queue *queue = lanes_queue(lanes, namespace, name);
    if (queue == NULL)
        return STATUS_DATA_LOSS;
    struct turns *turns = &lanes->turns;
    struct turn_line *line = line_obtain(turns, queue, priority);
    struct turn_key *key = text[0] == '\0' ? &line->shared : key_add(turns, line, text);
    if (text[0] == '\0')
        line->claimed = claimed;
    key->last = last;
    key->is_stored = true;
    key->number = load_u64(row.data);
    if (turns->last_number < key->number)
        turns->last_number = key->number;
    return STATUS_OK;
}

enum status turns_load(struct lanes *lanes, struct store_txn *txn)
{
    struct bytes row;
    struct bytes value;
    enum status status = store_seek(txn, TABLE_TURN, (struct bytes){0}, &row, &value);

    for (; status == STATUS_OK; status = store_next(txn, TABLE_TURN, &row, &value))
        TRY(turn_load(lanes, row, value));
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static void key_save(struct store_txn *txn, struct turn_key *key, struct buffer *buffer)
{
    const struct turn_line *line = key->line;
    struct key row = key_of_id(key->number);

    record_begin(buffer, TURN_VERSION);
    record_add_text(buffer, line->queue->namespace);
    record_add_text(buffer, line->queue->name);
    record_add_text(buffer, key->text);
    buffer_add_u8(buffer, line->priority);
    buffer_add_u64(buffer, key->last);
    buffer_add_u64(buffer, key == &line->shared ? line->claimed : 0);
    store_put(txn, TABLE_TURN, key_bytes(&row), record_seal(buffer, key->number));
    key->is_stored = true;
}

/* A key whose last turn is not ahead of what was claimed would go on from there in any case. */
// NOLINTNEXTLINE(readability-function-size)
static void forget_idle(struct turns *turns, struct store_txn *txn)
{
    for (size_t i = 0; i < LOOKS_PER_BATCH && i < turns->key_count; i++) {
        struct turn_key *key = turns->keys;
        DL_DELETE(turns->keys, key);
        // NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
        DL_APPEND(turns->keys, key);
        if (key->last <= key->line->claimed)
            key_remove(turns, key, txn);
    }
}

void turns_settle(struct turns *turns, struct store_txn *txn)
{
    CLEANUP(buffer_done)
    struct buffer buffer = {0};
    struct turn_key *key;

    if (turns->dirty == NULL)
        return;
    forget_idle(turns, txn);
    while ((key = turns->dirty) != NULL) {
        turns->dirty = key->next_dirty;
        key->next_dirty = NULL;
        key->dirty = false;
        key_save(txn, key, &buffer);
    }
}
