#include "common/base/check.h"
#include "common/base/cleanup.h"
#include "tests/worker/processes.h"
#include "worker/shim/remove.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

Test(remove, takes_a_tree_that_is_deeper_than_a_path_can_name)
{
    CLEANUP(free)
    char *path = make_directory();
    int at = open(path, O_RDONLY | O_DIRECTORY);

    for (int i = 0; i < 3000; i++) {
        cr_assert_eq(mkdirat(at, "deep", 0700), 0);
        int next = openat(at, "deep", O_RDONLY | O_DIRECTORY);
        (void)close(at);
        at = next;
    }
    (void)close(at);
    cr_expect(remove_tree(path));
    cr_expect_eq(access(path, F_OK), -1);
}

Test(remove, does_not_follow_links)
{
    CLEANUP(free)
    char *path = make_directory();
    CLEANUP(free)
    char *elsewhere = make_directory();
    CLEANUP(free)
    char *link_path = format_text("%s/link", path);
    CLEANUP(free)
    char *precious = format_text("%s/precious", elsewhere);

    cr_assert_eq(symlink(elsewhere, link_path), 0);
    (void)close(open(precious, O_WRONLY | O_CREAT, 0600));
    cr_expect(remove_tree(path));
    cr_expect_eq(access(precious, F_OK), 0);
    cr_expect(remove_tree(elsewhere));
}

Test(remove, opens_what_is_closed_and_takes_special_files)
{
    CLEANUP(free)
    char *path = make_directory();
    CLEANUP(free)
    char *closed = format_text("%s/closed", path);
    CLEANUP(free)
    char *pipe_path = format_text("%s/closed/pipe", path);

    cr_assert_eq(mkdir(closed, 0700), 0);
    cr_assert_eq(mkfifo(pipe_path, 0), 0);
    cr_assert_eq(chmod(closed, 0), 0);
    cr_assert_eq(chmod(path, 0), 0);
    cr_expect(remove_tree(path));
    cr_expect_eq(access(path, F_OK), -1);
}

Test(remove, does_not_enter_a_mount)
{
    CLEANUP(free)
    char *path = make_directory();
    CLEANUP(free)
    char *elsewhere = make_directory();
    CLEANUP(free)
    char *mount_path = format_text("%s/mount", path);
    CLEANUP(free)
    char *precious = format_text("%s/precious", elsewhere);

    (void)close(open(precious, O_WRONLY | O_CREAT, 0600));
    cr_assert_eq(mkdir(mount_path, 0700), 0);
    if (mount(elsewhere, mount_path, NULL, MS_BIND, NULL) == 0) {
        cr_expect_not(remove_tree(path));
        cr_expect_eq(access(precious, F_OK), 0);
        cr_assert_eq(umount(mount_path), 0);
    }
    cr_expect(remove_tree(path));
    cr_expect(remove_tree(elsewhere));
}

Test(remove, of_nothing_is_done)
{
    cr_expect(remove_tree("/nonexistent/directory"));
}
