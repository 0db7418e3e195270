#include "broker/core/run.h"

#include "common/base/check.h"

#include <stdlib.h>
#include <string.h>

static void run_free(struct runs *runs, struct run *run)
{
    index_remove(&runs->by_task, &run->node);
    free(run->progress_text);
    free(run);
}

void runs_done(struct runs *runs)
{
    struct run *next;

    for (struct run *run = index_first(&runs->by_task); run != NULL; run = next) {
        next = index_next(&run->node);
        run_free(runs, run);
    }
}

static struct run *find_of_task(const struct runs *runs, uint64_t task_id)
{
    return index_find(&runs->by_task, &task_id, sizeof task_id);
}

struct run *runs_find(const struct runs *runs, uint64_t task_id, uint64_t fence)
{
    struct run *run = find_of_task(runs, task_id);

    return run != NULL && run->fence == fence ? run : NULL;
}

struct run *runs_obtain(struct runs *runs, uint64_t task_id, uint64_t fence)
{
    struct run *run = find_of_task(runs, task_id);

    if (run != NULL && run->fence == fence)
        return run;
    if (run != NULL)
        run_free(runs, run);
    if (index_count(&runs->by_task) >= RUNS_MAX)
        return NULL;
    run = allocate_zero(1, sizeof *run);
    run->task_id = task_id;
    run->fence = fence;
    index_add(&runs->by_task, &run->node, &run->task_id, sizeof run->task_id, run);
    return run;
}

void runs_forget(struct runs *runs, uint64_t task_id)
{
    struct run *run = find_of_task(runs, task_id);

    if (run != NULL)
        run_free(runs, run);
}

bool run_set_progress(struct run *run, uint32_t percent, const char *text)
{
    const char *old = run->progress_text != NULL ? run->progress_text : "";
    bool text_changed = text[0] != '\0' && strcmp(text, old) != 0;
    bool changed = text_changed || percent != run->progress_percent;

    run->progress_percent = percent;
    if (text_changed) {
        free(run->progress_text);
        run->progress_text = duplicate_text(text);
    }
    return changed;
}
