#include "common/rpc/envelope.h"

#include <criterion/criterion.h>
#include <echo.pb-c.h>
#include <ganger/v1/agents.pb-c.h>
#include <ganger/v1/tasks.pb-c.h>
#include <string.h>

static struct buffer packed;
static struct error error;

static void set_up(void)
{
    packed = (struct buffer){0};
    error = (struct error){0};
}

static void tear_down(void)
{
    buffer_done(&packed);
}

TestSuite(scan, .init = set_up, .fini = tear_down);

static void add_varint(uint64_t value)
{
    while (value >= 0x80) {
        buffer_add_u8(&packed, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    buffer_add_u8(&packed, (uint8_t)value);
}

static void add_number(unsigned tag, uint64_t value)
{
    add_varint((uint64_t)tag << 3);
    add_varint(value);
}

static void add_sized(unsigned tag, const void *data, size_t size)
{
    add_varint((uint64_t)tag << 3 | 2);
    add_varint(size);
    buffer_add(&packed, data, size);
}

static enum status scan_shape(void)
{
    return message_scan(&ganger__test__shape__descriptor, buffer_view(&packed), &error);
}

/* Everything that is refused is MALFORMED, and says where. */
static void expect_malformed(const char *where, const char *why)
{
    cr_expect_eq(scan_shape(), STATUS_INVALID_ARGUMENT);
    cr_expect_str_eq(error.reason, "MALFORMED");
    cr_expect_not_null(strstr(error.message, where), "%s", error.message);
    cr_expect_not_null(strstr(error.message, why), "%s", error.message);
}

Test(scan, nothing_at_all_is_a_message)
{
    cr_expect_eq(scan_shape(), STATUS_OK);
}

Test(scan, every_kind_of_field_passes)
{
    Ganger__Test__Shape shape = GANGER__TEST__SHAPE__INIT;
    Ganger__Test__Shape inner = GANGER__TEST__SHAPE__INIT;
    Ganger__Test__Shape *shapes[] = {&inner, &inner};
    Ganger__Test__Colour colours[] = {GANGER__TEST__COLOUR__RED, GANGER__TEST__COLOUR__BLUE};
    uint64_t numbers[] = {0, 1, UINT64_MAX};
    uint32_t words[] = {0, UINT32_MAX};
    char *texts[] = {"", "gr\xC3\xBC\xC3\x9F", "\xF0\x9F\x94\xA8"};
    ProtobufCMessage *unpacked = NULL;
    struct arena arena = {0};

    shape.text = "text";
    shape.colour = GANGER__TEST__COLOUR__BLUE;
    shape.colours = colours;
    shape.n_colours = 2;
    shape.numbers = numbers;
    shape.n_numbers = 3;
    shape.words = words;
    shape.n_words = 2;
    shape.texts = texts;
    shape.n_texts = 3;
    shape.inner = &inner;
    shape.shapes = shapes;
    shape.n_shapes = 2;
    shape.far = UINT64_MAX;
    shape.real = 1.5;
    shape.flag = true;
    shape.signed_ = -5;
    shape.either_case = GANGER__TEST__SHAPE__EITHER_NUMBER_EITHER;
    shape.number_either = 9;
    message_pack(&shape.base, &packed);
    cr_assert_eq(message_unpack(&ganger__test__shape__descriptor, buffer_view(&packed), &arena, &unpacked, &error),
                 STATUS_OK, "%s", error.message);
    const Ganger__Test__Shape *copy = (const Ganger__Test__Shape *)unpacked;
    cr_expect_eq(copy->n_numbers, 3);
    cr_expect_eq(copy->numbers[2], UINT64_MAX);
    cr_expect_str_eq(copy->texts[2], texts[2]);
    cr_expect_eq(copy->signed_, -5);
    cr_expect_eq(copy->number_either, 9);
    arena_done(&arena);
}

Test(scan, repeated_numbers_pass_packed_and_unpacked)
{
    add_sized(4, "\x01\x02\x03", 3);
    add_number(4, 4);
    cr_expect_eq(scan_shape(), STATUS_OK);
}

Test(scan, unknown_fields_pass)
{
    add_number(999, 5);
    add_sized(1000, "\xFF\xFF", 2);
    add_varint((uint64_t)1001 << 3 | 5);
    buffer_add_u32(&packed, 1);
    add_varint((uint64_t)1002 << 3 | 1);
    buffer_add_u64(&packed, 1);
    cr_expect_eq(scan_shape(), STATUS_OK, "%s", error.message);
}

Test(scan, bytes_may_be_anything)
{
    add_sized(22, "\0\xFF\xC3", 3);
    cr_expect_eq(scan_shape(), STATUS_OK);
}

Test(scan, text_that_is_not_utf8_is_refused)
{
    add_sized(1, "\xC3(", 2);
    expect_malformed("text", "UTF-8");
}

Test(scan, text_with_a_nul_in_it_is_refused)
{
    add_sized(6, "good", 4);
    add_sized(6, "ab\0cd", 5);
    expect_malformed("texts[1]", "NUL");
}

Test(scan, a_number_that_an_enum_does_not_have_is_refused)
{
    add_number(2, 2);
    expect_malformed("colour", "value that its type does not have");
}

Test(scan, an_enum_is_not_cut_to_its_lower_half)
{
    add_number(2, ((uint64_t)1 << 32) + 1);
    expect_malformed("colour", "value that its type does not have");
}

Test(scan, packed_enums_are_looked_at_one_by_one)
{
    add_sized(3, "\x01\x07\x03", 3);
    expect_malformed("colours[0]", "value that its type does not have");
}

Test(scan, a_singular_message_that_comes_twice_is_refused)
{
    add_sized(7, NULL, 0);
    cr_expect_eq(scan_shape(), STATUS_OK);
    add_number(4, 1);
    add_sized(7, NULL, 0);
    expect_malformed("inner", "comes twice");
}

Test(scan, a_merge_bomb_is_refused_at_its_second_message)
{
    while (packed.size < (size_t)512 * 1024)
        add_sized(7, "\x08\x01\x10\x01", 0);
    expect_malformed("inner", "comes twice");
}

Test(scan, a_message_in_a_oneof_comes_once)
{
    add_sized(302, NULL, 0);
    add_number(303, 1);
    cr_expect_eq(scan_shape(), STATUS_OK);
    add_sized(302, NULL, 0);
    expect_malformed("words_either", "comes twice");
}

/* depth messages inside each other, the outermost counted. */
static void nest(size_t depth)
{
    struct buffer inside = {0};

    for (size_t i = 1; i < depth; i++) {
        packed.size = 0;
        add_sized(8, inside.data, inside.size);
        inside.size = 0;
        buffer_add(&inside, packed.data, packed.size);
    }
    buffer_done(&inside);
}

Test(scan, nesting_has_a_bound)
{
    nest(SCAN_DEPTH_MAX);
    cr_expect_eq(scan_shape(), STATUS_OK, "%s", error.message);
    nest(SCAN_DEPTH_MAX + 1);
    expect_malformed("shapes[0].shapes[0]", "nested too deep");
}

Test(scan, a_nesting_bomb_is_refused)
{
    nest(2000);
    expect_malformed("shapes[0].shapes[0]", "nested too deep");
}

Test(scan, the_number_of_fields_has_a_bound)
{
    for (size_t i = 0; i < SCAN_FIELDS_MAX; i++)
        add_number(4, 1);
    cr_expect_eq(scan_shape(), STATUS_OK);
    add_number(4, 1);
    expect_malformed("numbers[65536]", "too many");
}

Test(scan, packed_numbers_count_as_fields)
{
    static uint8_t numbers[SCAN_FIELDS_MAX];

    add_sized(4, numbers, SCAN_FIELDS_MAX - 1);
    cr_expect_eq(scan_shape(), STATUS_OK);
    packed.size = 0;
    add_sized(4, numbers, SCAN_FIELDS_MAX);
    expect_malformed("numbers", "too many");
}

Test(scan, a_wire_type_that_is_not_the_fields_is_refused)
{
    add_number(1, 5);
    expect_malformed("text", "wrong wire type");
    packed.size = 0;
    add_sized(20, "12345678", 8);
    expect_malformed("far", "wrong wire type");
    packed.size = 0;
    add_varint(22 << 3 | 5);
    buffer_add_u32(&packed, 0);
    expect_malformed("data", "wrong wire type");
}

Test(scan, groups_and_numbers_that_no_field_has_are_refused)
{
    add_varint(999 << 3 | 3);
    expect_malformed("field 999", "wire type that does not exist");
    packed.size = 0;
    add_number(0, 1);
    expect_malformed("field 0", "no field can have");
    packed.size = 0;
    add_varint((uint64_t)1 << 32 | 8);
    add_varint(1);
    expect_malformed("field", "no field can have");
}

Test(scan, a_length_that_reaches_beyond_its_message_is_refused)
{
    add_sized(8,
              "\x0A\x05"
              "abc",
              5);
    expect_malformed("shapes[0].text", "longer than what it is in");
}

Test(scan, every_beginning_of_a_good_message_is_read_without_going_beyond_it)
{
    Ganger__Test__Shape shape = GANGER__TEST__SHAPE__INIT;
    Ganger__Test__Shape inner = GANGER__TEST__SHAPE__INIT;
    Ganger__Test__Shape *shapes[] = {&inner};
    uint32_t words[] = {1, 2, 3};

    inner.text = "inner";
    shape.text = "outer";
    shape.shapes = shapes;
    shape.n_shapes = 1;
    shape.words = words;
    shape.n_words = 3;
    shape.far = 1;
    shape.flag = true;
    shape.signed_ = INT32_MIN;
    message_pack(&shape.base, &packed);
    for (size_t size = 0; size <= packed.size; size++) {
        /* Of exactly that size, so that the sanitizer sees a byte too many. */
        uint8_t *copy = malloc(size > 0 ? size : 1);
        memcpy(copy, packed.data, size);
        enum status status =
            message_scan(&ganger__test__shape__descriptor, (struct bytes){.data = copy, .size = size}, &error);
        cr_expect(status == STATUS_OK || status == STATUS_INVALID_ARGUMENT);
        free(copy);
    }
    cr_expect_eq(scan_shape(), STATUS_OK);
}

Test(scan, a_number_of_more_than_ten_bytes_is_refused)
{
    add_varint(4 << 3);
    for (int i = 0; i < 10; i++)
        buffer_add_u8(&packed, 0x80);
    buffer_add_u8(&packed, 1);
    expect_malformed("numbers[0]", "ends inside a number");
}

TestSuite(unpack, .init = set_up, .fini = tear_down);

Test(unpack, a_full_heartbeat_fits)
{
    static Ganger__V1__Beat beats[1000];
    Ganger__V1__Beat *list[1000];
    Ganger__V1__HeartbeatRequest request = GANGER__V1__HEARTBEAT_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    struct arena arena = {0};

    for (size_t i = 0; i < 1000; i++) {
        ganger__v1__beat__init(&beats[i]);
        beats[i].task_id = i + 1;
        beats[i].fence = 1;
        list[i] = &beats[i];
    }
    request.beats = list;
    request.n_beats = 1000;
    message_pack(&request.base, &packed);
    cr_expect_eq(
        message_unpack(&ganger__v1__heartbeat_request__descriptor, buffer_view(&packed), &arena, &message, &error),
        STATUS_OK, "%s", error.message);
    arena_done(&arena);
}

Test(unpack, an_amplification_bomb_stops_at_the_cap)
{
    ProtobufCMessage *message = NULL;
    struct arena arena = {0};

    for (size_t i = 0; i < SCAN_FIELDS_MAX; i++)
        add_sized(1, NULL, 0);
    cr_expect_eq(
        message_unpack(&ganger__v1__submit_tasks_request__descriptor, buffer_view(&packed), &arena, &message, &error),
        STATUS_RESOURCE_EXHAUSTED);
    cr_expect_str_eq(error.reason, "MESSAGE_TOO_LARGE");
    cr_expect_null(message);
    cr_expect_leq(arena.used, packed.size * UNPACK_FACTOR);
    arena_done(&arena);
}

Test(unpack, the_limit_of_the_arena_is_as_before_afterwards)
{
    ProtobufCMessage *message = NULL;
    struct arena arena = {.limit = 100};

    add_sized(1, "hello", 5);
    cr_expect_eq(message_unpack(&ganger__test__shape__descriptor, buffer_view(&packed), &arena, &message, &error),
                 STATUS_RESOURCE_EXHAUSTED);
    cr_expect_eq(arena.limit, 100);
    cr_expect_leq(arena.used, 100);
    arena_done(&arena);
}

Test(unpack, the_call_id_of_a_broken_frame_is_found)
{
    add_number(1, 1);
    add_number(2, 77);
    add_sized(3, "\xFF", 1);
    cr_expect_eq(message_find_number(buffer_view(&packed), 2), 77);
    cr_expect_eq(message_find_number(buffer_view(&packed), 4), 0);
    cr_expect_eq(message_find_number(bytes_of_text("\xFF\xFF\xFF"), 2), 0);
}
