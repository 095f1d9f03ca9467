/* SPDX-License-Identifier: MIT */
#include "cli/swapdir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cli/complain.h"

/* Makes an unlinked file in dir and drops it again: 0 or an errno. */
static int try_file(const char *dir) {
    char path[PATH_MAX];
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0) {
        close(fd);
        return 0;
    }
    if (errno != EOPNOTSUPP && errno != EISDIR)
        return errno;
    /* A file system without O_TMPFILE: the library falls back to a name of its own, too. */
    if (snprintf(path, sizeof path, "%s/.weir-XXXXXX", dir) >= (int)sizeof path)
        return ENAMETOOLONG;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return errno;
    unlink(path);
    close(fd);
    return 0;
}

int swapdir_check(const char *path, char *ret_dir, size_t size) {
    char dir[PATH_MAX];
    struct stat st;
    int error;

    if (path[0] == '\0')
        return refuse(EXIT_USAGE, "--swap wants a directory, or none");
    if (stat(path, &st) < 0)
        return errno == ENOENT
                   ? refuse(EXIT_USAGE, "the swap directory '%s' does not exist; make it first, or give another", path)
                   : refuse(EXIT_USAGE, "the swap directory '%s' cannot be used: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return refuse(EXIT_USAGE,
                      "'%s' is not a directory and was left as it is; --swap wants a directory, in which "
                      "weir makes a file of its own",
                      path);
    if (!realpath(path, dir))
        return refuse(EXIT_USAGE, "the swap directory '%s' cannot be used: %s", path, strerror(errno));
    if (strlen(dir) >= size)
        return refuse(EXIT_USAGE, "the path of the swap directory is longer than %zu bytes; give a shorter one",
                      size - 1);
    error = try_file(dir);
    /* A full disk may have room later; what cannot be written stays in memory until then. */
    if (error != 0 && error != ENOSPC)
        return refuse(EXIT_USAGE,
                      "no file can be made in the swap directory '%s': %s; give a directory that you may "
                      "write to, or --swap none",
                      path, strerror(error));
    strcpy(ret_dir, dir);
    return 0;
}

bool swapdir_is_memory(const char *dir) {
    struct statfs fs;

    return statfs(dir, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

static bool will_do(const char *dir) {
    struct stat st;

    return stat(dir, &st) == 0 && S_ISDIR(st.st_mode) && try_file(dir) == 0;
}

int swapdir_choose(char *ret_dir, size_t size) {
    const char *dir = getenv("TMPDIR");

    if (!dir || !dir[0] || !will_do(dir))
        dir = "/tmp";
    if (!will_do(dir) || swapdir_is_memory(dir)) {
        if (!will_do("/var/tmp") || swapdir_is_memory("/var/tmp"))
            return -1;
        dir = "/var/tmp";
    }
    return swapdir_check(dir, ret_dir, size);
}

uint64_t swapdir_free_bytes(const char *dir) {
    struct statvfs fs;

    return statvfs(dir, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
}
