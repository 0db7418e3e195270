#include "cli/ids.h"

#include <criterion/criterion.h>
#include <stdlib.h>

Test(ids, candidates_are_listed_in_the_form_that_people_type)
{
    const uint64_t task_ids[] = {1, 32, 1056};
    char *text = ids_candidates(task_ids, 3, false);

    cr_expect_str_eq(text, "0000-0001, 0000-0010, 0000-0110");
    free(text);
}

Test(ids, more_candidates_than_are_shown_are_hinted_at)
{
    const uint64_t task_ids[] = {1};
    char *text = ids_candidates(task_ids, 1, true);

    cr_expect_str_eq(text, "0000-0001, ...");
    free(text);
}
