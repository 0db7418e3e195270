#include "common/base/check.h"
#include "common/store/backup_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* A sync now and then, so that no mountain of unwritten pages is in the way of the store's own syncs at the end. */
#define SYNC_BYTES ((uint64_t)4 << 20)

struct writer {
    struct store_txn *snapshot;
    const struct store_schema *schema;
    const char *path;
    char *partial;
    int directory_fd;
    int fd;
    struct buffer block; /* its head and what is in it so far */
    uint64_t blocks;
    uint64_t unsynced_bytes;
    struct backup_figures figures;
    const struct backup_watch *watch;
    struct error *error;
};

static enum status fail(const struct writer *writer, const char *what, int code)
{
    if (code == ENOSPC || code == EDQUOT)
        return error_set(writer->error, STATUS_RESOURCE_EXHAUSTED, "DISK_FULL", "backup %s: %s: %s", writer->path, what,
                         strerror(code));
    return error_set(writer->error, STATUS_FAILED_PRECONDITION, "BACKUP_FAILED", "backup %s: %s: %s", writer->path,
                     what, strerror(code));
}

static enum status refuse_existing(const struct writer *writer)
{
    return error_set(writer->error, STATUS_ALREADY_EXISTS, "BACKUP_EXISTS",
                     "backup %s: there is a file of this name already; choose another one", writer->path);
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static enum status open_directory(struct writer *writer)
{
    CLEANUP(free)
    char *directory = duplicate_text(writer->path);
    size_t size = (size_t)(name_of(writer->path) - writer->path);

    directory[size] = '\0';
    writer->directory_fd = open(size > 0 ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return writer->directory_fd >= 0 ? STATUS_OK : fail(writer, "open its folder", errno);
}

static enum status open_file(struct writer *writer)
{
    const char *name = name_of(writer->path);

    TRY(open_directory(writer));
    if (faccessat(writer->directory_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return refuse_existing(writer);
    writer->partial = format_text("%s.partial", name);
    /* A new file and not the old one emptied: that could be anybody's, by another name. */
    if (unlinkat(writer->directory_fd, writer->partial, 0) != 0 && errno != ENOENT)
        return fail(writer, "remove what was left of an earlier one", errno);
    writer->fd = openat(writer->directory_fd, writer->partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return writer->fd >= 0 ? STATUS_OK : fail(writer, "create", errno);
}

static enum status write_all(const struct writer *writer, struct bytes bytes)
{
    while (bytes.size > 0) {
        ssize_t size = write(writer->fd, bytes.data, bytes.size);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return fail(writer, "write", errno);
        bytes = bytes_slice(bytes, (size_t)size, bytes.size);
    }
    return STATUS_OK;
}

static void begin_block(struct writer *writer)
{
    writer->block.size = 0;
    (void)buffer_reserve(&writer->block, BLOCK_HEAD_BYTES);
    writer->block.size = BLOCK_HEAD_BYTES;
}

static enum status end_block(struct writer *writer)
{
    struct bytes block = buffer_view(&writer->block);
    struct bytes payload = bytes_slice(block, BLOCK_HEAD_BYTES, block.size);

    store_u32(writer->block.data, (uint32_t)payload.size);
    store_u32(writer->block.data + 4, block_checksum(writer->blocks++, payload));
    TRY(write_all(writer, block));
    writer->figures.bytes += block.size;
    writer->unsynced_bytes += block.size;
    begin_block(writer);
    if (!backup_goes_on(writer->watch, &writer->figures))
        return error_set(writer->error, STATUS_CANCELED, "STOPPED", "backup %s: stopped before its end", writer->path);
    if (writer->unsynced_bytes < SYNC_BYTES)
        return STATUS_OK;
    writer->unsynced_bytes = 0;
    return fdatasync(writer->fd) == 0 ? STATUS_OK : fail(writer, "sync", errno);
}

static enum status write_head(struct writer *writer)
{
    begin_block(writer);
    buffer_add(&writer->block, BACKUP_MAGIC, strlen(BACKUP_MAGIC));
    buffer_add_u16(&writer->block, BACKUP_FORMAT);
    buffer_add_u32(&writer->block, writer->schema->version);
    buffer_add_u32(&writer->block, writer->schema->count);
    for (uint32_t table = 0; table < writer->schema->count; table++)
        buffer_add_sized(&writer->block, bytes_of_text(writer->schema->names[table]));
    return end_block(writer);
}

static enum status write_table(struct writer *writer, uint32_t table)
{
    struct bytes key;
    struct bytes value;
    enum status status = store_seek(writer->snapshot, table, (struct bytes){0}, &key, &value);

    for (; status == STATUS_OK; status = store_next(writer->snapshot, table, &key, &value)) {
        buffer_add_u8(&writer->block, (uint8_t)table);
        buffer_add_sized(&writer->block, key);
        buffer_add_sized(&writer->block, value);
        writer->figures.rows++;
        if (writer->block.size >= BLOCK_BYTES)
            TRY(end_block(writer));
    }
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    return error_set(writer->error, STATUS_INTERNAL, "STORE_FAILED", "backup %s: the store cannot be read",
                     writer->path);
}

static enum status write_rows(struct writer *writer)
{
    for (uint32_t table = 0; table < writer->schema->count; table++)
        TRY(write_table(writer, table));
    if (writer->block.size > BLOCK_HEAD_BYTES)
        TRY(end_block(writer));
    buffer_add_u8(&writer->block, BACKUP_END);
    buffer_add_u64(&writer->block, writer->figures.rows);
    return end_block(writer);
}

/* By a link, which never takes the place of another file as a rename would. */
static enum status publish(const struct writer *writer)
{
    const char *name = name_of(writer->path);

    if (fsync(writer->fd) != 0)
        return fail(writer, "sync", errno);
    if (linkat(writer->directory_fd, writer->partial, writer->directory_fd, name, 0) != 0)
        return errno == EEXIST ? refuse_existing(writer) : fail(writer, "name", errno);
    return fsync(writer->directory_fd) == 0 ? STATUS_OK : fail(writer, "sync of its folder", errno);
}

static enum status write_file(struct writer *writer)
{
    TRY(open_file(writer));
    TRY(write_head(writer));
    TRY(write_rows(writer));
    return publish(writer);
}

enum status backup_write(struct store_txn *snapshot, const struct store_schema *schema, const char *path,
                         const struct backup_watch *watch, struct backup_figures *ret_figures, struct error *error)
{
    struct writer writer = {.snapshot = snapshot,
                            .schema = schema,
                            .path = path,
                            .directory_fd = -1,
                            .fd = -1,
                            .watch = watch,
                            .error = error};
    enum status status = write_file(&writer);

    if (writer.fd >= 0)
        (void)unlinkat(writer.directory_fd, writer.partial, 0);
    fd_close(writer.fd);
    fd_close(writer.directory_fd);
    buffer_done(&writer.block);
    free(writer.partial);
    TRY(status);
    *ret_figures = writer.figures;
    return STATUS_OK;
}
