/* SPDX-License-Identifier: MIT */
/* The program's memory: evicted, locked, held, protected, lost. */
#include "embed_calls.h"
#include "embed_host.h"

void what_cannot_be_read_back_is_an_error_never_data(void) {
    swap_on();
    fill(8);
    weir_mm_evict(mm, ADDRESS(0), ADDRESS(8));
    EXPECT(weir_mm_resident(mm) == 0 && weir_mm_swapped(mm) == 8);
    read_fails = true;
    EXPECT(fault(0) == WEIR_FAULT_SIGBUS && fault(0) == WEIR_FAULT_SIGBUS);
    read_fails = false;
    EXPECT(*touch(1) == (1 ^ 0x5eed));
}

void a_locked_range_stays(void) {
    swap_on();
    fill(8);
    EXPECT(weir_mm_lock(mm, ADDRESS(0), ADDRESS(4)) == WEIR_OK);
    weir_mm_evict(mm, ADDRESS(0), ADDRESS(8));
    EXPECT(weir_mm_resident(mm) == 4 && is_whole(8));
    EXPECT(weir_mm_unlock(mm, ADDRESS(0), ADDRESS(4)) == WEIR_OK);
    weir_mm_discard(mm, ADDRESS(0), ADDRESS(4));
    EXPECT(*touch(0) == 0);
    EXPECT(weir_mm_populate(mm, ADDRESS(0), ADDRESS(8)) == WEIR_OK && weir_mm_resident(mm) == 8);
}

void a_held_page_keeps_its_frame_and_a_protected_one_its_bytes(void) {
    unsigned char vec[4];
    unsigned flags;

    swap_on();
    fill(4);
    EXPECT(weir_mm_hold(mm, ADDRESS(2)) == WEIR_OK);
    EXPECT(weir_mm_hold(mm, ADDRESS(2) + 1) == WEIR_INVAL);
    weir_mm_evict(mm, ADDRESS(0), ADDRESS(4));
    weir_mm_mincore(mm, ADDRESS(0), ADDRESS(4), vec);
    EXPECT(!(vec[0] & 1) && !(vec[1] & 1) && vec[2] & 1 && !(vec[3] & 1));
    weir_mm_release(mm, ADDRESS(2));
    weir_mm_evict(mm, ADDRESS(0), ADDRESS(4));
    EXPECT(weir_mm_resident(mm) == 0);
    EXPECT(weir_mm_protect(mm, ADDRESS(0), ADDRESS(4), WEIR_READ) == WEIR_OK);
    EXPECT(weir_mm_area(mm, ADDRESS(3), &flags) && flags == WEIR_READ);
    EXPECT(weir_mm_area(mm, ADDRESS(4), &flags) && flags == (WEIR_READ | WEIR_WRITE));
    EXPECT(weir_mm_fault(mm, ADDRESS(3), false) == WEIR_FAULT_MAJOR && is_whole(4));
    EXPECT(weir_mm_unmap(mm, ADDRESS(4), ADDRESS(8)) == WEIR_OK);
    EXPECT(weir_mm_protect(mm, ADDRESS(3), ADDRESS(5), WEIR_READ) == WEIR_FAULT);
    EXPECT(weir_mm_find_free(mm, SPACE, 4 * PAGE, PAGE) == ADDRESS(4));
}
