#include "common/store/backup_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

/* Far below what one transaction may change. */
#define COMMIT_BYTES ((uint64_t)4 << 20)

struct backup_reader {
    const char *path;
    const struct store_schema *schema;
    struct store *store;
    struct store_txn *txn;
    uint64_t uncommitted_bytes;
    int fd;
    struct buffer block; /* the payload of the present one */
    uint64_t blocks;
    bool has_ended;
    struct backup_figures figures;
    const struct backup_watch *watch;
    struct error *error;
};

static enum status refuse_bad(const struct backup_reader *reader, const char *what)
{
    return error_set(reader->error, STATUS_DATA_LOSS, "BAD_BACKUP",
                     "backup %s: %s (at byte %" PRIu64 "); use another one", reader->path, what, reader->figures.bytes);
}

static enum status refuse_version(const struct backup_reader *reader)
{
    return error_set(reader->error, STATUS_FAILED_PRECONDITION, "BACKUP_VERSION",
                     "backup %s: made by another version of this program; restore it with that one", reader->path);
}

static enum status open_file(struct backup_reader *reader)
{
    reader->fd = open(reader->path, O_RDONLY | O_CLOEXEC);
    if (reader->fd >= 0)
        return STATUS_OK;
    if (errno == ENOENT)
        return error_set(reader->error, STATUS_NOT_FOUND, "NO_BACKUP", "backup %s: there is no such file",
                         reader->path);
    return error_set(reader->error, STATUS_FAILED_PRECONDITION, "BACKUP_FAILED", "backup %s: %s", reader->path,
                     strerror(errno));
}

static enum status read_all(const struct backup_reader *reader, uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t got = read(reader->fd, data, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(reader->error, STATUS_FAILED_PRECONDITION, "BACKUP_FAILED", "backup %s: %s", reader->path,
                             strerror(errno));
        if (got == 0)
            return refuse_bad(reader, "it is cut off");
        data += got;
        size -= (size_t)got;
    }
    return STATUS_OK;
}

static enum status read_block(struct backup_reader *reader)
{
    uint8_t head[BLOCK_HEAD_BYTES];

    TRY(read_all(reader, head, sizeof head));
    size_t size = load_u32(head);
    if (size == 0 || size > BLOCK_BYTES_MAX)
        return refuse_bad(reader, reader->blocks == 0 ? "it is no backup" : "a block is damaged");
    reader->block.size = 0;
    TRY(read_all(reader, buffer_reserve(&reader->block, size), size));
    reader->block.size = size;
    if (block_checksum(reader->blocks, buffer_view(&reader->block)) != load_u32(head + 4))
        return refuse_bad(reader, reader->blocks == 0 ? "it is no backup" : "a block is damaged");
    reader->blocks++;
    reader->figures.bytes += sizeof head + size;
    return STATUS_OK;
}

static enum status read_head(struct backup_reader *reader)
{
    TRY(read_block(reader));
    struct reader fields = reader_over(buffer_view(&reader->block));
    if (!bytes_equal(reader_take(&fields, strlen(BACKUP_MAGIC)), bytes_of_text(BACKUP_MAGIC)))
        return refuse_bad(reader, "it is no backup");
    if (reader_u16(&fields) != BACKUP_FORMAT || reader_u32(&fields) != reader->schema->version ||
        reader_u32(&fields) != reader->schema->count)
        return refuse_version(reader);
    for (uint32_t table = 0; table < reader->schema->count; table++)
        if (!bytes_equal(reader_sized(&fields), bytes_of_text(reader->schema->names[table])))
            return refuse_version(reader);
    return STATUS_OK;
}

static enum status commit(struct backup_reader *reader)
{
    reader->uncommitted_bytes = 0;
    enum status status = store_commit(&reader->txn);
    if (status == STATUS_RESOURCE_EXHAUSTED)
        return error_set(reader->error, status, "STORE_FULL", "the store is too small for backup %s", reader->path);
    if (status == STATUS_INTERNAL)
        return refuse_bad(reader, "its rows are not in order");
    if (status != STATUS_OK)
        return error_set(reader->error, status, "STORE_FAILED", "the store cannot be written: %s",
                         store_failure(reader->store));
    return STATUS_OK;
}

static enum status put_row(struct backup_reader *reader, uint8_t table, struct reader *fields)
{
    struct bytes key = reader_sized(fields);
    struct bytes value = reader_sized(fields);

    if (fields->failed || table >= reader->schema->count || key.size == 0 || key.size > STORE_KEY_MAX ||
        value.size > STORE_VALUE_MAX)
        return refuse_bad(reader, "a row is damaged");
    store_put_append(reader->txn, table, key, value);
    reader->figures.rows++;
    return STATUS_OK;
}

static enum status put_block(struct backup_reader *reader)
{
    struct reader fields = reader_over(buffer_view(&reader->block));

    while (fields.rest.size > 0) {
        uint8_t table = reader_u8(&fields);
        if (table == BACKUP_END) {
            reader->has_ended = true;
            return reader_u64(&fields) == reader->figures.rows ? STATUS_OK : refuse_bad(reader, "rows are missing");
        }
        TRY(put_row(reader, table, &fields));
    }
    return STATUS_OK;
}

static enum status read_rows(struct backup_reader *reader)
{
    while (!reader->has_ended) {
        if (reader->txn == NULL && store_begin(reader->store, STORE_WRITE, &reader->txn) != STATUS_OK)
            return error_set(reader->error, STATUS_UNAVAILABLE, "STORE_FAILED", "the store cannot be read: %s",
                             store_failure(reader->store));
        TRY(read_block(reader));
        TRY(put_block(reader));
        reader->uncommitted_bytes += reader->block.size;
        if (reader->uncommitted_bytes >= COMMIT_BYTES)
            TRY(commit(reader));
        if (!backup_goes_on(reader->watch, &reader->figures))
            return error_set(reader->error, STATUS_CANCELED, "STOPPED", "backup %s: stopped before its end",
                             reader->path);
    }
    return reader->txn != NULL ? commit(reader) : STATUS_OK;
}

static enum status read_file(struct backup_reader *reader)
{
    TRY(open_file(reader));
    TRY(read_head(reader));
    return read_rows(reader);
}

enum status backup_read(const char *path, const struct store_schema *schema, struct store *store,
                        const struct backup_watch *watch, struct backup_figures *ret_figures, struct error *error)
{
    struct backup_reader reader = {
        .path = path, .schema = schema, .store = store, .fd = -1, .watch = watch, .error = error};
    enum status status = read_file(&reader);

    store_abort(&reader.txn);
    fd_close(reader.fd);
    buffer_done(&reader.block);
    TRY(status);
    *ret_figures = reader.figures;
    return STATUS_OK;
}
