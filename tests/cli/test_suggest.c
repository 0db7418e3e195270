#include "cli/suggest.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

Test(suggest, the_distance_counts_changes_insertions_deletions_and_swaps)
{
    cr_expect_eq(suggest_distance("submit", "submit"), 0);
    cr_expect_eq(suggest_distance("sumbit", "submit"), 1);
    cr_expect_eq(suggest_distance("submt", "submit"), 1);
    cr_expect_eq(suggest_distance("submmit", "submit"), 1);
    cr_expect_eq(suggest_distance("subnit", "submit"), 1);
    cr_expect_eq(suggest_distance("", "wait"), 4);
}

Test(suggest, a_word_beyond_all_bounds_is_near_to_nothing)
{
    char word[1000];

    memset(word, 'a', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    cr_expect_eq(suggest_distance(word, "submit"), SIZE_MAX);
}

static const char *best_of(const char *written)
{
    static const char *const candidates[] = {"submit", "list", "show", "wait", "cancel", "context"};
    struct suggestion suggestion = {0};

    for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++)
        suggestion_offer(&suggestion, written, candidates[i]);
    return suggestion.best;
}

Test(suggest, the_nearest_candidate_wins)
{
    cr_expect(strcmp(best_of("cancle"), "cancel") == 0);
    cr_expect(strcmp(best_of("lst"), "list") == 0);
    cr_expect(strcmp(best_of("con"), "context") == 0, "a beginning is near");
}

Test(suggest, what_is_far_from_all_gets_no_suggestion)
{
    cr_expect(best_of("frobnicate") == NULL);
    cr_expect(best_of("x") == NULL);
    cr_expect(best_of("") == NULL);
}
