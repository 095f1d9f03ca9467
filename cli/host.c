/* SPDX-License-Identifier: MIT */
#include "cli/host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the headers of Debian 12. */
#define FEATURE_POISON ((uint64_t)1 << 14)
#define FEATURE_MOVE ((uint64_t)1 << 16)
#define FEATURES_NEEDED ((uint64_t)UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_THREAD_ID)

/* A field of a file of lines "NAME[:] VALUE": its value, or fallback. */
static uint64_t field_of(const char *path, const char *name, uint64_t fallback) {
    FILE *file = fopen(path, "re");
    char line[256];
    size_t len = strlen(name);
    uint64_t value = fallback;

    if (!file)
        return fallback;
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, name, len) == 0 && (line[len] == ':' || line[len] == ' ')) {
            value = strtoull(line + len + 1, NULL, 10);
            break;
        }
    }
    fclose(file);
    return value;
}

/* The number in a file of one line, or fallback; "max" is no number. */
static uint64_t number_in(const char *path, uint64_t fallback) {
    FILE *file = fopen(path, "re");
    unsigned long long value;

    if (!file)
        return fallback;
    if (fscanf(file, "%llu", &value) != 1)
        value = fallback;
    fclose(file);
    return value;
}

struct cgroup_room {
    uint64_t limit_bytes; /* the smallest around this process; UINT64_MAX: none */
    uint64_t free_bytes;  /* the least that any of them leaves */
};

/* Takes the group at dir into account, then its parents up to root. */
static void walk_cgroup(char *dir, size_t root_len, bool v2, struct cgroup_room *room) {
    char path[PATH_MAX + 64];

    for (;;) {
        uint64_t limit, used, cache;

        snprintf(path, sizeof path, "%s/%s", dir, v2 ? "memory.max" : "memory.limit_in_bytes");
        limit = number_in(path, UINT64_MAX);
        if (limit < room->limit_bytes)
            room->limit_bytes = limit;
        if (limit < UINT64_MAX) {
            snprintf(path, sizeof path, "%s/%s", dir, v2 ? "memory.current" : "memory.usage_in_bytes");
            used = number_in(path, 0);
            snprintf(path, sizeof path, "%s/memory.stat", dir);
            cache = field_of(path, v2 ? "inactive_file" : "total_inactive_file", 0);
            used = used > cache ? used - cache : 0;
            if (limit - (used < limit ? used : limit) < room->free_bytes)
                room->free_bytes = limit - (used < limit ? used : limit);
        }
        if (strlen(dir) <= root_len)
            return;
        *strrchr(dir, '/') = '\0';
    }
}

static struct cgroup_room cgroup_room(void) {
    struct cgroup_room room = {UINT64_MAX, UINT64_MAX};
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[PATH_MAX];

    if (!file)
        return room;
    while (fgets(line, sizeof line, file)) {
        char dir[PATH_MAX];
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        const char *root;
        bool v2;

        if (!group)
            continue;
        *group++ = '\0';
        controllers++;
        group[strcspn(group, "\n")] = '\0';
        v2 = controllers[0] == '\0';
        if (!v2 && strcmp(controllers, "memory") != 0)
            continue;
        root = v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
        if (snprintf(dir, sizeof dir, "%s%s", root, strcmp(group, "/") == 0 ? "" : group) < (int)sizeof dir)
            walk_cgroup(dir, strlen(root), v2, &room);
    }
    fclose(file);
    return room;
}

uint64_t host_ram_bytes(void) {
    uint64_t total = field_of("/proc/meminfo", "MemTotal", 0) << 10;
    uint64_t limit = cgroup_room().limit_bytes;

    return limit < total ? limit : total;
}

uint64_t host_ram_available_bytes(void) {
    uint64_t available = field_of("/proc/meminfo", "MemAvailable", 0) << 10;
    uint64_t room = cgroup_room().free_bytes;

    return room < available ? room : available;
}

int host_overcommit(void) {
    uint64_t mode = number_in("/proc/sys/vm/overcommit_memory", UINT64_MAX);

    return mode <= 2 ? (int)mode : -1;
}

bool host_is_limited(int resource, uint64_t *ret_bytes) {
    struct rlimit limit;

    if (getrlimit((__rlimit_resource_t)resource, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return false;
    *ret_bytes = limit.rlim_cur;
    return true;
}

/* A new userfaultfd, or a negative errno. */
static int open_uffd(struct uffd_access *access) {
    int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    int fd;

    access->device_error = device < 0 ? errno : 0;
    access->device_exists = access->device_error != ENOENT;
    if (device >= 0) {
        fd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC);
        close(device);
        if (fd >= 0)
            return fd;
    }
    fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Does the kernel grant these features to this process? A userfaultfd agrees on features once, hence a new one. */
static bool granted(uint64_t features, uint64_t *ret_known) {
    struct uffd_access ignored;
    struct uffdio_api api = {.api = UFFD_API, .features = features};
    int fd = open_uffd(&ignored);
    bool ok;

    if (fd < 0)
        return false;
    ok = ioctl(fd, UFFDIO_API, &api) == 0;
    if (ok && ret_known)
        *ret_known = api.features;
    close(fd);
    return ok;
}

void host_probe_uffd(struct uffd_access *ret_access) {
    int fd;

    memset(ret_access, 0, sizeof *ret_access);
    fd = open_uffd(ret_access);
    if (fd < 0) {
        ret_access->error = -fd;
        return;
    }
    close(fd);
    granted(0, &ret_access->features);
    ret_access->complete = granted(FEATURES_NEEDED, NULL);
    ret_access->move = granted(FEATURES_NEEDED | FEATURE_MOVE, NULL);
    ret_access->poison = granted(FEATURES_NEEDED | FEATURE_POISON, NULL);
    ret_access->fork_event = granted(FEATURES_NEEDED | UFFD_FEATURE_EVENT_FORK, NULL);
}

int host_io_uring_error(void) {
    struct io_uring_params params = {0};
    int fd = (int)syscall(SYS_io_uring_setup, 1, &params);

    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}
