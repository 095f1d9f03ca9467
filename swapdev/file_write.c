/* SPDX-License-Identifier: MIT */
/*
 * file_write.c - the way of a page into a swap file: gathered with its neighbours until the cluster is sent off.
 */
#include "swapdev/file_state.h"

#include <stdatomic.h>
#include <string.h>

/* Windows that fill at the same time: two threads that evict rarely take slots of the same one. */
#define MAX_GATHERING 3u
/* How long to wait before another look for a cluster that can be had. */
#define WAIT_NS 1000000u
/* After so many clusters of which nothing could be written, only every PROBE_INTERVAL-th write is tried. */
#define MAX_FAILURES 8u
#define PROBE_INTERVAL 256u

static bool is_being_written(const struct swap_file *file, uint32_t offset) {
    for (unsigned i = 0; i < file->nr_clusters; i++)
        if (file->clusters[i].state != CLUSTER_GATHERING && cluster_has(&file->clusters[i], offset))
            return true;
    return false;
}

static struct cluster *open_cluster(struct swap_file *file, uint32_t window) {
    for (unsigned i = 0; i < file->nr_clusters; i++) {
        struct cluster *c = &file->clusters[i];

        if (c->state == CLUSTER_FREE) {
            c->state = CLUSTER_GATHERING;
            c->window = window;
            c->slots = 0;
            c->opened = file->nr_opened++;
            file->nr_gathering++;
            atomic_fetch_add_explicit(&file->nr_pending, 1, memory_order_relaxed);
            atomic_fetch_add_explicit(&file->nr_busy, 1, memory_order_relaxed);
            return c;
        }
    }
    return NULL;
}

/* Where this slot may be put now, or NULL. */
static struct cluster *find_cluster(struct swap_file *file, uint32_t offset) {
    /* Requests are carried out in any order: the newer bytes must not be under way together with the older ones. */
    if (is_being_written(file, offset))
        return NULL;
    for (unsigned i = 0; i < file->nr_clusters; i++) {
        struct cluster *c = &file->clusters[i];

        if (c->state == CLUSTER_GATHERING && c->window == offset / CLUSTER_SLOTS)
            return c;
    }
    return file->nr_gathering < MAX_GATHERING ? open_cluster(file, offset / CLUSTER_SLOTS) : NULL;
}

static struct cluster *oldest_gathering(struct swap_file *file) {
    struct cluster *oldest = NULL;

    for (unsigned i = 0; i < file->nr_clusters; i++) {
        struct cluster *c = &file->clusters[i];

        if (c->state == CLUSTER_GATHERING && (!oldest || c->opened < oldest->opened))
            oldest = c;
    }
    return oldest;
}

/* Brings the time nearer when find_cluster() finds one. Lets go of the lock meanwhile. */
static void make_room(struct swap_file *file, uint32_t offset) {
    if (cluster_reap(file))
        return;
    if (!is_being_written(file, offset) && file->nr_gathering >= MAX_GATHERING)
        cluster_send(file, oldest_gathering(file));
    else
        cluster_wait(file, WAIT_NS);
}

/* Does the device refuse this write without a try? */
static bool is_refused(struct swap_file *file) {
    return file->failures >= MAX_FAILURES && ++file->refused % PROBE_INTERVAL != 0;
}

enum mm_status swap_file_write(struct swap_file *file, uint32_t offset, const void *bytes, void *cookie) {
    bool replaced;
    struct cluster *c;
    void *old;

    if (offset >= atomic_load_explicit(&file->nr_slots, memory_order_acquire))
        return MM_INVAL;
    file_lock(file);
    if (is_refused(file)) {
        file_unlock(file);
        return MM_IO;
    }
    while (!(c = find_cluster(file, offset)))
        make_room(file, offset);
    memcpy(cluster_slot(c, offset), bytes, PAGE_SIZE);
    replaced = cluster_has(c, offset);
    old = c->cookies[offset % CLUSTER_SLOTS];
    c->cookies[offset % CLUSTER_SLOTS] = cookie;
    c->slots |= 1ull << offset % CLUSTER_SLOTS;
    if (file->prefetch.nr_places)
        prefetch_forget(file, offset);
    if (c->slots == ~0ull) {
        cluster_send(file, c);
        cluster_reap(file);
    }
    file_unlock(file);
    if (replaced)
        file->done(file->arg, offset, old, MM_OK);
    return MM_SUBMITTED;
}

static void flush(struct swap_file *file) {
    while (file->nr_gathering)
        cluster_send(file, oldest_gathering(file));
}

void swap_file_flush(struct swap_file *file) {
    file_lock(file);
    flush(file);
    file_unlock(file);
}

void swap_file_wait(struct swap_file *file, uint64_t timeout_ns) {
    uint32_t seen;

    file_lock(file);
    seen = atomic_load_explicit(&file->completions, memory_order_relaxed);
    flush(file);
    if (!cluster_reap(file) && swap_file_busy(file) &&
        atomic_load_explicit(&file->completions, memory_order_relaxed) == seen) {
        cluster_wait(file, timeout_ns);
        cluster_reap(file);
    }
    file_unlock(file);
}

bool swap_file_busy(const struct swap_file *file) {
    return atomic_load_explicit(&file->nr_busy, memory_order_acquire) != 0;
}
