/* Forced into every file of a core: what would let it see the world outside its arguments does not compile there.
 *
 * The headers come first, because their own declarations name what is poisoned. */
#pragma once

#include "common/base/arena.h"
#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#pragma GCC poison time clock clock_gettime gettimeofday nanosleep clock_nanosleep usleep sleep localtime gmtime
#pragma GCC poison socket connect accept sendto sendmsg recvfrom recvmsg poll ppoll select pselect pipe pipe2
#pragma GCC poison fork vfork execv execve execvp posix_spawn posix_spawnp system popen kill waitpid waitid getpid
#pragma GCC poison fopen fdopen freopen openat creat printf fprintf vprintf vfprintf puts fputs fwrite fread perror mmap
#pragma GCC poison getenv secure_getenv setenv rand srand random srandom drand48 getrandom getentropy
#pragma GCC poison pthread_create pthread_mutex_lock
