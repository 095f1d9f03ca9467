/* SPDX-License-Identifier: MIT */
/* Swap devices with latencies and faults of their own. */
#include <limits.h>
#include <string.h>

#include "mm/backing_dev.h"
#include "mm/lock.h"
#include "mm/page_io.h"
#include "mm/swapfile.h"
#include "sim/internal.h"

static struct sim_device *device_of_type(struct sim *sim, unsigned type) {
    for (unsigned d = 0; d < SIM_DEVICES; d++)
        if (sim->devices[d].online && sim->devices[d].type == type)
            return &sim->devices[d];
    sim_fail(sim, "a swap area that no device stands for");
}

static struct sim_device *device_of(struct sim *sim, swp_entry_t entry) {
    SIM_ASSERT(sim, swp_offset(entry) > 0);
    return device_of_type(sim, swp_type(entry));
}

/* The place on the device. */
static uint32_t place_of(struct sim *sim, swp_entry_t entry) {
    uint64_t block = map_swap_page(sim->machine, entry);

    SIM_ASSERT(sim, block > 0 && block < device_of(sim, entry)->config.nr_slots);
    return (uint32_t)block;
}

static uint8_t *slot_bytes(struct sim_device *device, uint32_t slot) {
    return device->bytes + ((size_t)slot << PAGE_SHIFT);
}

/* Tells two pages apart as well as is needed here. */
static uint64_t digest_of(const uint8_t *bytes) {
    uint64_t digest = 0, word;

    for (size_t i = 0; i < PAGE_SIZE; i += sizeof(word)) {
        memcpy(&word, bytes + i, sizeof(word));
        digest = (digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        digest ^= digest >> 29;
    }
    return digest;
}

/* How much of a write reaches the medium. */
static unsigned reach(struct sim *sim, const struct sim_device *device) {
    if (sim_chance(sim, device->config.torn_permille)) {
        sim->counts.torn++;
        return sim_random(sim, PAGE_SIZE / 512) * 512;
    }
    if (sim_chance(sim, device->config.lost_permille)) {
        sim->counts.lost++;
        return 0;
    }
    return PAGE_SIZE;
}

static void store(struct sim_device *device, uint32_t slot, const void *bytes, unsigned reaches) {
    memcpy(slot_bytes(device, slot), bytes, reaches);
    device->nr_stored += !device->stored[slot];
    device->stored[slot] = true;
}

static void forget(struct sim_device *device, uint32_t slot) {
    device->nr_stored -= device->stored[slot];
    device->stored[slot] = false;
    memset(slot_bytes(device, slot), 0xdf, PAGE_SIZE);
}

bool sim_slot_holds(struct sim *sim, swp_entry_t entry, const uint8_t *bytes) {
    const struct sim_device *device = device_of(sim, entry);
    uint32_t place = place_of(sim, entry);

    return device->stored[place] && device->digests[place] == digest_of(bytes);
}

bool sim_slot_detects_clean(struct sim *sim, swp_entry_t entry) {
    return device_of(sim, entry)->config.detects_clean;
}

static struct sim_write *free_write(struct sim_device *device) {
    for (unsigned i = 0; i < SIM_WRITES; i++)
        if (!device->writes[i].used)
            return &device->writes[i];
    return NULL;
}

uint64_t sim_next_io(struct sim *sim) {
    uint64_t next = sim_files_next_io(sim);

    for (unsigned d = 0; d < SIM_DEVICES; d++)
        for (unsigned i = 0; sim->devices[d].nr_writes && i < SIM_WRITES; i++)
            if (sim->devices[d].writes[i].used && sim->devices[d].writes[i].due < next)
                next = sim->devices[d].writes[i].due;
    return next;
}

static enum mm_status submit(struct sim *sim, struct sim_device *device, uint32_t slot, struct page *page,
                             const void *bytes, enum mm_status status) {
    struct sim_write *write;

    while (!(write = free_write(device)))
        sim_sleep(sim, device->config.latency_ns + 1);
    /* Half of the latency is the device's own, half is chance: writes overtake each other. */
    device->nr_writes++;
    *write = (struct sim_write){
        .used = true,
        .due =
            sim->clock + device->config.latency_ns / 2 + sim_random(sim, (uint32_t)(device->config.latency_ns / 2 + 1)),
        .slot = slot,
        .page = page,
        .status = status,
        .reaches = reach(sim, device),
    };
    memcpy(write->bytes, bytes, PAGE_SIZE);
    return MM_SUBMITTED;
}

void sim_io_task(struct sim *sim, void *arg) {
    (void)arg;
    for (;;) {
        sim_wait_flag(sim, &sim->io_due);
        for (unsigned d = 0; d < SIM_DEVICES; d++) {
            struct sim_device *device = &sim->devices[d];

            for (unsigned i = 0; device->config.async && i < SIM_WRITES; i++) {
                struct sim_write *write = &device->writes[i];

                if (!write->used || write->due > sim->clock)
                    continue;
                if (write->status == MM_OK)
                    store(device, write->slot, write->bytes, write->reaches);
                struct page *page = write->page;
                enum mm_status status = write->status;

                write->used = false;
                device->nr_writes--;
                sim->io_count++;
                end_swap_write(sim->machine, page, status);
            }
        }
        sim_files_complete(sim);
        sim->io_due = sim_next_io(sim) <= sim->clock;
    }
}

static enum mm_status call_swap_write(void *host, swp_entry_t entry, struct page *page, struct mm *mm, uintptr_t addr) {
    struct sim *sim = host;
    struct sim_device *device = device_of(sim, entry);
    uint32_t slot = place_of(sim, entry), n = mm ? sim_page_number(sim, addr) : 0;
    const uint8_t *bytes = mm ? sim->parked + ((size_t)n << PAGE_SHIFT) : page_address(sim->machine, page);
    bool failed;

    sim_point(sim);
    SIM_ASSERT(sim, page_test(page, PG_locked) && page_test(page, PG_swapcache));
    SIM_ASSERT(sim, swap_count(sim->machine, entry) != 0);
    /* The page is parked, unless it has been zapped since or is just being. */
    SIM_ASSERT(sim,
               !mm || sim->mmu[n].parked || atomic_load(&page->owner) == 0 || lock_is_held(&find_block(mm, addr)->ptl));
    if (sim_chance(sim, device->config.reject_permille)) {
        sim->counts.rejected++;
        return MM_REJECTED;
    }
    failed = sim_chance(sim, device->config.write_error_permille);
    sim->counts.writes++;
    sim->counts.write_errors += failed;
    if (failed && !device->config.async)
        return MM_IO;
    device->digests[slot] = digest_of(bytes);
    if (mm && atomic_load(&page->owner) != 0)
        sim_mmu_note_write(sim, n);
    if (device->config.async)
        return submit(sim, device, slot, page, bytes, failed ? MM_IO : MM_OK);
    store(device, slot, bytes, reach(sim, device));
    return MM_OK;
}

static void call_swap_read(void *host, const swp_entry_t *entries, struct page *const *pages, unsigned nr,
                           enum mm_status *status) {
    struct sim *sim = host;
    struct sim_device *device = device_of(sim, entries[0]);

    SIM_ASSERT(sim, nr > 0);
    if (device->config.latency_ns)
        sim_sleep(sim, device->config.latency_ns);
    for (unsigned i = 0; i < nr; i++) {
        uint32_t slot = place_of(sim, entries[i]);
        uint8_t *arena = page_address(sim->machine, pages[i]);

        SIM_ASSERT(sim, swp_type(entries[i]) == swp_type(entries[0]));
        SIM_ASSERT(sim, page_test(pages[i], PG_locked));
        sim->counts.reads++;
        status[i] = MM_OK;
        if (!device->stored[slot] || sim_chance(sim, device->config.read_error_permille)) {
            sim->counts.read_errors++;
            status[i] = MM_IO;
            memset(arena, 0xde, PAGE_SIZE);
            continue;
        }
        memcpy(arena, slot_bytes(device, slot), PAGE_SIZE);
        if (digest_of(arena) != device->digests[slot]) {
            sim->counts.corrupt++;
            status[i] = MM_IO;
        }
    }
}

static void call_swap_slot_free(void *host, swp_entry_t entry) {
    struct sim *sim = host;
    struct sim_device *device = device_of(sim, entry);
    uint32_t place = place_of(sim, entry);

    for (unsigned i = 0; i < SIM_WRITES; i++)
        SIM_ASSERT(sim, !device->writes[i].used || device->writes[i].slot != place);
    forget(device, place);
}

static bool call_swap_write_congested(void *host, unsigned type) {
    const struct sim_device *device = device_of_type(host, type);
    unsigned under_way = 0;

    for (unsigned i = 0; device->config.async && i < SIM_WRITES; i++)
        under_way += device->writes[i].used;
    return under_way >= congestion_on(SIM_WRITES);
}

static bool call_swap_has_room(void *host, unsigned type) {
    struct sim *sim = host;
    const struct sim_device *device = device_of_type(sim, type);

    return device->config.pages_most == 0 || device->nr_stored < device->config.pages_most;
}

enum mm_status sim_swapon(struct sim *sim, unsigned d, const struct swap_source *source, unsigned prio_flags,
                          enum swap_refusal *ret_why) {
    struct sim_device *device = &sim->devices[d];
    enum mm_status status;

    SIM_ASSERT(sim, device->bytes && !device->online);
    device->type = UINT_MAX;
    /* Its type is known, and others may use it, before swapon() returns. */
    device->online = true;
    status = swapon(sim->machine, source, prio_flags, &device->type, ret_why);
    device->online = status == MM_OK;
    return status;
}

enum mm_status sim_swapoff(struct sim *sim, unsigned d) {
    struct sim_device *device = &sim->devices[d];
    enum mm_status status = swapoff(sim->machine, device->type);

    if (status == MM_OK) {
        SIM_ASSERT(sim, device->nr_stored == 0);
        device->online = false;
    }
    return status;
}

static bool call_signal_pending(void *host) {
    return ((struct sim *)host)->signalled;
}

void sim_signal(struct sim *sim, bool pending) {
    sim->signalled = pending;
}

void sim_device_calls(struct platform *platform) {
    platform->signal_pending = call_signal_pending;
    platform->swap_write = call_swap_write;
    platform->swap_read = call_swap_read;
    platform->swap_slot_free = call_swap_slot_free;
    platform->swap_has_room = call_swap_has_room;
    platform->swap_write_congested = call_swap_write_congested;
}
