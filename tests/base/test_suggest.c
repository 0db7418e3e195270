#include "common/base/suggest.h"

#include <criterion/criterion.h>
#include <stdint.h>

Test(suggest, counts_the_letters_that_differ)
{
    cr_assert_eq(suggest_distance("", ""), 0);
    cr_assert_eq(suggest_distance("listen", "listen"), 0);
    cr_assert_eq(suggest_distance("", "abc"), 3);
    cr_assert_eq(suggest_distance("abc", ""), 3);
    cr_assert_eq(suggest_distance("lsten", "listen"), 1);
    cr_assert_eq(suggest_distance("lissten", "listen"), 1);
    cr_assert_eq(suggest_distance("lisden", "listen"), 1);
    cr_assert_eq(suggest_distance("litsen", "listen"), 1, "neighbours in the wrong order");
    cr_assert_eq(suggest_distance("kitten", "sitting"), 3);
}

Test(suggest, long_words_are_far_from_everything)
{
    static const char word[] = "0123456789012345678901234567890123456789012345678901234567890123";

    cr_assert_eq(suggest_distance(word + 1, word + 1), 0);
    cr_assert_eq(suggest_distance(word, word), SIZE_MAX);
    cr_assert_eq(suggest_distance(word + 1, word), SIZE_MAX);
}

static const char *best_of(const char *typed)
{
    static const char *const known[] = {"listen", "listens", "store", "lease", "id", "retention-age", NULL};
    struct suggestion best = {0};

    for (size_t i = 0; known[i] != NULL; i++)
        suggestion_offer(&best, typed, known[i]);
    return best.word != NULL ? best.word : "-";
}

Test(suggest, offers_the_nearest_and_nothing_far)
{
    cr_assert_str_eq(best_of("listne"), "listen");
    cr_assert_str_eq(best_of("listenz"), "listen");
    cr_assert_str_eq(best_of("listenss"), "listens");
    cr_assert_str_eq(best_of("stor"), "store");
    cr_assert_str_eq(best_of("leese"), "lease");
    cr_assert_str_eq(best_of("ix"), "id");
    cr_assert_str_eq(best_of("lis"), "listen", "a beginning is near");
    cr_assert_str_eq(best_of("l"), "-");
    cr_assert_str_eq(best_of("retentoin-ages"), "retention-age", "two slips in a long word");
    cr_assert_str_eq(best_of("lidden"), "-", "two slips in a short one");
    cr_assert_str_eq(best_of("xy"), "-");
    cr_assert_str_eq(best_of("banana"), "-");
    cr_assert_str_eq(best_of(""), "-");
}
