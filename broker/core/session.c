#include "broker/core/session.h"

#include "broker/core/core.h"
#include "broker/core/record.h"
#include "broker/core/timer.h"

#define SESSION_VERSION 1
#define SUBMIT_VERSION 2

static enum status damaged(struct step *step)
{
    return error_set(&step->error, STATUS_DATA_LOSS, "DAMAGED_RECORD",
                     "session: its record is damaged in the store; begin a new session");
}

static enum status session_load(struct step *step, struct bytes id, struct session *ret_session)
{
    struct bytes value;
    struct reader reader;
    enum status status = store_get(step->txn, TABLE_SESSION, id, &value);

    *ret_session = (struct session){.is_new = status == STATUS_NOT_FOUND};
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    TRY(status);
    if (!record_open(value, SESSION_VERSION, 0, &reader))
        return damaged(step);
    ret_session->acked_below = reader_u64(&reader);
    ret_session->used_ms = reader_u64(&reader);
    ret_session->open = reader_u32(&reader);
    return reader.failed ? damaged(step) : STATUS_OK;
}

static void session_save(struct step *step, struct bytes id, const struct session *session)
{
    struct buffer *buffer = &step->broker->scratch;

    record_begin(buffer, SESSION_VERSION);
    buffer_add_u64(buffer, session->acked_below);
    buffer_add_u64(buffer, session->used_ms);
    buffer_add_u32(buffer, session->open);
    store_put(step->txn, TABLE_SESSION, id, record_seal(buffer, 0));
}

/* Most submits are taken whole, and then their ids follow one another: the first and the count say it all. */
static void submit_save(struct step *step, const struct command_submit *submit, const struct submit_outcome *outcomes)
{
    struct key key = key_submit(submit->session, submit->sequence);
    struct buffer *buffer = &step->broker->scratch;
    bool is_run = true;

    for (size_t i = 0; i < submit->spec_count; i++)
        is_run = is_run && outcomes[i].task_id == outcomes[0].task_id + i && !outcomes[i].existing;
    record_begin(buffer, SUBMIT_VERSION);
    buffer_add_u32(buffer, (uint32_t)submit->spec_count);
    buffer_add_u8(buffer, is_run);
    if (is_run)
        buffer_add_u64(buffer, outcomes[0].task_id);
    for (size_t i = 0; i < submit->spec_count && !is_run; i++) {
        buffer_add_u64(buffer, outcomes[i].task_id);
        buffer_add_u8(buffer, outcomes[i].existing);
    }
    store_put(step->txn, TABLE_SUBMIT, key_bytes(&key), record_seal(buffer, submit->sequence));
}

static enum status submit_load(struct step *step, const struct command_submit *submit,
                               struct submit_outcome **ret_known)
{
    struct key key = key_submit(submit->session, submit->sequence);
    struct bytes value;
    struct reader reader;
    enum status status = store_get(step->txn, TABLE_SUBMIT, key_bytes(&key), &value);

    *ret_known = NULL;
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    TRY(status);
    if (!record_open(value, SUBMIT_VERSION, submit->sequence, &reader))
        return damaged(step);
    if (reader_u32(&reader) != submit->spec_count)
        return error_set(&step->error, STATUS_INVALID_ARGUMENT, "SEQUENCE_REUSED",
                         "sequence: this session has used it for a submit of another size");
    bool is_run = reader_u8(&reader) != 0;
    uint64_t first = is_run ? reader_u64(&reader) : 0;
    struct submit_outcome *known = arena_zero(&step->effects->arena, submit->spec_count, sizeof *known);
    for (size_t i = 0; i < submit->spec_count; i++) {
        known[i].task_id = is_run ? first + i : reader_u64(&reader);
        known[i].existing = !is_run && reader_u8(&reader) != 0;
    }
    if (reader.failed)
        return damaged(step);
    *ret_known = known;
    return STATUS_OK;
}

/* Counts, up to most, the rows of the session from its acked_below to the given sequence, and deletes them if asked. */
static enum status trim(struct step *step, const struct command_submit *submit, struct session *session, bool erase,
                        uint32_t *ret_count)
{
    struct key at = key_submit(submit->session, session->acked_below);
    struct bytes key;
    struct bytes value;

    *ret_count = 0;
    if (submit->acked_below <= session->acked_below || session->open == 0)
        return STATUS_OK;
    for (;;) {
        enum status status = store_seek(step->txn, TABLE_SUBMIT, key_bytes(&at), &key, &value);
        if (status == STATUS_NOT_FOUND)
            return STATUS_OK;
        TRY(status);
        if (!bytes_have_prefix(key, submit->session) || key_read_id(key) >= submit->acked_below)
            return STATUS_OK;
        ++*ret_count;
        at = key_submit(submit->session, key_read_id(key));
        if (erase)
            store_delete(step->txn, TABLE_SUBMIT, key_bytes(&at));
        else
            at = key_submit(submit->session, key_read_id(key_bytes(&at)) + 1);
    }
}

enum status session_find(struct step *step, const struct command_submit *submit, struct session *ret_session,
                         struct submit_outcome **ret_known)
{
    uint32_t acked = 0;

    TRY(session_load(step, submit->session, ret_session));
    if (ret_session->is_new) {
        *ret_known = NULL;
        /* Several first submits may be under way together, and come in any order; but whoever has seen an answer would
         * be known, so what this one repeats may have been done. */
        if (submit->sequence > 1 && submit->acked_below != 1)
            return error_set(&step->error, STATUS_FAILED_PRECONDITION, "SESSION_EXPIRED",
                             "session: it is not known (any more): begin a new one; what was submitted in this one and "
                             "not answered may have been taken");
        if (step->broker->counters.sessions >= SESSIONS_MAX)
            return error_set(&step->error, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_SESSIONS",
                             "there are %d open sessions; keep one session for many submits", SESSIONS_MAX);
        return STATUS_OK;
    }
    if (submit->sequence < ret_session->acked_below)
        return error_set(&step->error, STATUS_FAILED_PRECONDITION, "SEQUENCE_ACKED",
                         "sequence: the session has acknowledged the answer to this submit already");
    TRY(submit_load(step, submit, ret_known));
    if (*ret_known != NULL || ret_session->open < SUBMITS_OPEN_MAX)
        return STATUS_OK;
    TRY(trim(step, submit, ret_session, false, &acked));
    if (ret_session->open - acked >= SUBMITS_OPEN_MAX)
        return error_set(&step->error, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_OPEN_SUBMITS",
                         "the session has %d submits open; raise acked_below as answers arrive", SUBMITS_OPEN_MAX);
    return STATUS_OK;
}

enum status session_remember(struct step *step, const struct command_submit *submit, struct session *session,
                             const struct submit_outcome *outcomes, bool is_repeat)
{
    uint32_t acked = 0;

    TRY(trim(step, submit, session, true, &acked));
    session->open = session->open - acked + (is_repeat ? 0 : 1);
    if (submit->acked_below > session->acked_below)
        session->acked_below = submit->acked_below;
    session->used_ms = step->now.store_ms;
    submit_save(step, submit, outcomes);
    session_save(step, submit->session, session);
    if (!session->is_new)
        return STATUS_OK;
    step->broker->counters.sessions++;
    timer_set(step, session->used_ms + SESSION_IDLE_MAX_MS, TIMER_SESSION, submit->session);
    return STATUS_OK;
}

enum status session_due(struct step *step, const struct timer *timer)
{
    struct key id_copy = key_timer(STORE_TIME, 0, TIMER_SESSION, timer->tail);
    struct bytes id = key_read_timer(key_bytes(&id_copy)).tail;
    struct session session;
    uint32_t erased = 0;

    TRY(session_load(step, id, &session));
    timer_unset(step, timer->due_ms, TIMER_SESSION, id);
    if (session.is_new)
        return STATUS_OK;
    if (session.used_ms + SESSION_IDLE_MAX_MS > step->now.store_ms) {
        timer_set(step, session.used_ms + SESSION_IDLE_MAX_MS, TIMER_SESSION, id);
        return STATUS_OK;
    }
    session.acked_below = 0;
    struct command_submit all = {.session = id, .acked_below = UINT64_MAX};
    TRY(trim(step, &all, &session, true, &erased));
    store_delete(step->txn, TABLE_SESSION, id);
    step->broker->counters.sessions--;
    step->broker->is_dirty = true;
    return STATUS_OK;
}
