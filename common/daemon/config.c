#include "common/daemon/config.h"

#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/base/suggest.h"
#include "common/daemon/config_parts.h"
#include "common/daemon/value.h"

#include <ctype.h>
#include <string.h>

#define NAMED_SECTIONS_MAX 1000

struct named_section {
    const char *section; /* of the table */
    char *name;
};

struct value {
    const struct config_key *key;
    char *name; /* of the section, NULL in the daemon's own */
    char *text;
    char *origin;
    uint64_t number;
};

struct config {
    char *program;
    const struct config_key *keys;
    struct value *values;
    size_t value_count;
    struct named_section *sections;
    size_t section_count;
};

struct config *config_new(const char *program, const struct config_key *keys)
{
    struct config *config = allocate_zero(1, sizeof *config);
    uint64_t number;

    for (const struct config_key *key = keys; key->name != NULL; key++)
        CHECK(key->fallback == NULL || value_parse(key, key->fallback, &number, NULL) == STATUS_OK);
    config->program = duplicate_text(program);
    config->keys = keys;
    return config;
}

struct config *config_free(struct config *config)
{
    if (config == NULL)
        return NULL;
    for (size_t i = 0; i < config->value_count; i++) {
        free(config->values[i].name);
        free(config->values[i].text);
        free(config->values[i].origin);
    }
    for (size_t i = 0; i < config->section_count; i++)
        free(config->sections[i].name);
    free(config->values);
    free(config->sections);
    free(config->program);
    free(config);
    return NULL;
}

enum status config_locate(struct error *error, const char *where)
{
    if (error == NULL)
        return STATUS_INVALID_ARGUMENT;
    struct error inner = *error;
    return error_set(error, inner.status, inner.reason, "%s: %s", where, inner.message);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* The daemon's own section is the one of the table's first key; people name the others. */
static bool section_is_named(const struct config *config, const char *section)
{
    return strcmp(config->keys[0].section, section) != 0;
}

static const struct config_key *find_key(const struct config *config, const char *section, const char *key)
{
    for (const struct config_key *at = config->keys; at->name != NULL; at++)
        if (strcmp(at->section, section) == 0 && strcmp(at->name, key) == 0)
            return at;
    return NULL;
}

static const struct config_key *find_section(const struct config *config, const char *section)
{
    for (const struct config_key *at = config->keys; at->name != NULL; at++)
        if (strcmp(at->section, section) == 0)
            return at;
    return NULL;
}

static enum status refuse(struct error *error, const char *what, const char *typed, const struct suggestion *near)
{
    if (near->word == NULL)
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "unknown %s \"%.60s\"", what, typed);
    return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "unknown %s \"%.60s\", did you mean \"%s\"?", what,
                     typed, near->word);
}

static enum status refuse_section(const struct config *config, const char *section, struct error *error)
{
    struct suggestion near = {0};

    for (const struct config_key *key = config->keys; key->name != NULL; key++)
        suggestion_offer(&near, section, key->section);
    return refuse(error, "section", section, &near);
}

static enum status refuse_key(const struct config *config, const char *section, const char *name, struct error *error)
{
    struct suggestion near = {0};

    for (const struct config_key *key = config->keys; key->name != NULL; key++)
        if (strcmp(key->section, section) == 0)
            suggestion_offer(&near, name, key->name);
    return refuse(error, "key", name, &near);
}

static bool is_name(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == length;
}

static bool knows_section(const struct config *config, const char *section, const char *name)
{
    for (size_t i = 0; i < config->section_count; i++)
        if (strcmp(config->sections[i].section, section) == 0 && strcmp(config->sections[i].name, name) == 0)
            return true;
    return false;
}

enum status config_enter(struct config *config, struct config_place place, struct error *error)
{
    const struct config_key *known = find_section(config, place.section);

    if (known == NULL)
        return refuse_section(config, place.section, error);
    if (!section_is_named(config, place.section)) {
        if (place.name == NULL)
            return STATUS_OK;
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "section [%s] takes no name", place.section);
    }
    if (place.name == NULL)
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "section [%s] needs a name: [%s NAME]",
                         place.section, place.section);
    if (!is_name(place.name))
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG",
                         "section [%s] has a name of more than letters, digits, dots, dashes and underscores",
                         place.section);
    if (knows_section(config, place.section, place.name))
        return STATUS_OK;
    if (config->section_count >= NAMED_SECTIONS_MAX)
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "more than %d sections", NAMED_SECTIONS_MAX);
    config->sections = reallocate(config->sections, (config->section_count + 1) * sizeof *config->sections);
    config->sections[config->section_count++] =
        (struct named_section){.section = known->section, .name = duplicate_text(place.name)};
    return STATUS_OK;
}

static struct value *find_value(const struct config *config, const struct config_key *key, const char *name)
{
    for (size_t i = 0; i < config->value_count; i++)
        if (config->values[i].key == key && same_text(config->values[i].name, name))
            return &config->values[i];
    return NULL;
}

static struct value *add_value(struct config *config, const struct config_key *key, const char *name)
{
    config->values = reallocate(config->values, (config->value_count + 1) * sizeof *config->values);
    struct value *value = &config->values[config->value_count++];
    *value = (struct value){.key = key, .name = name != NULL ? duplicate_text(name) : NULL};
    return value;
}

enum status config_store(struct config *config, struct config_place place, const char *key, const char *text,
                         const char *origin, struct error *error)
{
    uint64_t number;

    TRY(config_enter(config, place, error));
    const struct config_key *known = find_key(config, place.section, key);
    if (known == NULL)
        return refuse_key(config, place.section, key, error);
    enum status status = value_parse(known, text, &number, error);
    if (status != STATUS_OK)
        return config_locate(error, key);
    struct value *value = find_value(config, known, place.name);
    if (value == NULL)
        value = add_value(config, known, place.name);
    free(value->text);
    free(value->origin);
    value->text = duplicate_text(text);
    value->origin = duplicate_text(origin);
    value->number = number;
    return STATUS_OK;
}

static void change_letters(char *text, int (*change)(int letter))
{
    for (; *text != '\0'; text++)
        *text = (char)change((unsigned char)*text);
}

enum status config_read_environment(struct config *config, char *const *environment, struct error *error)
{
    struct config_place own = {.section = config->keys[0].section};
    CLEANUP(free)
    char *prefix = format_text("GANGER_%s_", own.section);

    change_letters(prefix, toupper);
    for (; *environment != NULL; environment++) {
        const char *equals = strchr(*environment, '=');
        if (equals == NULL || strncmp(*environment, prefix, strlen(prefix)) != 0)
            continue;
        CLEANUP(free)
        char *variable = format_text("%.*s", (int)(equals - *environment), *environment);
        CLEANUP(free)
        char *key = duplicate_text(variable + strlen(prefix));
        change_letters(key, tolower);
        if (config_store(config, own, key, equals + 1, "environment", error) != STATUS_OK)
            return config_locate(error, variable);
    }
    return STATUS_OK;
}

enum status config_set(struct config *config, const char *assignment, const char *origin, struct error *error)
{
    CLEANUP(free)
    char *copy = duplicate_text(assignment);
    char *equals = strchr(copy, '=');
    char *first = strchr(copy, '.');

    if (equals == NULL || first == NULL || first > equals)
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "%s: \"%.60s\" must be SECTION.KEY=VALUE",
                         origin, assignment);
    *equals = '\0';
    *first = '\0';
    char *last = strrchr(first + 1, '.');
    struct config_place place = {.section = copy, .name = last != NULL ? first + 1 : NULL};
    if (last != NULL)
        *last = '\0';
    if (config_store(config, place, last != NULL ? last + 1 : first + 1, equals + 1, origin, error) != STATUS_OK)
        return config_locate(error, origin);
    return STATUS_OK;
}

static const struct value *value_of(const struct config *config, const char *section, const char *name, const char *key,
                                    const struct config_key **ret_known)
{
    *ret_known = find_key(config, section, key);
    CHECK(*ret_known != NULL);
    return find_value(config, *ret_known, name);
}

const char *config_text(const struct config *config, const char *section, const char *name, const char *key)
{
    const struct config_key *known;
    const struct value *value = value_of(config, section, name, key, &known);

    return value != NULL ? value->text : known->fallback;
}

uint64_t config_number(const struct config *config, const char *section, const char *name, const char *key)
{
    const struct config_key *known;
    const struct value *value = value_of(config, section, name, key, &known);
    uint64_t number = 0;

    if (value != NULL)
        return value->number;
    if (known->fallback != NULL)
        CHECK(value_parse(known, known->fallback, &number, NULL) == STATUS_OK);
    return number;
}

bool config_is_set(const struct config *config, const char *section, const char *name, const char *key)
{
    const struct config_key *known;
    return value_of(config, section, name, key, &known) != NULL;
}

const char *config_section_name(const struct config *config, const char *section, size_t index)
{
    for (size_t i = 0; i < config->section_count; i++)
        if (strcmp(config->sections[i].section, section) == 0 && index-- == 0)
            return config->sections[i].name;
    return NULL;
}

const char *config_origin(const struct config *config, const char *section, const char *name, const char *key)
{
    const struct config_key *known;
    const struct value *value = value_of(config, section, name, key, &known);

    return value != NULL ? value->origin : "default";
}

/* As a file that can be read again: where a value comes from is a comment behind it. */
static void print_section(const struct config *config, FILE *stream, struct config_place place)
{
    if (place.name != NULL)
        (void)fprintf(stream, "[%s %s]\n", place.section, place.name);
    else
        (void)fprintf(stream, "[%s]\n", place.section);
    for (const struct config_key *key = config->keys; key->name != NULL; key++) {
        if (strcmp(key->section, place.section) != 0)
            continue;
        const char *text = config_text(config, place.section, place.name, key->name);
        if (text != NULL)
            (void)fprintf(stream, "%s = %s ; %s\n", key->name, text,
                          config_origin(config, place.section, place.name, key->name));
        else
            (void)fprintf(stream, "; %s is not set\n", key->name);
    }
}

void config_print(const struct config *config, FILE *stream)
{
    print_section(config, stream, (struct config_place){.section = config->keys[0].section});
    for (size_t i = 0; i < config->section_count; i++) {
        (void)fprintf(stream, "\n");
        print_section(config, stream,
                      (struct config_place){.section = config->sections[i].section, .name = config->sections[i].name});
    }
}
