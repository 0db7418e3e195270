#include "contextd/core/validate.h"

#include "common/base/id.h"

#include <ctype.h>
#include <string.h>

#define BAD_FIELD(error, ...) error_set(error, STATUS_INVALID_ARGUMENT, "BAD_FIELD", __VA_ARGS__)

/* Letters and digits of ASCII, and those of the extra ones. */
static bool has_only(struct bytes text, const char *extra)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte >= 0x80 || (!isalnum(byte) && (byte == 0 || strchr(extra, byte) == NULL)))
            return false;
    }
    return true;
}

static bool is_printable(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < ' ' || text.data[i] == 0x7F)
            return false;
    return text_is_valid(text);
}

static enum status size_validate(const char *field, size_t size, size_t maximum, struct error *error)
{
    if (size > maximum)
        return BAD_FIELD(error, "%s: %zu bytes are too many, %zu are allowed", field, size, maximum);
    return STATUS_OK;
}

enum status context_namespace_validate(struct bytes *namespace, struct error *error)
{
    if (namespace->size == 0)
        *namespace = bytes_of_text("default");
    TRY(size_validate("namespace", namespace->size, NAMESPACE_MAX, error));
    if (!has_only(*namespace, "._-"))
        return BAD_FIELD(error, "namespace: only a-z A-Z 0-9 . _ - are allowed");
    return STATUS_OK;
}

static const char *const kind_prefixes[] = {
    [ENTRY_GLOBAL] = "global/",
    [ENTRY_TASK] = "tasks/",
    [ENTRY_DOCUMENT] = "docs/",
    [ENTRY_AGENT] = "agents/",
};

enum entry_kind entry_key_kind(struct bytes key)
{
    int kind = ENTRY_GLOBAL;

    while (kind < ENTRY_KINDS && !bytes_have_prefix(key, bytes_of_text(kind_prefixes[kind])))
        kind++;
    return (enum entry_kind)kind;
}

/* Cuts what is before the first slash off the front of path; empty when there is no slash. */
static struct bytes cut_first_part(struct bytes *path)
{
    const uint8_t *slash = path->size > 0 ? memchr(path->data, '/', path->size) : NULL;
    size_t size = slash != NULL ? (size_t)(slash - path->data) : 0;
    struct bytes first = bytes_slice(*path, 0, size);

    if (slash != NULL)
        *path = bytes_slice(*path, size + 1, path->size);
    return first;
}

/* The text of an id has many spellings for people; a key has one, or two would name the same task apart. */
static enum status task_part_validate(const char *field, struct bytes task, struct error *error)
{
    char given[ID_TEXT_SIZE];
    char proper[ID_TEXT_SIZE];
    uint64_t first = 0;
    uint64_t last = 1;

    if (task.size > 0 && task.size < sizeof given) {
        memcpy(given, task.data, task.size);
        given[task.size] = '\0';
        if (id_parse(given, &first, &last, NULL) != STATUS_OK)
            last = first + 1;
    }
    if (first != last)
        return BAD_FIELD(error, "%s: \"tasks/\" is followed by a whole task id, like tasks/0000-01K3", field);
    if (strcmp(id_format(first, proper), given) != 0)
        return BAD_FIELD(error, "%s: write the task id as %s: tasks/%s", field, proper, proper);
    return STATUS_OK;
}

static enum status document_name_validate(struct bytes name, struct error *error)
{
    const uint8_t *dot = name.size > 0 ? memrchr(name.data, '.', name.size) : NULL;
    size_t at = dot != NULL ? (size_t)(dot - name.data) : 0;
    struct bytes format = bytes_slice(name, at + 1, name.size);

    if (at == 0 || name.data[at - 1] == '/' || format.size == 0 || !has_only(format, "_-+"))
        return BAD_FIELD(error, "key: a document's name ends in its format, like docs/plan.md");
    return STATUS_OK;
}

static enum status key_parts_validate(enum entry_kind kind, struct bytes rest, struct error *error)
{
    switch (kind) {
    case ENTRY_TASK:
        TRY(task_part_validate("key", cut_first_part(&rest), error));
        break;
    case ENTRY_AGENT: {
        struct bytes agent = cut_first_part(&rest);
        if (agent.size == 0 || !has_only(agent, "._-@:"))
            return BAD_FIELD(error, "key: \"agents/\" is followed by an agent and a name, like agents/build7/NAME");
        break;
    }
    case ENTRY_DOCUMENT:
        return document_name_validate(rest, error);
    case ENTRY_GLOBAL:
    case ENTRY_KINDS:
        break;
    }
    if (rest.size == 0)
        return BAD_FIELD(error, "key: a name is missing behind the last slash");
    return STATUS_OK;
}

enum status entry_key_validate(struct bytes key, enum entry_kind *ret_kind, struct error *error)
{
    TRY(size_validate("key", key.size, ENTRY_KEY_MAX, error));
    enum entry_kind kind = entry_key_kind(key);
    if (kind == ENTRY_KINDS)
        return BAD_FIELD(error, "key: it begins with global/, tasks/TASK/, docs/ or agents/AGENT/");
    if (!is_printable(key))
        return BAD_FIELD(error, "key: only printable UTF-8 is allowed");
    if (key.data[key.size - 1] == '/' || memmem(key.data, key.size, "//", 2) != NULL)
        return BAD_FIELD(error, "key: no part between slashes may be empty");
    struct bytes prefix = bytes_of_text(kind_prefixes[kind]);
    TRY(key_parts_validate(kind, bytes_slice(key, prefix.size, key.size), error));
    *ret_kind = kind;
    return STATUS_OK;
}

static enum status writer_validate(const char *field, const struct writer *writer, struct error *error)
{
    if (writer->agent_id.size > AGENT_ID_MAX || !has_only(writer->agent_id, "._-/@:"))
        return BAD_FIELD(error, "%s.agent_id: at most %d of a-z A-Z 0-9 . _ - / @ : are allowed", field, AGENT_ID_MAX);
    if (writer->fence != 0 && writer->task_id == 0)
        return BAD_FIELD(error, "%s.task_id: a fence is nothing without its task", field);
    return STATUS_OK;
}

/* 0 means the default. */
static enum status page_size_validate(uint32_t *page_size, struct error *error)
{
    if (*page_size > PAGE_MAX)
        return BAD_FIELD(error, "page_size: %u is too many, %d are allowed", *page_size, PAGE_MAX);
    if (*page_size == 0)
        *page_size = PAGE_DEFAULT;
    return STATUS_OK;
}

enum status put_entry_validate(struct put_entry *put, struct error *error)
{
    enum entry_kind kind;

    TRY(context_namespace_validate(&put->namespace, error));
    TRY(entry_key_validate(put->key, &kind, error));
    TRY(size_validate("value", put->value.size, VALUE_MAX, error));
    TRY(size_validate("content_type", put->content_type.size, CONTENT_TYPE_MAX, error));
    if (!is_printable(put->content_type))
        return BAD_FIELD(error, "content_type: only printable UTF-8 is allowed");
    return writer_validate("writer", &put->writer, error);
}

enum status get_entry_validate(struct get_entry *get, struct error *error)
{
    enum entry_kind kind;

    TRY(context_namespace_validate(&get->namespace, error));
    return entry_key_validate(get->key, &kind, error);
}

enum status delete_entry_validate(struct delete_entry *delete, struct error *error)
{
    enum entry_kind kind;

    TRY(context_namespace_validate(&delete->namespace, error));
    TRY(entry_key_validate(delete->key, &kind, error));
    return writer_validate("writer", &delete->writer, error);
}

enum status list_entries_validate(struct list_entries *list, struct error *error)
{
    TRY(context_namespace_validate(&list->namespace, error));
    TRY(size_validate("prefix", list->prefix.size, ENTRY_KEY_MAX, error));
    if (!is_printable(list->prefix))
        return BAD_FIELD(error, "prefix: only printable UTF-8 is allowed");
    if (list->page_token.size > ENTRY_KEY_MAX ||
        (list->page_token.size > 0 && !bytes_have_prefix(list->page_token, list->prefix)))
        return BAD_FIELD(error, "page_token: it is not from a page with this prefix");
    return page_size_validate(&list->page_size, error);
}

enum status stream_name_validate(struct stream_name *name, struct error *error)
{
    TRY(context_namespace_validate(&name->namespace, error));
    TRY(size_validate("stream.name", name->name.size, STREAM_NAME_MAX, error));
    if (name->name.size == 0 || !has_only(name->name, "._-"))
        return BAD_FIELD(error, "stream.name: it is 1 to %d of a-z A-Z 0-9 . _ -, like stdout", STREAM_NAME_MAX);
    return STATUS_OK;
}

enum status append_stream_validate(struct append_stream *append, struct error *error)
{
    TRY(stream_name_validate(&append->stream, error));
    TRY(size_validate("data", append->data.size, APPEND_MAX, error));
    if (append->offset > UINT64_MAX - APPEND_MAX)
        return BAD_FIELD(error, "offset: no stream is that long");
    return STATUS_OK;
}

enum status read_stream_validate(struct read_stream *read, struct error *error)
{
    TRY(stream_name_validate(&read->stream, error));
    if (read->max_bytes > READ_MAX)
        return BAD_FIELD(error, "max_bytes: %u are too many, %u are allowed", read->max_bytes, READ_MAX);
    if (read->max_bytes == 0)
        read->max_bytes = READ_DEFAULT;
    return STATUS_OK;
}

enum status list_streams_validate(struct list_streams *list, struct error *error)
{
    TRY(context_namespace_validate(&list->namespace, error));
    return page_size_validate(&list->page_size, error);
}

static enum status lock_name_validate(const char *field, struct bytes name, struct error *error)
{
    TRY(size_validate(field, name.size, LOCK_NAME_MAX, error));
    if (name.size == 0 || !is_printable(name))
        return BAD_FIELD(error, "%s: 1 to %d bytes of printable UTF-8 are needed", field, LOCK_NAME_MAX);
    if (name.data[0] == '/' || name.data[name.size - 1] == '/' || memmem(name.data, name.size, "//", 2) != NULL)
        return BAD_FIELD(error, "%s: no part between slashes may be empty", field);
    return STATUS_OK;
}

enum status acquire_lock_validate(struct acquire_lock *acquire, struct error *error)
{
    TRY(context_namespace_validate(&acquire->namespace, error));
    TRY(lock_name_validate("name", acquire->name, error));
    if (acquire->ttl_ms == 0)
        acquire->ttl_ms = LOCK_TTL_DEFAULT_MS;
    if (acquire->ttl_ms < LOCK_TTL_MIN_MS || acquire->ttl_ms > LOCK_TTL_MAX_MS)
        return BAD_FIELD(error, "ttl_ms: %u to %u are allowed", LOCK_TTL_MIN_MS, LOCK_TTL_MAX_MS);
    if (acquire->request.size != LOCK_REQUEST_SIZE)
        return BAD_FIELD(error, "request: %d bytes are needed, new for each lock that is wanted", LOCK_REQUEST_SIZE);
    if (acquire->holder.agent_id.size == 0)
        return BAD_FIELD(error, "holder.agent_id: who holds it must be named");
    return writer_validate("holder", &acquire->holder, error);
}

enum status name_lock_validate(struct name_lock *named, struct error *error)
{
    TRY(context_namespace_validate(&named->namespace, error));
    return lock_name_validate("name", named->name, error);
}

enum status list_locks_validate(struct list_locks *list, struct error *error)
{
    TRY(context_namespace_validate(&list->namespace, error));
    TRY(size_validate("prefix", list->prefix.size, LOCK_NAME_MAX, error));
    if (!is_printable(list->prefix))
        return BAD_FIELD(error, "prefix: only printable UTF-8 is allowed");
    return page_size_validate(&list->page_size, error);
}

enum status lock_stats_validate(struct lock_stats_query *query, struct error *error)
{
    if (query->namespace.size > 0)
        TRY(context_namespace_validate(&query->namespace, error));
    if (query->most > PAGE_MAX)
        return BAD_FIELD(error, "most: %u is too many, %d are allowed", query->most, PAGE_MAX);
    if (query->most == 0)
        query->most = PAGE_DEFAULT;
    return STATUS_OK;
}

bool mailbox_is_shared(struct bytes mailbox)
{
    return bytes_equal(mailbox, bytes_of_text("everyone")) || bytes_have_prefix(mailbox, bytes_of_text("types/"));
}

static enum status mailbox_validate(struct bytes mailbox, struct error *error)
{
    struct bytes rest = mailbox;

    TRY(size_validate("mailbox", mailbox.size, MAILBOX_NAME_MAX, error));
    if (bytes_equal(mailbox, bytes_of_text("everyone")))
        return STATUS_OK;
    struct bytes kind = cut_first_part(&rest);
    if (bytes_equal(kind, bytes_of_text("tasks")))
        return task_part_validate("mailbox", rest, error);
    bool is_agent = bytes_equal(kind, bytes_of_text("agents")) && has_only(rest, "._-/@:");
    bool is_type = bytes_equal(kind, bytes_of_text("types")) && has_only(rest, "._-");
    if (rest.size > 0 && (is_agent || is_type))
        return STATUS_OK;
    return BAD_FIELD(error, "mailbox: it is agents/AGENT, tasks/TASK, types/AGENT_TYPE or everyone");
}

/* Shared mailboxes keep a cursor for each reader, so readers have names there. */
static enum status reader_validate(struct bytes mailbox, struct bytes reader, struct error *error)
{
    TRY(size_validate("reader", reader.size, AGENT_ID_MAX, error));
    if (!has_only(reader, "._-/@:"))
        return BAD_FIELD(error, "reader: only a-z A-Z 0-9 . _ - / @ : are allowed");
    if (reader.size == 0 && mailbox_is_shared(mailbox))
        return BAD_FIELD(error, "reader: who reads must be named, as this mailbox has many readers");
    return STATUS_OK;
}

enum status send_message_validate(struct send_message *send, struct error *error)
{
    TRY(context_namespace_validate(&send->namespace, error));
    TRY(mailbox_validate(send->mailbox, error));
    TRY(size_validate("body", send->body.size, BODY_BYTES_MAX, error));
    TRY(size_validate("content_type", send->content_type.size, CONTENT_TYPE_MAX, error));
    if (!is_printable(send->content_type))
        return BAD_FIELD(error, "content_type: only printable UTF-8 is allowed");
    if (send->ttl_ms == 0)
        send->ttl_ms = MESSAGE_TTL_DEFAULT_MS;
    if (send->ttl_ms < MESSAGE_TTL_MIN_MS || send->ttl_ms > MESSAGE_TTL_MAX_MS)
        return BAD_FIELD(error, "ttl_ms: 1 second to 366 days are allowed");
    if (send->request.size != 0 && send->request.size != LOCK_REQUEST_SIZE)
        return BAD_FIELD(error, "request: %d bytes are needed, or none", LOCK_REQUEST_SIZE);
    if (send->sender.agent_id.size == 0)
        return BAD_FIELD(error, "sender.agent_id: who sends it must be named");
    return writer_validate("sender", &send->sender, error);
}

enum status receive_messages_validate(struct receive_messages *receive, struct error *error)
{
    TRY(context_namespace_validate(&receive->namespace, error));
    TRY(mailbox_validate(receive->mailbox, error));
    TRY(reader_validate(receive->mailbox, receive->reader, error));
    if (receive->max > MESSAGES_MAX)
        return BAD_FIELD(error, "max: %u is too many, %u are allowed", receive->max, MESSAGES_MAX);
    if (receive->max == 0)
        receive->max = MESSAGES_DEFAULT;
    return STATUS_OK;
}

enum status ack_messages_validate(struct ack_messages *ack, struct error *error)
{
    TRY(context_namespace_validate(&ack->namespace, error));
    TRY(mailbox_validate(ack->mailbox, error));
    return reader_validate(ack->mailbox, ack->reader, error);
}

enum status list_mailboxes_validate(struct list_mailboxes *list, struct error *error)
{
    TRY(context_namespace_validate(&list->namespace, error));
    TRY(size_validate("prefix", list->prefix.size, MAILBOX_NAME_MAX, error));
    if (!is_printable(list->prefix))
        return BAD_FIELD(error, "prefix: only printable UTF-8 is allowed");
    if (list->page_token.size > MAILBOX_NAME_MAX ||
        (list->page_token.size > 0 && !bytes_have_prefix(list->page_token, list->prefix)))
        return BAD_FIELD(error, "page_token: it is not from a page with this prefix");
    return page_size_validate(&list->page_size, error);
}
