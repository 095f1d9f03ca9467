/* SPDX-License-Identifier: MIT */
#include "runtime/bell.h"

#include <sys/mman.h>

#include "runtime/runtime.h"
#include "runtime/sys.h"
#include "runtime/uffd.h"

static uintptr_t bell;

bool bell_reserve(void) {
    long page = sys6(SYS_mmap, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    bell = (uintptr_t)page;
    return page > 0;
}

int bell_register(void) {
    return uffd_register(bell, PAGE_SIZE);
}

bool bell_is_in(uintptr_t start, uintptr_t end) {
    return start < bell + PAGE_SIZE && end > bell;
}

void bell_ring(void) {
    (void)*(volatile const char *)bell;
    sys3(SYS_madvise, bell, PAGE_SIZE, MADV_DONTNEED);
}

bool bell_answer(uintptr_t addr) {
    static const char zeros[PAGE_SIZE] __attribute__((aligned(4096)));

    if (addr != bell)
        return false;
    /* Refused while a fork's event waits to be read, which comes after faults: it rings again then. */
    if (uffd_copy(rt.uffd, bell, zeros, PAGE_SIZE, true) < 0)
        bell_wake();
    return true;
}

void bell_wake(void) {
    uffd_wake(bell, PAGE_SIZE);
}
