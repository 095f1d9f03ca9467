/* SPDX-License-Identifier: MIT */
#include "swapdev/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "swapdev/file_state.h"

#define GROW_STEP ((uint64_t)64 << 20)
#define GROW_STEP_MIN ((uint64_t)1 << 20)
/* Free space that others keep: this, or a hundredth of a small file system. */
#define KEEP_FREE ((uint64_t)16 << 20)
#define NAME_TRIES 100u
/* What a swap entry can address. */
#define MAX_BYTES ((uint64_t)PAGE_SIZE << 27)

#define STATE_BYTES ((sizeof(struct swap_file) + PAGE_SIZE - 1) & PAGE_MASK)

size_t swap_file_memory(unsigned flags) {
    return STATE_BYTES + clusters_most(flags) * CLUSTER_BYTES + prefetch_most(flags) * PAGE_SIZE;
}

/* Making the file. */

/* ".weir-swap-" and 16 hexadecimal digits. No snprintf: this runs within programs whose malloc it might call. */
static void make_name(char name[32], uint64_t number) {
    static const char prefix[] = ".weir-swap-";
    size_t len = sizeof(prefix) - 1;

    memcpy(name, prefix, len);
    for (unsigned shift = 64; shift > 0; shift -= 4)
        name[len++] = "0123456789abcdef"[number >> (shift - 4) & 15];
    name[len] = '\0';
}

/* For file systems without O_TMPFILE. */
static int open_named(int dir, int flags) {
    uint64_t number = (uint64_t)getpid() << 32;

    for (unsigned i = 0; i < NAME_TRIES; i++) {
        char name[32];
        int fd;

        make_name(name, number + i);
        fd = openat(dir, name, flags | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
        if (fd >= 0) {
            unlinkat(dir, name, 0);
            return fd;
        }
        if (errno != EEXIST)
            break;
    }
    return -errno;
}

static int open_unlinked(int dir, int flags, unsigned file_flags) {
    int fd = file_flags & SWAP_FILE_NO_TMPFILE ? -1 : openat(dir, ".", flags | O_TMPFILE, 0600);

    return fd >= 0 ? fd : open_named(dir, flags);
}

int swap_file_dir(const char *path) {
    int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    return dir < 0 ? -errno : dir;
}

static int make_in(int dir, unsigned file_flags) {
    int flags = O_RDWR | O_CLOEXEC | O_LARGEFILE, fd = -EINVAL;

    if (!(file_flags & SWAP_FILE_NO_DIRECT))
        fd = open_unlinked(dir, flags | O_DIRECT, file_flags);
    /* A file system that knows no O_DIRECT says so here or, some, with the first request. */
    if (fd == -EINVAL)
        fd = open_unlinked(dir, flags, file_flags);
    return fd;
}

int swap_file_make(int dir, unsigned file_flags) {
    int fd = make_in(dir, file_flags), parent;

    if (fd != -ENOENT)
        return fd;
    /* Nothing can be made in a directory that has been removed; where it was will do. */
    parent = openat(dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0)
        return fd;
    fd = make_in(parent, file_flags);
    close(parent);
    return fd;
}

static struct swap_file *file_init(const struct platform *platform, int fd, unsigned flags, void *memory) {
    struct swap_file *file = memory;

    memset(file, 0, sizeof(*file));
    file->platform = platform;
    file->fd = fd;
    file->flags = flags;
    clusters_init(file, (char *)memory + STATE_BYTES);
    prefetch_init(file, (char *)memory + STATE_BYTES + file->nr_clusters * CLUSTER_BYTES);
    file_read_init(file);
    return file;
}

struct swap_file *swap_file_open(const struct platform *platform, const char *dir, uint64_t max_bytes, unsigned flags,
                                 void *memory, swap_file_done_fn *done, void *arg, int *ret_errno) {
    int dir_fd = swap_file_dir(dir), fd = dir_fd < 0 ? dir_fd : swap_file_make(dir_fd, flags);

    if (dir_fd >= 0)
        close(dir_fd);
    if (fd < 0) {
        *ret_errno = fd;
        return NULL;
    }
    return swap_file_open_made(platform, fd, max_bytes, flags, memory, done, arg);
}

struct swap_file *swap_file_open_made(const struct platform *platform, int fd, uint64_t max_bytes, unsigned flags,
                                      void *memory, swap_file_done_fn *done, void *arg) {
    struct swap_file *file = file_init(platform, fd, flags, memory);

    file->max_bytes = (max_bytes < MAX_BYTES ? max_bytes : MAX_BYTES) & PAGE_MASK;
    file->no_fallocate = flags & SWAP_FILE_NO_FALLOCATE;
    file->done = done;
    file->arg = arg;
    return file;
}

struct swap_file *swap_file_adopt(const struct platform *platform, int fd, unsigned flags, void *memory,
                                  int *ret_errno) {
    if (fcntl(fd, F_GETFD) < 0) {
        *ret_errno = -errno;
        return NULL;
    }
    /* Of size 0 and not to grow, so that nothing can be written to it. */
    return file_init(platform, fd, flags, memory);
}

void swap_file_close(struct swap_file *file) {
    while (swap_file_busy(file))
        swap_file_wait(file, UINT64_MAX);
    clusters_finish(file);
    file_read_finish(file);
    prefetch_finish(file);
    close(file->fd);
}

int swap_file_fd(const struct swap_file *file) {
    return file->fd;
}

/* Growing it. */

/* How many more bytes the disk can give the file without going short itself. */
static uint64_t bytes_available(const struct swap_file *file, uint64_t size) {
    struct statvfs disk;
    struct stat stat;
    uint64_t available, keep, owed;

    if (fstatvfs(file->fd, &disk) || fstat(file->fd, &stat))
        return 0;
    available = (uint64_t)disk.f_bavail * disk.f_frsize;
    keep = (uint64_t)disk.f_blocks * disk.f_frsize / 100;
    keep = keep < KEEP_FREE ? keep : KEEP_FREE;
    /* Without fallocate the file has a size that the disk has not paid for yet. */
    owed = (uint64_t)stat.st_blocks * 512 < size ? size - (uint64_t)stat.st_blocks * 512 : 0;
    return available > keep + owed ? available - keep - owed : 0;
}

/* Returns 0 or an errno. */
static int extend(struct swap_file *file, uint64_t size, uint64_t step) {
    if (!file->no_fallocate) {
        int error;

        do
            error = fallocate(file->fd, 0, (off_t)size, (off_t)step) ? errno : 0;
        while (error == EINTR);
        if (error != EOPNOTSUPP && error != ENOSYS)
            return error;
        file->no_fallocate = true;
    }
    return ftruncate(file->fd, (off_t)(size + step)) ? errno : 0;
}

/* Returns the file's new size; the old one if the disk has no room. */
static uint64_t grow_step(struct swap_file *file, uint64_t size) {
    uint64_t left = file->max_bytes - size, available = bytes_available(file, size);

    for (uint64_t step = GROW_STEP; step >= GROW_STEP_MIN; step /= 2) {
        uint64_t now = step < left ? step : left;
        int error;

        if (now > available)
            continue;
        error = extend(file, size, now);
        if (!error)
            return size + now;
        if (error != ENOSPC && error != EDQUOT && error != EFBIG)
            break;
    }
    return size;
}

uint32_t swap_file_grow(struct swap_file *file, uint32_t used, uint32_t wanted) {
    uint32_t nr_slots = atomic_load_explicit(&file->nr_slots, memory_order_acquire);

    /* One thread at a time; the others make do with what there is. */
    if (atomic_exchange_explicit(&file->growing, true, memory_order_acquire))
        return nr_slots;
    nr_slots = atomic_load_explicit(&file->nr_slots, memory_order_relaxed);
    while (slot_position(nr_slots) < file->max_bytes && (nr_slots < used || nr_slots - used < wanted)) {
        uint64_t size = grow_step(file, slot_position(nr_slots));

        if (size == slot_position(nr_slots))
            break;
        nr_slots = (uint32_t)(size >> PAGE_SHIFT);
        atomic_store_explicit(&file->nr_slots, nr_slots, memory_order_release);
    }
    atomic_store_explicit(&file->growing, false, memory_order_release);
    return nr_slots;
}

void swap_file_get_stats(const struct swap_file *file, struct swap_file_stats *ret_stats) {
    *ret_stats = (struct swap_file_stats){
        .out_pages = atomic_load_explicit(&file->out_pages, memory_order_relaxed),
        .in_pages = atomic_load_explicit(&file->in_pages, memory_order_relaxed),
        .write_requests = atomic_load_explicit(&file->write_requests, memory_order_relaxed),
        .read_requests = atomic_load_explicit(&file->read_requests, memory_order_relaxed),
        .write_errors = atomic_load_explicit(&file->write_errors, memory_order_relaxed),
        .read_errors = atomic_load_explicit(&file->read_errors, memory_order_relaxed),
    };
}
