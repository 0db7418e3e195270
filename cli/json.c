#include "cli/json.h"

#include "cli/text.h"
#include "common/base/check.h"
#include "common/base/cleanup.h"

#include "client/ganger.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

json_t *json_of_id(uint64_t id)
{
    char text[20];

    return id == 0 ? json_null() : json_string(ganger_id_format(id, text));
}

/* JSON's integers are jansson's: signed. What is beyond is text rather than a wrong number. */
static json_t *of_unsigned(uint64_t number)
{
    char text[24];

    if (number <= INT64_MAX)
        return json_integer((json_int_t)number);
    (void)snprintf(text, sizeof(text), "%" PRIu64, number);
    return json_string(text);
}

static json_t *of_enum(const ProtobufCFieldDescriptor *field, int number)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(field->descriptor, number);

    return value != NULL ? json_string(value->name) : json_integer(number);
}

static json_t *of_text(const char *text)
{
    json_t *string = json_string(text != NULL ? text : "");
    if (string != NULL)
        return string;

    /* Daemons check for UTF-8; should one not, the text is made valid here rather than lost. */
    CLEANUP(free)
    char *visible = text_lines(bytes_of_text(text));
    return json_string(visible);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    size_t end_length = strlen(end);

    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static bool is_id(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_UINT64 && (ends_with(field->name, "_id") || ends_with(field->name, "_ids"));
}

/* Bytes that are kept as text; the others get another name, so that a reader cannot take one for the other. */
static bool is_text(const ProtobufCBinaryData *data)
{
    return data->len == 0 || text_is_valid((struct bytes){data->data, data->len});
}

static json_t *of_bytes(const ProtobufCBinaryData *data)
{
    if (is_text(data))
        return json_stringn(data->len > 0 ? (const char *)data->data : "", data->len);
    CLEANUP(free)
    char *base64 = text_base64((struct bytes){data->data, data->len});
    return json_string(base64);
}

static json_t *of_value(const ProtobufCFieldDescriptor *field, const void *at)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return json_integer(*(const int32_t *)at);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return json_integer(*(const int64_t *)at);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return json_integer(*(const uint32_t *)at);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return is_id(field) ? json_of_id(*(const uint64_t *)at) : of_unsigned(*(const uint64_t *)at);
    case PROTOBUF_C_TYPE_FLOAT:
        return json_real((double)*(const float *)at);
    case PROTOBUF_C_TYPE_DOUBLE:
        return json_real(*(const double *)at);
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)at);
    case PROTOBUF_C_TYPE_ENUM:
        return of_enum(field, *(const int *)at);
    case PROTOBUF_C_TYPE_STRING:
        return of_text(*(const char *const *)at);
    case PROTOBUF_C_TYPE_BYTES:
        return of_bytes(at);
    case PROTOBUF_C_TYPE_MESSAGE: {
        const ProtobufCMessage *message = *(const ProtobufCMessage *const *)at;
        return message != NULL ? json_of_message(message) : json_null();
    }
    }
    return json_null();
}

static size_t size_of_value(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
        break;
    }
    return 4;
}

static json_t *of_repeated(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message)
{
    const uint8_t *base = (const uint8_t *)message;
    size_t count = *(const size_t *)(const void *)(base + field->quantifier_offset);
    const uint8_t *values = *(uint8_t *const *)(const void *)(base + field->offset);
    json_t *array = json_array();

    CHECK(array != NULL);
    for (size_t i = 0; i < count; i++)
        CHECK(json_array_append_new(array, of_value(field, values + i * size_of_value(field->type))) == 0);
    return array;
}

/* A member of a oneof that is not the chosen one shares its memory with that one. */
static bool is_absent(const ProtobufCFieldDescriptor *field, const uint8_t *base)
{
    return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
           *(const uint32_t *)(const void *)(base + field->quantifier_offset) != field->id;
}

static void set(json_t *object, const char *name, json_t *value)
{
    CHECK(json_object_set_new(object, name, value) == 0);
}

json_t *json_of_message(const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    const uint8_t *base = (const uint8_t *)message;
    json_t *object = json_object();

    CHECK(object != NULL);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const void *at = base + field->offset;
        if (is_absent(field, base)) {
            set(object, field->name, json_null());
        } else if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            set(object, field->name, of_repeated(field, message));
        } else if (field->type == PROTOBUF_C_TYPE_BYTES && !is_text(at)) {
            CLEANUP(free)
            char *name = format_text("%s_base64", field->name);
            set(object, name, of_value(field, at));
        } else {
            set(object, field->name, of_value(field, at));
        }
    }
    return object;
}

void json_print(const struct terminal *output, const json_t *json)
{
    size_t flags = JSON_COMPACT | (output->interactive ? (size_t)JSON_ENSURE_ASCII : 0);

    /* A failed write stays in the stream's error flag, which is looked at before the end. */
    (void)json_dumpf(json, output->stream, flags);
    (void)fputc('\n', output->stream);
}

void json_print_message(const struct terminal *output, const ProtobufCMessage *message)
{
    json_t *json = json_of_message(message);

    json_print(output, json);
    json_decref(json);
}
