#include "cli/relatives.h"

#include "cli/ids.h"

#include <stdlib.h>
#include <string.h>

enum exit_status relatives_take_policy(const char *value, Ganger__V1__DependencyPolicy *ret_policy)
{
    static const struct {
        const char *name;
        Ganger__V1__DependencyPolicy policy;
    } policies[] = {
        {"fail", GANGER__V1__DEPENDENCY_POLICY__FAIL_TOO},
        {"cancel", GANGER__V1__DEPENDENCY_POLICY__CANCEL_TOO},
        {"run", GANGER__V1__DEPENDENCY_POLICY__RUN_ANYWAY},
    };

    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        if (strcmp(policies[i].name, value) == 0) {
            *ret_policy = policies[i].policy;
            return EXIT_DONE;
        }
    }
    return problem(EXIT_USAGE, "it is one of fail, cancel, run", NULL, "--after-failure: \"%.80s\" will not do", value);
}

enum exit_status relatives_take_own(struct relatives *relatives)
{
    relatives->parent = getenv("GANGER_TASK_ID");
    if (relatives->parent != NULL)
        return EXIT_DONE;
    return problem(EXIT_USAGE, "GANGER_TASK_ID is not set: this is not inside an agent", "use --parent ID",
                   "--child: of which task?");
}

enum exit_status relatives_resolve(struct cli *cli, struct ganger *broker, struct relatives *relatives,
                                   Ganger__V1__TaskSpec *spec)
{
    char *rest = NULL;

    spec->depends_on = relatives->depends_on;
    for (char *word = relatives->after != NULL ? strtok_r(relatives->after, ",", &rest) : NULL; word != NULL;
         word = strtok_r(NULL, ",", &rest)) {
        if (spec->n_depends_on == DEPENDENCIES_MOST)
            return problem(EXIT_USAGE, "a task waits for at most 64 others", NULL, "--after: \"%.80s\" is one too many",
                           word);
        TRY_DONE(id_resolve(cli, broker, word, &relatives->depends_on[spec->n_depends_on]));
        spec->n_depends_on++;
    }
    return relatives->parent != NULL ? id_resolve(cli, broker, relatives->parent, &spec->parent_id) : EXIT_DONE;
}
