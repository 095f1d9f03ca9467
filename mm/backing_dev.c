/* SPDX-License-Identifier: MIT */
#include "mm/backing_dev.h"

void bdi_init(struct machine *m, struct backing_dev_info *bdi, unsigned nr_requests) {
    bdi->machine = m;
    bdi->nr_requests = nr_requests;
    lock_acquire(m->platform, &m->files_lock);
    bdi->next = m->devices;
    m->devices = bdi;
    lock_release(m->platform, &m->files_lock);
}

void bdi_destroy(struct backing_dev_info *bdi) {
    struct machine *m = bdi->machine;
    struct backing_dev_info **link = &m->devices;

    lock_acquire(m->platform, &m->files_lock);
    while (*link != bdi)
        link = &(*link)->next;
    *link = bdi->next;
    atomic_fetch_sub_explicit(&m->completions, atomic_load_explicit(&bdi->completions, memory_order_relaxed),
                              memory_order_relaxed);
    lock_release(m->platform, &m->files_lock);
}

void bdi_request_started(struct backing_dev_info *bdi) {
    if (atomic_fetch_add_explicit(&bdi->in_flight, 1, memory_order_relaxed) + 1 >= congestion_on(bdi->nr_requests))
        atomic_store_explicit(&bdi->congested, true, memory_order_relaxed);
}

bool bdi_request_finished(struct backing_dev_info *bdi) {
    return atomic_fetch_sub_explicit(&bdi->in_flight, 1, memory_order_relaxed) - 1 < congestion_off(bdi->nr_requests) &&
           atomic_exchange_explicit(&bdi->congested, false, memory_order_relaxed);
}

bool bdi_write_congested(const struct backing_dev_info *bdi) {
    return atomic_load_explicit(&bdi->congested, memory_order_relaxed);
}

void bdi_count_completion(struct backing_dev_info *bdi, unsigned long period) {
    struct machine *m = bdi->machine;
    unsigned long sum = 0;

    atomic_fetch_add_explicit(&bdi->completions, 1, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&m->completions, 1, memory_order_relaxed) + 1 <= period)
        return;
    /* What was long ago counts less and less. */
    lock_acquire(m->platform, &m->files_lock);
    for (struct backing_dev_info *each = m->devices; each; each = each->next) {
        unsigned long half = atomic_load_explicit(&each->completions, memory_order_relaxed) / 2;

        atomic_store_explicit(&each->completions, half, memory_order_relaxed);
        sum += half;
    }
    atomic_store_explicit(&m->completions, sum, memory_order_relaxed);
    lock_release(m->platform, &m->files_lock);
}

unsigned long bdi_share(const struct backing_dev_info *bdi, unsigned long limit) {
    unsigned long own = atomic_load_explicit(&bdi->completions, memory_order_relaxed);
    unsigned long all = atomic_load_explicit(&bdi->machine->completions, memory_order_relaxed);

    return all == 0 || own >= all ? limit : (unsigned long)((uint64_t)limit * own / all);
}
