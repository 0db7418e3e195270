#include "common/base/status.h"

#include "common/base/bytes.h"

#include <criterion/criterion.h>
#include <string.h>

Test(status, names_every_code)
{
    for (int code = STATUS_OK; code <= STATUS_UNAUTHENTICATED; code++)
        cr_assert(code == STATUS_UNKNOWN || strcmp(status_name((enum status)code), "UNKNOWN") != 0, "code %d", code);
    cr_assert_str_eq(status_name((enum status)17), "UNKNOWN");
}

Test(status, an_error_keeps_code_reason_and_message)
{
    struct error error = {0};

    cr_assert_eq(error_set(&error, STATUS_ABORTED, "STALE_FENCE", "fence %d is stale", 7), STATUS_ABORTED);
    cr_assert_eq(error.status, STATUS_ABORTED);
    cr_assert_str_eq(error.reason, "STALE_FENCE");
    cr_assert_str_eq(error.message, "fence 7 is stale");
    cr_assert_eq(error_set(NULL, STATUS_NOT_FOUND, "NO_TASK", "nobody looks"), STATUS_NOT_FOUND);
}

Test(status, a_message_that_is_too_long_is_cut_between_characters)
{
    struct error error = {0};
    char text[400];

    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', shift);
        size_t length = shift;
        while (length + 3 < sizeof text) {
            memcpy(text + length, "\xE2\x82\xAC", 3);
            length += 3;
        }
        text[length] = '\0';
        (void)error_set(&error, STATUS_INTERNAL, "LONG", "%s", text);
        cr_assert(text_is_valid(bytes_of_text(error.message)));
        cr_assert_geq(strlen(error.message), sizeof error.message - 4);
    }
}
