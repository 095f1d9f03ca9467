/* SPDX-License-Identifier: MIT */
#include "tests/unit/swap_pages.h"

#include <string.h>

#include "mm/pcp.h"

struct fake *swap_pages_boot(uint32_t nr_pages, unsigned nr_cpus) {
    struct fake *fake = fake_boot(nr_pages, nr_cpus);

    fake->init_task.flags = PF_MEMALLOC;
    /* Threads that share one task: no lock may belong to it. */
    fake->platform.barrier = NULL;
    return fake;
}

void swap_pages_finish(struct fake *fake) {
    assert_int_equal(fake->machine->nr_bad_pages, 0);
    fake->init_task.flags = 0;
    fake_check_and_finish(fake);
}

unsigned long swap_pages_free(struct fake *fake) {
    drain_all_local_pages(fake->machine);
    refresh_vm_stats(fake->machine);
    return global_page_state(fake->machine, NR_FREE_PAGES);
}

uint64_t swap_pages_random(uint64_t *state) {
    uint64_t x = *state += 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

void swap_pages_fill(void *page, uint64_t seed, unsigned noise) {
    uint64_t state = seed, word;

    memset(page, (int)(seed & 0xff), PAGE_SIZE);
    for (unsigned i = 0; i < noise; i += (unsigned)sizeof(word)) {
        word = swap_pages_random(&state);
        memcpy((char *)page + i, &word, noise - i < sizeof(word) ? noise - i : sizeof(word));
    }
}
