/* SPDX-License-Identifier: MIT */
/*
 * file_state.h - what the parts of a swap file share: file.c (the file and its size), file_write.c (gathering),
 * cluster.c (sending off and reaping), file_read.c (reads) and prefetch.c (reads ahead).
 */
#ifndef SWAPDEV_FILE_STATE_H
#define SWAPDEV_FILE_STATE_H

#include "mm/lock.h"
#include "swapdev/file.h"
#include "swapdev/ring.h"

#define CLUSTER_SLOTS 64u /* bits of a bitmap */
#define CLUSTER_BYTES (CLUSTER_SLOTS * PAGE_SIZE)
#define NR_CLUSTERS 8u
/* In memory that is short: more than can gather at a time, so that one of them is sent off or comes back. */
#define NR_CLUSTERS_SMALL 4u
#define PREFETCH_SMALL 32u
#define NR_READ_RINGS 4u
#define READ_RING_ENTRIES 64u

enum cluster_state {
    CLUSTER_FREE,
    CLUSTER_GATHERING,
    CLUSTER_IN_FLIGHT, /* requests are under way, or have completed but nobody has taken note */
    CLUSTER_FINISHING, /* one thread writes by hand what is in `redo` */
    CLUSTER_DONE,      /* that thread calls done() */
};

/*
 * Slots of one aligned window that are on their way to the file. All under file->lock, but for a cluster that is
 * finishing or done, which is its thread's; bytes do not change once it is in flight.
 */
struct cluster {
    enum cluster_state state;
    uint32_t window;   /* of slots window * CLUSTER_SLOTS and up */
    uint64_t slots;    /* bitmap: in this cluster */
    uint64_t redo;     /* of those: no request has written them */
    unsigned requests; /* in flight */
    uint64_t opened;   /* when, in clusters opened */
    char *bytes;       /* (C) CLUSTER_SLOTS pages */
    void *cookies[CLUSTER_SLOTS];
};

enum prefetch_state {
    PREFETCH_NONE,
    PREFETCH_FLYING,
    PREFETCH_STALE, /* in flight, and the slot has been written since */
    PREFETCH_READY,
    PREFETCH_TAKEN, /* somebody copies the bytes */
};

/* Slots read ahead. All under file->lock, but for the ring, which is that thread's that set `busy`. */
struct prefetch {
    struct ring ring;
    bool open, refused; /* the ring */
    bool busy;
    unsigned most;      /* (C) places that have bytes */
    unsigned nr_places; /* that are not PREFETCH_NONE */
    unsigned next;      /* where to look first for a free place */
    uint32_t offsets[SWAP_FILE_PREFETCH];
    uint8_t states[SWAP_FILE_PREFETCH]; /* enum prefetch_state */
    char *bytes;                        /* (C) a page for each place */
};

static inline unsigned clusters_most(unsigned flags) {
    return flags & SWAP_FILE_SMALL ? NR_CLUSTERS_SMALL : NR_CLUSTERS;
}

static inline unsigned prefetch_most(unsigned flags) {
    return flags & SWAP_FILE_SMALL ? PREFETCH_SMALL : SWAP_FILE_PREFETCH;
}

/* (C) constant  (A) atomic  (F) lock  (S) submit_lock. Both are RANK_HOST: no thread holds the two at once. */
struct swap_file {
    const struct platform *platform; /* (C) */
    int fd;                          /* (C) */
    unsigned flags;                  /* (C) enum swap_file_flags */
    uint64_t max_bytes;              /* (C) */
    swap_file_done_fn *done;         /* (C) */
    void *arg;                       /* (C) */

    _Atomic uint32_t nr_slots; /* (A) the file's size; changed by the thread that set `growing` */
    _Atomic bool growing;      /* (A) */
    bool no_fallocate;         /* by that thread */

    struct lock lock;
    unsigned nr_clusters; /* (C) that have bytes */
    struct cluster clusters[NR_CLUSTERS];
    unsigned nr_gathering;        /* (F) */
    uint64_t nr_opened;           /* (F) */
    unsigned nr_waiting;          /* (F) threads in cluster_wait */
    unsigned failures;            /* (F) clusters in a row of which no page could be written */
    unsigned refused;             /* (F) writes since then */
    _Atomic uint32_t nr_pending;  /* (A) clusters whose bytes may not be in the file yet */
    _Atomic uint32_t nr_busy;     /* (A) clusters that are not free */
    _Atomic uint32_t completions; /* (A) counts clusters done; those who wait without a ring wait on it */

    struct lock submit_lock;
    struct ring write_ring;       /* submission (S), completion (F) */
    _Atomic int write_ring_state; /* (A) enum ring_state, changed under (S) */

    struct ring read_rings[NR_READ_RINGS]; /* the thread's that took its bit */
    _Atomic uint32_t free_read_rings;      /* (A) */
    _Atomic uint32_t open_read_rings;      /* (A) */

    struct prefetch prefetch;

    _Atomic uint64_t out_pages, in_pages, write_requests, read_requests, write_errors, read_errors; /* (A) */
};

/* RING_BROKEN: takes no new requests; older ones still complete. */
enum ring_state { RING_NONE, RING_OPEN, RING_BROKEN, RING_REFUSED };

/* Stands in status[] for a slot that is still to be read from the file. */
#define TO_READ MM_SUBMITTED

static inline uint64_t slot_position(uint32_t offset) {
    return (uint64_t)offset << PAGE_SHIFT;
}

static inline void file_count(_Atomic uint64_t *counter, uint64_t n) {
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline void file_lock(struct swap_file *file) {
    lock_acquire(file->platform, &file->lock);
}

static inline void file_unlock(struct swap_file *file) {
    lock_release(file->platform, &file->lock);
}

/* Is this slot's newest content in the cluster and perhaps not yet in the file? With file->lock. */
static inline bool cluster_has(const struct cluster *c, uint32_t offset) {
    return c->state != CLUSTER_FREE && c->state != CLUSTER_DONE && c->window == offset / CLUSTER_SLOTS &&
           (c->slots >> offset % CLUSTER_SLOTS & 1);
}

static inline char *cluster_slot(const struct cluster *c, uint32_t offset) {
    return c->bytes + offset % CLUSTER_SLOTS * PAGE_SIZE;
}

/* cluster.c. These three are called with file->lock and let go of it meanwhile. */

/* Sends a gathered cluster off. */
void cluster_send(struct swap_file *file, struct cluster *c);
/* Takes note of all completions, and reports the clusters that are done. False: there was none. */
bool cluster_reap(struct swap_file *file);
/*
 * Waits until a cluster is done, by whomever, or about timeout_ns. Without a ring all writing is some thread's own,
 * which needs no limit.
 */
void cluster_wait(struct swap_file *file, uint64_t timeout_ns);

/* Copies a slot out of the cluster in which it waits to be written. False: it is in none. Without file->lock. */
bool cluster_read_pending(struct swap_file *file, uint32_t offset, void *bytes);
/* memory: clusters_most() * CLUSTER_BYTES. */
void clusters_init(struct swap_file *file, char *memory);
/* Closes the ring; nothing may be in flight. */
void clusters_finish(struct swap_file *file);

/* prefetch.c. With file->lock: the slot is about to be written. */
void prefetch_forget(struct swap_file *file, uint32_t offset);
/* Copies those of the slots that were read ahead to their pages in bytes, and sets their status to MM_OK. */
void prefetch_take(struct swap_file *file, const uint32_t *offsets, unsigned nr, char *bytes, enum mm_status *status);
/* memory: prefetch_most() pages. */
void prefetch_init(struct swap_file *file, char *memory);
/* Nobody else uses the file any more. */
void prefetch_finish(struct swap_file *file);

void file_read_init(struct swap_file *file);
void file_read_finish(struct swap_file *file);

#endif
