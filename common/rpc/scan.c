#include "common/rpc/envelope.h"

#include "common/base/check.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PATH_SIZE 160
#define VARINT_BYTES_MAX 10

/* One message that is being read, inside the one above it. */
struct level {
    const ProtobufCMessageDescriptor *descriptor;
    const uint8_t *start;
    const uint8_t *end;
    const uint8_t *tag_at;                 /* where the field that is being read begins */
    const ProtobufCFieldDescriptor *field; /* that field; NULL when the descriptor does not know it */
    uint64_t seen;                         /* singular messages that have come, by the index of the field */
};

struct scan {
    struct level levels[SCAN_DEPTH_MAX];
    size_t depth;
    const uint8_t *at;
    size_t fields;
    uint64_t tag;
    const char *problem; /* set once, ends the scan */
};

static bool fail(struct scan *scan, const char *problem)
{
    scan->problem = problem;
    return false;
}

static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret_value)
{
    const uint8_t *byte = *at;
    uint64_t value = 0;

    if (byte < end && *byte < 0x80) {
        *ret_value = *byte;
        *at = byte + 1;
        return true;
    }
    for (unsigned i = 0; i < VARINT_BYTES_MAX && byte < end; i++, byte++) {
        value |= (uint64_t)(*byte & 0x7F) << (7 * i);
        if (*byte < 0x80) {
            *ret_value = value;
            *at = byte + 1;
            return true;
        }
    }
    return false;
}

/* protobuf-c's sorted ranges of numbers, of fields and of enum values alike; most descriptors have a single one. */
static bool range_find(const ProtobufCIntRange *ranges, unsigned count, int value, size_t *ret_index)
{
    unsigned low = 0;
    unsigned high = count;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        const ProtobufCIntRange *range = &ranges[middle];
        int size = (int)(range[1].orig_index - range[0].orig_index);
        if (value < range->start_value) {
            high = middle;
        } else if (value - range->start_value >= size) {
            low = middle + 1;
        } else {
            *ret_index = range->orig_index + (size_t)(value - range->start_value);
            return true;
        }
    }
    return false;
}

static const ProtobufCFieldDescriptor *field_find(const ProtobufCMessageDescriptor *descriptor, uint64_t tag)
{
    size_t index = 0;

    if (!range_find(descriptor->field_ranges, descriptor->n_field_ranges, (int)tag, &index))
        return NULL;
    return &descriptor->fields[index];
}

static unsigned wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return PROTOBUF_C_WIRE_TYPE_64BIT;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return PROTOBUF_C_WIRE_TYPE_32BIT;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
    default:
        return PROTOBUF_C_WIRE_TYPE_VARINT;
    }
}

/* protobuf-c stores any number in an enum; nothing behind this scan expects one that its type does not have. */
static bool check_enum(struct scan *scan, const ProtobufCFieldDescriptor *field, uint64_t value)
{
    const ProtobufCEnumDescriptor *type = field->descriptor;
    size_t index = 0;
    int number = (int)(uint32_t)value;

    if ((uint64_t)(int64_t)number != value || !range_find(type->value_ranges, type->n_value_ranges, number, &index))
        return fail(scan, "has a value that its type does not have");
    return true;
}

static bool count_fields(struct scan *scan, size_t count)
{
    scan->fields += count;
    if (scan->fields > SCAN_FIELDS_MAX)
        return fail(scan, "is one field too many for one message");
    return true;
}

static bool scan_packed(struct scan *scan, const ProtobufCFieldDescriptor *field, const uint8_t *end)
{
    unsigned wire_type = wire_type_of(field->type);
    size_t size = (size_t)(end - scan->at);
    size_t width = wire_type == PROTOBUF_C_WIRE_TYPE_64BIT ? 8 : 4;

    if (wire_type == PROTOBUF_C_WIRE_TYPE_VARINT) {
        while (scan->at < end) {
            uint64_t value = 0;
            if (!read_varint(&scan->at, end, &value))
                return fail(scan, "ends inside a number");
            if (field->type == PROTOBUF_C_TYPE_ENUM && !check_enum(scan, field, value))
                return false;
            if (!count_fields(scan, 1))
                return false;
        }
        return true;
    }
    if (size % width != 0)
        return fail(scan, "ends inside a number");
    scan->at = end;
    return count_fields(scan, size / width);
}

/* protobuf-c merges a repeated singular message again and again: 14 s of CPU from 512 KiB. No honest peer sends one. */
static bool enter(struct scan *scan, const ProtobufCFieldDescriptor *field, const uint8_t *end)
{
    struct level *level = &scan->levels[scan->depth - 1];

    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        uint64_t bit = (uint64_t)1 << (size_t)(field - level->descriptor->fields);
        if (level->seen & bit)
            return fail(scan, "comes twice");
        level->seen |= bit;
    }
    /* protobuf-c follows nesting on the stack, without a bound. */
    if (scan->depth == SCAN_DEPTH_MAX)
        return fail(scan, "is nested too deep");
    const ProtobufCMessageDescriptor *descriptor = field->descriptor;
    CHECK(descriptor->n_fields <= 64);
    scan->levels[scan->depth++] = (struct level){.descriptor = descriptor, .start = scan->at, .end = end};
    return true;
}

static bool scan_sized(struct scan *scan, const ProtobufCFieldDescriptor *field)
{
    const uint8_t *limit = scan->levels[scan->depth - 1].end;
    uint64_t size = 0;

    if (!read_varint(&scan->at, limit, &size) || size > (uint64_t)(limit - scan->at))
        return fail(scan, "is longer than what it is in");
    const uint8_t *end = scan->at + size;
    if (field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE)
        return enter(scan, field, end);
    if (field != NULL && wire_type_of(field->type) != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
        return scan_packed(scan, field, end);
    if (field != NULL && field->type == PROTOBUF_C_TYPE_STRING &&
        !text_is_valid((struct bytes){.data = scan->at, .size = (size_t)size}))
        return fail(scan, "is not UTF-8 text, or has a NUL in it");
    scan->at = end;
    return true;
}

static bool scan_fixed(struct scan *scan, size_t size)
{
    if ((size_t)(scan->levels[scan->depth - 1].end - scan->at) < size)
        return fail(scan, "ends inside a number");
    scan->at += size;
    return true;
}

static bool check_wire_type(struct scan *scan, const ProtobufCFieldDescriptor *field, unsigned wire_type)
{
    if (field == NULL || wire_type == wire_type_of(field->type))
        return true;
    if (wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED && field->label == PROTOBUF_C_LABEL_REPEATED)
        return true;
    return fail(scan, "has the wrong wire type");
}

static bool scan_field(struct scan *scan)
{
    struct level *level = &scan->levels[scan->depth - 1];
    uint64_t key = 0;
    uint64_t value = 0;

    level->tag_at = scan->at;
    level->field = NULL;
    scan->tag = 0;
    if (!read_varint(&scan->at, level->end, &key))
        return fail(scan, "ends inside a number");
    scan->tag = key >> 3;
    if (scan->tag == 0 || key > UINT32_MAX)
        return fail(scan, "has a number that no field can have");
    level->field = field_find(level->descriptor, scan->tag);
    if (!count_fields(scan, 1) || !check_wire_type(scan, level->field, (unsigned)key & 7))
        return false;
    switch (key & 7) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        if (!read_varint(&scan->at, level->end, &value))
            return fail(scan, "ends inside a number");
        return level->field == NULL || level->field->type != PROTOBUF_C_TYPE_ENUM ||
               check_enum(scan, level->field, value);
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        return scan_fixed(scan, 8);
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        return scan_sized(scan, level->field);
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        return scan_fixed(scan, 4);
    default:
        return fail(scan, "has a wire type that does not exist");
    }
}

/* Reads one field without a descriptor; false at the end, and where nothing more can be read. */
static bool skip_field(const uint8_t **at, const uint8_t *end, uint64_t *ret_key, uint64_t *ret_number)
{
    size_t size = 0;

    if (!read_varint(at, end, ret_key))
        return false;
    switch (*ret_key & 7) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        return read_varint(at, end, ret_number);
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        size = 8;
        break;
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        if (!read_varint(at, end, ret_number))
            return false;
        size = *ret_number;
        break;
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        size = 4;
        break;
    default:
        return false;
    }
    if (size > (size_t)(end - *at))
        return false;
    *at += size;
    return true;
}

uint64_t message_find_number(struct bytes packed, uint32_t tag)
{
    const uint8_t *at = packed.data;
    uint64_t key = 0;
    uint64_t number = 0;

    while (packed.size > 0 && skip_field(&at, packed.data + packed.size, &key, &number)) {
        if (key == (uint64_t)tag << 3)
            return number;
    }
    return 0;
}

/* How often the field of this level came before. */
static size_t occurrences_before(const struct level *level)
{
    const uint8_t *at = level->start;
    uint64_t key = 0;
    uint64_t number = 0;
    size_t count = 0;

    while (at < level->tag_at && skip_field(&at, level->end, &key, &number)) {
        if (key >> 3 == level->field->id)
            count++;
    }
    return count;
}

/* "tasks[3].labels[0].key" */
static void path_format(const struct scan *scan, char *path, size_t size)
{
    size_t used = 0;

    path[0] = '\0';
    for (size_t i = 0; i < scan->depth && used < size; i++) {
        const struct level *level = &scan->levels[i];
        const char *dot = i > 0 ? "." : "";
        int written = 0;
        if (level->tag_at == NULL)
            break;
        if (level->field == NULL)
            written = snprintf(path + used, size - used, "%sfield %u", dot, (unsigned)scan->tag);
        else if (level->field->label == PROTOBUF_C_LABEL_REPEATED)
            written =
                snprintf(path + used, size - used, "%s%s[%zu]", dot, level->field->name, occurrences_before(level));
        else
            written = snprintf(path + used, size - used, "%s%s", dot, level->field->name);
        used += (size_t)written;
    }
}

enum status message_scan(const ProtobufCMessageDescriptor *descriptor, struct bytes packed, struct error *error)
{
    struct scan scan;
    char path[PATH_SIZE];

    if (packed.size == 0)
        return STATUS_OK;
    /* Not zeroed as a whole: each level is set when it is entered, and most messages have only one. */
    scan.levels[0] = (struct level){.descriptor = descriptor, .start = packed.data, .end = packed.data + packed.size};
    scan.depth = 1;
    scan.at = packed.data;
    scan.fields = 0;
    scan.tag = 0;
    scan.problem = NULL;
    CHECK(descriptor->n_fields <= 64);

    for (;;) {
        while (scan.depth > 0 && scan.at == scan.levels[scan.depth - 1].end)
            scan.depth--;
        if (scan.depth == 0)
            return STATUS_OK;
        if (!scan_field(&scan))
            break;
    }
    path_format(&scan, path, sizeof path);
    return error_set(error, STATUS_INVALID_ARGUMENT, "MALFORMED", "%s: %s %s", descriptor->short_name, path,
                     scan.problem);
}
