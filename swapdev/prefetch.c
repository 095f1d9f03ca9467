/* SPDX-License-Identifier: MIT */
/*
 * prefetch.c - slots of a swap file that are read before anybody asks for them.
 *
 * A place holds one slot's bytes. Slots are only ever told from each other by their numbers, so the bytes must never be
 * older than the slot's last write: whoever prefetches enters the slot, under the file's lock, before its bytes are
 * asked for, and only if no write of it is pending; whoever writes a slot strikes it out under the same lock.
 */
#include "swapdev/file_state.h"

#include <sched.h>
#include <string.h>

#define RING_ENTRIES 64u
#define NO_PLACE SWAP_FILE_PREFETCH

static char *place_bytes(const struct prefetch *pf, unsigned place) {
    return pf->bytes + place * PAGE_SIZE;
}

static unsigned find_place(const struct prefetch *pf, uint32_t offset, unsigned hint) {
    for (unsigned i = 0; pf->nr_places && i < SWAP_FILE_PREFETCH; i++) {
        unsigned place = (hint + i) % SWAP_FILE_PREFETCH;

        if (pf->states[place] != PREFETCH_NONE && pf->states[place] != PREFETCH_STALE && pf->offsets[place] == offset)
            return place;
    }
    return NO_PLACE;
}

static void set_state(struct prefetch *pf, unsigned place, enum prefetch_state state) {
    if (pf->states[place] != PREFETCH_NONE)
        pf->nr_places--;
    pf->states[place] = (uint8_t)state;
    if (state != PREFETCH_NONE)
        pf->nr_places++;
}

void prefetch_forget(struct swap_file *file, uint32_t offset) {
    struct prefetch *pf = &file->prefetch;
    unsigned place = find_place(pf, offset, 0);

    /* What somebody has taken was right when he asked for it. */
    if (place != NO_PLACE && pf->states[place] != PREFETCH_TAKEN)
        set_state(pf, place, pf->states[place] == PREFETCH_FLYING ? PREFETCH_STALE : PREFETCH_NONE);
}

/* -- completions. Whoever calls these has set `busy`. ---------------------------------------------------------------
 */

/* With file->lock. */
static void note_completion(struct prefetch *pf, uint64_t data, int result) {
    unsigned first = (unsigned)(data >> 32), nr = (unsigned)data;
    unsigned had = result > 0 ? (unsigned)result / PAGE_SIZE : 0;

    for (unsigned i = 0; i < nr; i++) {
        /* What failed is read again by whoever wants it, and reported there. */
        bool good = i < had && pf->states[first + i] == PREFETCH_FLYING;

        set_state(pf, first + i, good ? PREFETCH_READY : PREFETCH_NONE);
    }
}

/* Takes note of what is through. With file->lock. */
static void reap(struct swap_file *file) {
    struct prefetch *pf = &file->prefetch;
    struct io_uring_cqe *cqe;

    while (pf->open && io_uring_peek_cqe(&pf->ring.uring, &cqe) == 0) {
        note_completion(pf, io_uring_cqe_get_data64(cqe), cqe->res);
        io_uring_cqe_seen(&pf->ring.uring, cqe);
    }
}

static bool is_flying(const struct prefetch *pf, unsigned place) {
    return pf->states[place] == PREFETCH_FLYING || pf->states[place] == PREFETCH_STALE;
}

/* Waits until the place is through. With file->lock, which it lets go of meanwhile. */
static void wait_for(struct swap_file *file, unsigned place) {
    struct prefetch *pf = &file->prefetch;

    for (reap(file); is_flying(pf, place); reap(file)) {
        struct io_uring_cqe *cqe;

        file_unlock(file);
        /* No error lets us leave: the bytes are the kernel's until it says otherwise. */
        if (io_uring_wait_cqe(&pf->ring.uring, &cqe) < 0)
            sched_yield();
        file_lock(file);
    }
}

/* -- reading ahead. -------------------------------------------------------------------------------------------------
 */

static bool is_pending(const struct swap_file *file, uint32_t offset) {
    for (unsigned i = 0; i < file->nr_clusters; i++)
        if (cluster_has(&file->clusters[i], offset))
            return true;
    return false;
}

/* Lets go of what has come and is not among the slots; tells where those are that are. */
static void drop_others(struct prefetch *pf, const uint32_t *offsets, unsigned nr, unsigned *ret_places) {
    bool wanted[SWAP_FILE_PREFETCH] = {false};
    unsigned hint = 0;

    for (unsigned i = 0; i < nr; i++) {
        ret_places[i] = find_place(pf, offsets[i], hint);
        if (ret_places[i] == NO_PLACE)
            continue;
        wanted[ret_places[i]] = true;
        hint = ret_places[i] + 1;
    }
    for (unsigned place = 0; place < SWAP_FILE_PREFETCH; place++)
        if (pf->states[place] == PREFETCH_READY && !wanted[place])
            set_state(pf, place, PREFETCH_NONE);
}

static unsigned free_place(struct prefetch *pf) {
    for (unsigned i = 0; i < pf->most; i++) {
        unsigned place = (pf->next + i) % pf->most;

        if (pf->states[place] != PREFETCH_NONE)
            continue;
        pf->next = (place + 1) % pf->most;
        return place;
    }
    return NO_PLACE;
}

/*
 * Gives those of the slots a place that need one. places: by slot, where it is already; on return, the new ones one
 * after the other. Returns how many. With file->lock.
 */
static unsigned enter(struct swap_file *file, const uint32_t *offsets, unsigned nr, unsigned *places) {
    struct prefetch *pf = &file->prefetch;
    unsigned entered = 0;

    for (unsigned i = 0; i < nr; i++) {
        unsigned place;

        /* Told twice, it has its place by now: with two, a write would strike out only one. */
        if (places[i] != NO_PLACE || is_pending(file, offsets[i]) || find_place(pf, offsets[i], 0) != NO_PLACE)
            continue;
        place = free_place(pf);
        if (place == NO_PLACE)
            break;
        pf->offsets[place] = offsets[i];
        set_state(pf, place, PREFETCH_FLYING);
        places[entered++] = place;
    }
    return entered;
}

/* How many of the places from the first on are one run, in memory and in the file. */
static unsigned run_of(const uint32_t *offsets, const unsigned *places, unsigned nr) {
    unsigned len = 1;

    while (len < nr && places[len] == places[0] + len && offsets[places[len]] == offsets[places[0]] + len)
        len++;
    return len;
}

/* Returns how many of the places are under way. offsets: by place. */
static unsigned submit(struct swap_file *file, const uint32_t *offsets, const unsigned *places, unsigned nr) {
    struct prefetch *pf = &file->prefetch;
    unsigned lengths[RING_ENTRIES], runs = 0, done = 0, taken;

    for (unsigned i = 0; i < nr && runs < RING_ENTRIES; i += lengths[runs++]) {
        lengths[runs] = run_of(offsets, places + i, nr - i);
        ring_prepare(&pf->ring, RING_READ, place_bytes(pf, places[i]), lengths[runs] * PAGE_SIZE,
                     slot_position(offsets[places[i]]), (uint64_t)places[i] << 32 | lengths[runs]);
    }
    taken = ring_submit(&pf->ring, runs);
    file_count(&file->read_requests, taken);
    for (unsigned i = 0; i < taken; i++)
        done += lengths[i];
    if (taken < runs)
        pf->refused = true;
    return done;
}

static bool may_read_ahead(struct swap_file *file) {
    struct prefetch *pf = &file->prefetch;

    if (pf->busy || pf->refused || file->flags & SWAP_FILE_NO_URING)
        return false;
    if (!pf->open)
        pf->open = ring_open(&pf->ring, file->fd, RING_ENTRIES) == 0;
    pf->refused = !pf->open;
    return pf->open;
}

void swap_file_prefetch(struct swap_file *file, const uint32_t *offsets, unsigned nr) {
    struct prefetch *pf = &file->prefetch;
    uint32_t by_place[SWAP_FILE_PREFETCH];
    unsigned places[SWAP_FILE_PREFETCH], entered, done;

    if (nr > pf->most)
        nr = pf->most;
    file_lock(file);
    if (!may_read_ahead(file)) {
        file_unlock(file);
        return;
    }
    pf->busy = true;
    reap(file);
    drop_others(pf, offsets, nr, places);
    entered = enter(file, offsets, nr, places);
    memcpy(by_place, pf->offsets, sizeof(by_place));
    file_unlock(file);
    done = entered ? submit(file, by_place, places, entered) : 0;
    file_lock(file);
    for (unsigned i = done; i < entered; i++)
        set_state(pf, places[i], PREFETCH_NONE);
    pf->busy = false;
    file_unlock(file);
}

/* -- using it. ------------------------------------------------------------------------------------------------------
 */

void prefetch_take(struct swap_file *file, const uint32_t *offsets, unsigned nr, char *bytes, enum mm_status *status) {
    struct prefetch *pf = &file->prefetch;
    unsigned hint = 0;

    for (unsigned i = 0; i < nr; i++) {
        unsigned place = NO_PLACE;

        if (status[i] != TO_READ)
            continue;
        file_lock(file);
        if (pf->nr_places)
            place = find_place(pf, offsets[i], hint);
        if (place != NO_PLACE && pf->states[place] == PREFETCH_FLYING && !pf->busy) {
            pf->busy = true;
            wait_for(file, place);
            pf->busy = false;
        }
        if (place == NO_PLACE || pf->states[place] != PREFETCH_READY || pf->offsets[place] != offsets[i]) {
            file_unlock(file);
            continue;
        }
        set_state(pf, place, PREFETCH_TAKEN);
        file_unlock(file);
        memcpy(bytes + i * PAGE_SIZE, place_bytes(pf, place), PAGE_SIZE);
        status[i] = MM_OK;
        file_lock(file);
        set_state(pf, place, PREFETCH_NONE);
        file_unlock(file);
        hint = place + 1;
    }
}

void swap_file_prefetch_drop(struct swap_file *file) {
    struct prefetch *pf = &file->prefetch;

    file_lock(file);
    for (unsigned place = 0; place < SWAP_FILE_PREFETCH; place++) {
        if (is_flying(pf, place))
            wait_for(file, place);
        set_state(pf, place, PREFETCH_NONE);
    }
    file_unlock(file);
}

void prefetch_init(struct swap_file *file, char *memory) {
    file->prefetch.bytes = memory;
    file->prefetch.most = prefetch_most(file->flags);
}

void prefetch_finish(struct swap_file *file) {
    if (!file->prefetch.open)
        return;
    swap_file_prefetch_drop(file);
    ring_close(&file->prefetch.ring);
}
