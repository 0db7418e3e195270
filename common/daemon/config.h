/* Configuration: built-in defaults, /etc/ganger/NAME.conf and NAME.conf.d/, environment, options; each overrides the
 * one before, and every value remembers where it came from.
 *
 * The files are INI. A key that no table knows is an error that names file and line. The section of the table's first
 * key is the daemon's own ([worker]); all others are ones that people name themselves ([agent claude]). A ; behind a
 * space begins a comment. */
#pragma once

#include "common/base/cleanup.h"
#include "common/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum config_kind {
    CONFIG_TEXT,
    CONFIG_NUMBER,   /* 1 to 18 digits */
    CONFIG_DURATION, /* "250ms", "30s", "10m", "2h", "7d"; kept in milliseconds */
    CONFIG_SIZE,     /* "64K", "2M", "4G", "1T", powers of 1,024; kept in bytes */
    CONFIG_BOOLEAN,  /* yes, no, true, false, on, off, 1, 0 */
};

struct config_key {
    const char *section; /* "broker"; for named sections their first word: "agent" */
    const char *name;    /* "listen" */
    enum config_kind kind;
    const char *fallback; /* the default, as one would write it; NULL = none */
    const char *help;     /* one line */
    uint64_t minimum;     /* of numbers, durations, sizes */
    uint64_t maximum;     /* 0 = no bound */
};

struct config;

/* A table that ends with a key without name. */
struct config *config_new(const char *program, const struct config_key *keys) NODISCARD;
struct config *config_free(struct config *config);
DEFINE_CLEANUP(struct config *, config_free)

/* INVALID_ARGUMENT/BAD_CONFIG: file, line, key and what is wrong. A missing file is NOT_FOUND/NO_CONFIG; a directory
 * is read in the order of names, *.conf only. */
enum status config_read_file(struct config *config, const char *path, struct error *error) NODISCARD;
enum status config_read_directory(struct config *config, const char *path, struct error *error) NODISCARD;
/* GANGER_BROKER_LISTEN sets [broker] listen; named sections cannot be set so. */
enum status config_read_environment(struct config *config, char *const *environment, struct error *error) NODISCARD;
/* "broker.listen=..." as from --set. */
enum status config_set(struct config *config, const char *assignment, const char *origin, struct error *error)
    NODISCARD;

/* The values, of keys in the table. name is that of a named section ("claude"), NULL for others. Text that is not set
 * and has no default is NULL. Borrowed until the config is freed. */
const char *config_text(const struct config *config, const char *section, const char *name, const char *key);
uint64_t config_number(const struct config *config, const char *section, const char *name, const char *key);
bool config_is_set(const struct config *config, const char *section, const char *name, const char *key);
/* The index-th name of the named sections of this kind, in the order of the files; NULL behind the last. */
const char *config_section_name(const struct config *config, const char *section, size_t index);
/* "/etc/ganger/worker.conf:14", "default", "environment", "option" */
const char *config_origin(const struct config *config, const char *section, const char *name, const char *key);

/* What --show-config prints: every key with value and origin. */
void config_print(const struct config *config, FILE *stream);
