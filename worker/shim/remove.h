/* Takes away a directory and all that is in it, whatever an agent has made there.
 *
 * Follows no link and enters no mount, goes as deep as the tree is with a bounded number of descriptors, and opens what
 * its owner has closed. */
#pragma once

#include <stdbool.h>

/* true when nothing is left, also when there was nothing. */
bool remove_tree(const char *path);
