#include "worker/core/outcome.h"

#include "common/base/check.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define START_RETRY_MS 10000
#define BACKOFF_DEFAULT_MS 10000
#define BACKOFF_MAX_DEFAULT_MS 300000

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Without the parts of characters that a cut has left at either end. */
static struct bytes trim_cut(struct bytes text, bool cut_before, bool cut_behind)
{
    for (int i = 0; i < 3 && cut_before && text.size > 0 && is_continuation(text.data[0]); i++)
        text = bytes_slice(text, 1, text.size - 1);
    for (size_t i = 1; i <= 4 && cut_behind && i <= text.size; i++) {
        uint8_t byte = text.data[text.size - i];
        if (is_continuation(byte))
            continue;
        size_t length = byte < 0x80 ? 1 : byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
        if (length > i)
            text.size -= i;
        break;
    }
    return text;
}

PRINTF_LIKE(2, 3)
static void say(struct decision *decision, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int wanted = vsnprintf(decision->message, sizeof decision->message, format, arguments);
    va_end(arguments);
    if (wanted >= (int)sizeof decision->message)
        decision->message[trim_cut(bytes_of_text(decision->message), false, true).size] = '\0';
}

static const char *reason_of(const struct ending *ending)
{
    return ending->reason != NULL ? ending->reason : "";
}

static void fail(struct decision *decision, enum decision_failure failure, const char *error_type)
{
    decision->kind = DECISION_FAIL;
    decision->failure = failure;
    (void)snprintf(decision->error_type, sizeof decision->error_type, "%s", error_type);
}

/* "exit-2" */
static void fail_with_number(struct decision *decision, enum decision_failure failure, const char *word, int number)
{
    char error_type[ERROR_TYPE_SIZE];

    (void)snprintf(error_type, sizeof error_type, "%s-%d", word, number);
    fail(decision, failure, error_type);
}

/* How the main process ended, where the supervisor wanted nothing. */
static void decide_by_exit(const struct ending *ending, uint32_t backoff_ms, struct decision *decision)
{
    const char *words = ending->last_words != NULL ? ending->last_words : "";
    const char *quote = words[0] != '\0' ? "\"" : "";
    const char *colon = words[0] != '\0' ? ": " : "";

    if (ending->shim_lost) {
        fail(decision, DECISION_BY_CRASH, "shim-died");
        say(decision, "the shim of the agent died: how the agent ended is not known");
    } else if (ending->signal != 0) {
        fail_with_number(decision, DECISION_BY_CRASH, "signal", ending->signal);
        say(decision, "killed by signal %d%s%s%s%s", ending->signal, colon, quote, words, quote);
    } else if (ending->exit_status == 0) {
        decision->kind = DECISION_COMPLETE;
    } else if (ending->exit_status == EXIT_RELEASE) {
        decision->kind = DECISION_RELEASE;
        decision->delay_ms = backoff_ms;
        say(decision, "exit status 75: the agent asks for a later try");
    } else {
        fail_with_number(decision, DECISION_BY_ATTEMPT, "exit", ending->exit_status);
        say(decision, "exit status %d%s%s%s%s", ending->exit_status, colon, quote, words, quote);
    }
}

static void decide_by_intent(const struct ending *ending, struct decision *decision)
{
    switch (ending->intent) {
    case INTENT_CANCEL:
        fail(decision, DECISION_BY_ATTEMPT, "canceled");
        say(decision, "stopped: %s", reason_of(ending));
        break;
    case INTENT_SUSPEND:
        decision->kind = DECISION_SUSPEND;
        say(decision, "%s", reason_of(ending));
        break;
    case INTENT_TIMEOUT:
        fail(decision, DECISION_BY_TIMEOUT, "timeout");
        say(decision, "stopped: its run timeout has passed");
        break;
    case INTENT_OUTPUT_FULL:
        fail(decision, DECISION_BY_ATTEMPT, "output-full");
        say(decision, "stopped: %s", reason_of(ending));
        break;
    case INTENT_SHUTDOWN:
        decision->kind = DECISION_RELEASE;
        say(decision, "interrupted: the supervisor was stopped");
        break;
    case INTENT_GIVE_BACK:
        decision->kind = DECISION_RELEASE;
        say(decision, "interrupted: %s", reason_of(ending));
        break;
    case INTENT_LOST:
        decision->kind = DECISION_LOST;
        say(decision, "killed: its lease was lost");
        break;
    case INTENT_CUT_OFF:
        decision->kind = DECISION_LOST;
        say(decision, "ended: the broker was not heard of for too long");
        break;
    case INTENT_STALE:
        decision->kind = DECISION_SILENT;
        break;
    case INTENT_NONE:
    case INTENTS:
        break;
    }
}

void outcome_decide(const struct ending *ending, uint32_t backoff_ms, struct decision *ret_decision)
{
    struct decision decision = {.kind = DECISION_SILENT};

    if (ending->intent != INTENT_NONE) {
        decide_by_intent(ending, &decision);
    } else if (ending->refused_for_good) {
        fail(&decision, DECISION_BY_ATTEMPT, "refused");
        decision.final = true;
        say(&decision, "%s", reason_of(ending));
    } else if (ending->refused || (!ending->started && !ending->shim_lost)) {
        decision.kind = DECISION_RELEASE;
        decision.delay_ms = ending->refused ? ending->delay_ms : START_RETRY_MS;
        say(&decision, "%s", reason_of(ending));
    } else {
        decide_by_exit(ending, backoff_ms, &decision);
    }
    *ret_decision = decision;
}

uint32_t outcome_backoff(uint32_t first_ms, uint32_t max_ms, uint32_t times)
{
    uint64_t delay_ms = first_ms != 0 ? first_ms : BACKOFF_DEFAULT_MS;
    uint64_t limit_ms = max_ms != 0 ? max_ms : BACKOFF_MAX_DEFAULT_MS;

    for (; times > 0 && delay_ms < limit_ms; times--)
        delay_ms *= 2;
    return (uint32_t)(delay_ms < limit_ms ? delay_ms : limit_ms);
}

struct bytes outcome_result(struct bytes file, struct bytes output_tail)
{
    if (file.size > 0)
        return trim_cut(bytes_slice(file, 0, RESULT_MAX_BYTES), false, file.size >= RESULT_MAX_BYTES);
    size_t begin = output_tail.size > TAIL_MAX_BYTES ? output_tail.size - TAIL_MAX_BYTES : 0;
    return trim_cut(bytes_slice(output_tail, begin, TAIL_MAX_BYTES), output_tail.size >= TAIL_MAX_BYTES, false);
}

const char *outcome_content_type(struct bytes result)
{
    return text_is_valid(result) ? "text/plain; charset=utf-8" : "application/octet-stream";
}

void outcome_last_line(struct bytes tail, char *ret_line, size_t size)
{
    while (tail.size > 0 && isspace(tail.data[tail.size - 1]))
        tail.size--;
    size_t begin = tail.size;
    while (begin > 0 && tail.data[begin - 1] != '\n')
        begin--;
    struct bytes line = bytes_slice(tail, begin, size - 1);
    line = trim_cut(line, true, true);
    bool valid = text_is_valid(line);
    for (size_t i = 0; i < line.size; i++) {
        uint8_t byte = line.data[i];
        ret_line[i] = (char)(iscntrl(byte) || (!valid && byte >= 0x80) ? '?' : byte);
    }
    ret_line[line.size] = '\0';
}
