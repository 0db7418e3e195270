/* Bugs that are planted in the core, to see that the simulation catches each of them.
 *
 * They stand around the core, not in it: ganger-sim-planted is linked with --wrap for the functions concerned, so a
 * call from one file of the core to another passes through planted.c. No other program has them. */
#pragma once

struct planted {
    const char *name;
    const char *what; /* it does wrong */
};

extern const struct planted planted_bugs[];
/* Which one is there, an index into planted_bugs; -1 = none. */
extern int planted_now;
