#include "tests/contract/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

struct fault {
    uint64_t count;
    int error_number;
    uint32_t after;
    bool cut;
};

static struct fault faults[FAULT_CALL_COUNT];
static uint64_t disk_left = UINT64_MAX;

void fault_set(enum fault_call call, int error_number, uint32_t after)
{
    faults[call] = (struct fault){.count = faults[call].count, .error_number = error_number, .after = after};
}

void fault_cut_writes(uint32_t after)
{
    faults[FAULT_WRITE] = (struct fault){.count = faults[FAULT_WRITE].count, .after = after, .cut = true};
}

uint64_t fault_count(enum fault_call call)
{
    return faults[call].count;
}

void fault_disk_left(uint64_t bytes)
{
    disk_left = bytes;
}

static bool strikes(enum fault_call call)
{
    struct fault *fault = &faults[call];

    fault->count++;
    if (fault->error_number == 0 && !fault->cut)
        return false;
    if (fault->after > 0) {
        fault->after--;
        return false;
    }
    errno = fault->error_number;
    return true;
}

/* The C library's own names for these parameters are reserved. */
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name)
int fdatasync(int fd)
{
    return strikes(FAULT_SYNC_DATA) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    return strikes(FAULT_SYNC_FILE) ? -1 : (int)syscall(SYS_fsync, fd);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    if (!strikes(FAULT_WRITE))
        return syscall(SYS_pwrite64, fd, data, size, offset);
    return faults[FAULT_WRITE].cut ? syscall(SYS_pwrite64, fd, data, size / 2, offset) : -1;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (!strikes(FAULT_WRITE))
        return syscall(SYS_writev, fd, parts, count);
    return faults[FAULT_WRITE].cut ? syscall(SYS_write, fd, parts[0].iov_base, parts[0].iov_len) : -1;
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    return strikes(FAULT_RESERVE) ? -1 : (int)syscall(SYS_fallocate, fd, mode, offset, size);
}

int fstatvfs(int fd, struct statvfs *ret_disk)
{
    struct statfs disk;

    if (syscall(SYS_fstatfs, fd, &disk) != 0)
        return -1;
    *ret_disk =
        (struct statvfs){.f_frsize = (unsigned long)disk.f_frsize,
                         .f_bavail = disk_left != UINT64_MAX ? disk_left / (uint64_t)disk.f_frsize : disk.f_bavail};
    return 0;
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
