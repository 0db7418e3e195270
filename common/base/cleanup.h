/* Ownership by scope: a variable marked CLEANUP(thing_free) is handed to thing_free when its scope is left. */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(function) __attribute__((cleanup(function##_at)))

/* Declares function_at for CLEANUP: called with the address of the variable, it frees what that points at. Every
 * thing_free accepts NULL. */
#define DEFINE_CLEANUP(type, function)                                                                                 \
    static inline void function##_at(type *at)                                                                         \
    {                                                                                                                  \
        function(*at);                                                                                                 \
    }

/* The same for things that are embedded: function takes the address itself. */
#define DEFINE_CLEANUP_EMBEDDED(type, function)                                                                        \
    static inline void function##_at(type *at)                                                                         \
    {                                                                                                                  \
        function(at);                                                                                                  \
    }

/* Moves ownership out of a CLEANUP variable: yields its value and leaves NULL behind. */
#define TAKE(pointer)                                                                                                  \
    ({                                                                                                                 \
        __typeof__(pointer) taken_ = (pointer);                                                                        \
        (pointer) = NULL;                                                                                              \
        taken_;                                                                                                        \
    })

static inline void free_at(void *at)
{
    free(*(void **)at);
}

static inline void fd_close(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}
DEFINE_CLEANUP(int, fd_close)
