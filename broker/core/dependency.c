#include "broker/core/dependency.h"

#include "broker/core/core.h"
#include "broker/core/limits.h"
#include "common/base/id.h"

#include <stdio.h>

static bool is_in(uint64_t id, const uint64_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

const uint64_t *dependencies_resolve(struct step *step, const struct task_spec *spec, const uint64_t *ids,
                                     size_t *ret_count)
{
    uint64_t *all =
        arena_zero(&step->effects->arena, spec->depends_on_count + spec->depends_on_index_count, sizeof *all);
    size_t count = 0;

    for (size_t i = 0; i < spec->depends_on_count; i++)
        if (!is_in(spec->depends_on[i], all, count))
            all[count++] = spec->depends_on[i];
    for (size_t i = 0; i < spec->depends_on_index_count; i++)
        if (!is_in(ids[spec->depends_on_index[i]], all, count))
            all[count++] = ids[spec->depends_on_index[i]];
    *ret_count = count;
    return all;
}

static enum status decide_task(struct step *step, const char *field, size_t i, uint64_t id, struct error *error)
{
    struct task task;
    char text[ID_TEXT_SIZE];
    enum status status = task_load(step, id, &task);

    if (status == STATUS_NOT_FOUND)
        return error_set(error, status, "NO_SUCH_DEPENDENCY", "%s[%zu]: there is no task %s", field, i,
                         id_format(id, text));
    if (status != STATUS_OK && step->error.status == status)
        *error = step->error;
    return status;
}

static enum status decide_index(const struct command_submit *submit, size_t i, uint32_t index, struct error *error)
{
    if (!submit->atomic)
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_FIELD",
                         "depends_on_index: it needs an atomic submit, so that all its tasks come to be");
    if (index >= submit->spec_count)
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_FIELD",
                         "depends_on_index[%zu]: there is no task %u among these %zu", i, index, submit->spec_count);
    return STATUS_OK;
}

static enum status decide_parent(struct step *step, uint64_t parent_id, struct error *error)
{
    struct task parent;
    char text[ID_TEXT_SIZE];
    enum status status = task_load(step, parent_id, &parent);

    if (status == STATUS_NOT_FOUND)
        return error_set(error, status, "NO_SUCH_PARENT", "parent_id: there is no task %s", id_format(parent_id, text));
    if (status != STATUS_OK && step->error.status == status)
        *error = step->error;
    TRY(status);
    if (!task_has_ended(parent.now.state) && !parent.canceling)
        return STATUS_OK;
    return error_set(error, STATUS_FAILED_PRECONDITION, "PARENT_ENDED",
                     "parent_id: task %s is %s, it gets no more children", id_format(parent_id, text),
                     parent.canceling ? "being canceled" : task_state_name(parent.now.state));
}

enum status dependencies_decide(struct step *step, const struct command_submit *submit, size_t i, struct error *error)
{
    const struct task_spec *spec = &submit->specs[i];

    TRY(limits_check_dependencies(spec, error));
    for (size_t k = 0; k < spec->depends_on_count; k++)
        TRY(decide_task(step, "depends_on", k, spec->depends_on[k], error));
    for (size_t k = 0; k < spec->depends_on_index_count; k++)
        TRY(decide_index(submit, k, spec->depends_on_index[k], error));
    return spec->parent_id > 0 ? decide_parent(step, spec->parent_id, error) : STATUS_OK;
}

enum status dependencies_decide_known(struct step *step, const struct command_submit *submit, size_t i,
                                      const struct submit_outcome *outcomes, struct error *error)
{
    const struct task_spec *spec = &submit->specs[i];

    for (size_t k = 0; k < spec->depends_on_index_count; k++) {
        uint64_t known_id = outcomes[spec->depends_on_index[k]].task_id;
        if (known_id != 0)
            TRY(decide_task(step, "depends_on_index", k, known_id, error));
    }
    return STATUS_OK;
}

/* A walk through the tasks of a submit, along depends_on_index. */
struct visit {
    enum { NOT_VISITED, ON_THE_WAY, VISITED } mark;
    uint32_t came_from;
    size_t next; /* of its depends_on_index */
};

/* Each is waited for by the next: from the last one back to the first, as many as there is room to name. */
static enum status cycle_found(struct step *step, const struct visit *visits, uint32_t first, uint32_t last)
{
    char names[128];
    size_t size = (size_t)snprintf(names, sizeof names, "%u", last);

    for (uint32_t at = last; at != first && size < sizeof names - 16;) {
        at = visits[at].came_from;
        size += (size_t)snprintf(names + size, sizeof names - size, " <- %u", at);
    }
    return error_set(&step->error, STATUS_INVALID_ARGUMENT, "DEPENDENCY_CYCLE",
                     "depends_on_index: tasks wait for each other in a circle, %s <- %u", names, last);
}

static enum status visit_from(struct step *step, const struct command_submit *submit, uint32_t root,
                              struct visit *visits)
{
    uint32_t at = root;

    visits[root].mark = ON_THE_WAY;
    for (;;) {
        if (visits[at].next == submit->specs[at].depends_on_index_count) {
            visits[at].mark = VISITED;
            if (at == root)
                return STATUS_OK;
            at = visits[at].came_from;
            continue;
        }
        uint32_t to = submit->specs[at].depends_on_index[visits[at].next++];
        if (visits[to].mark == ON_THE_WAY)
            return cycle_found(step, visits, to, at);
        if (visits[to].mark == NOT_VISITED) {
            visits[to] = (struct visit){.mark = ON_THE_WAY, .came_from = at};
            at = to;
        }
    }
}

enum status dependencies_check_cycles(struct step *step, const struct command_submit *submit)
{
    bool has_any = false;

    for (size_t i = 0; i < submit->spec_count; i++)
        has_any = has_any || submit->specs[i].depends_on_index_count > 0;
    if (!has_any)
        return STATUS_OK;
    struct visit *visits = arena_zero(&step->effects->arena, submit->spec_count, sizeof *visits);
    for (uint32_t i = 0; i < submit->spec_count; i++)
        if (visits[i].mark == NOT_VISITED)
            TRY(visit_from(step, submit, i, visits));
    return STATUS_OK;
}

bool dependency_fails(enum task_state state, enum dependency_policy policy)
{
    return state != TASK_COMPLETED && policy != DEPENDENCY_RUN;
}

enum status dependencies_attach(struct step *step, const struct task *task, const struct task_spec *spec,
                                struct attachment *ret_attachment)
{
    struct attachment attachment = {0};

    for (size_t i = 0; i < spec->depends_on_count; i++) {
        struct task dependency = {.id = spec->depends_on[i], .has_waits = true};
        if (dependency.id < task->id)
            TRY(task_load(step, dependency.id, &dependency));
        if (task_has_ended(dependency.now.state)) {
            if (dependency_fails(dependency.now.state, task->dependency_policy))
                attachment = (struct attachment){attachment.open, dependency.id, dependency.now.state};
            continue;
        }
        struct key key = key_waits(dependency.id, task->id);
        store_put(step->txn, TABLE_WAITS, key_bytes(&key), (struct bytes){0});
        attachment.open++;
        if (dependency.has_waits)
            continue;
        dependency.has_waits = true;
        task_write_quietly(step, &dependency);
    }
    *ret_attachment = attachment;
    return STATUS_OK;
}

enum status dependencies_wait_for(struct step *step, uint64_t id, bool *ret_waited_for)
{
    uint64_t waiting_id = 0;
    enum status status = pair_first(step->txn, TABLE_WAITS, key_waits(id, 0), &waiting_id);

    *ret_waited_for = status == STATUS_OK;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}
