/* Ctrl-C while waiting: it detaches, it cancels nothing. */
#pragma once

#include <stdbool.h>

/* From now on Ctrl-C is only noticed; a second one ends the program as usual. */
void interrupt_catch(void);
bool interrupted(void);
