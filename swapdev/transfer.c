/* SPDX-License-Identifier: MIT */
#include "swapdev/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>
#include <unistd.h>

#include "mm/platform.h"

/* A file that keeps saying EAGAIN to a blocking call is broken. */
#define MAX_TRIES 100

/* errno says why a call failed: is it worth another? */
static bool try_again(int fd, unsigned *tries) {
    int flags;

    if (errno == EINTR)
        return true;
    if (errno == EAGAIN) {
        sched_yield();
        return ++*tries < MAX_TRIES;
    }
    if (errno != EINVAL)
        return false;
    flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_DIRECT) && fcntl(fd, F_SETFL, flags & ~O_DIRECT) == 0;
}

/* A short transfer is taken up at the page in which it ended: O_DIRECT wants it so. */
static size_t whole_pages(size_t len) {
    return len & PAGE_MASK;
}

size_t transfer_read(int fd, void *bytes, size_t len, uint64_t position) {
    unsigned tries = 0;
    size_t done = 0;

    while (done < len) {
        ssize_t had = pread(fd, (char *)bytes + done, len - done, (off_t)(position + done));

        if (had >= (ssize_t)PAGE_SIZE)
            done += whole_pages((size_t)had);
        else if (had >= 0 || !try_again(fd, &tries))
            break; /* Less than a page is what the end of a file gives. */
    }
    return done;
}

size_t transfer_write(int fd, const void *bytes, size_t len, uint64_t position) {
    unsigned tries = 0;
    size_t done = 0;

    while (done < len) {
        ssize_t had = pwrite(fd, (const char *)bytes + done, len - done, (off_t)(position + done));

        if (had >= (ssize_t)PAGE_SIZE)
            done += whole_pages((size_t)had);
        else if (had >= 0 ? ++tries >= MAX_TRIES : !try_again(fd, &tries))
            break;
    }
    return done;
}
