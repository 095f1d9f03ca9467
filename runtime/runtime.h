/* SPDX-License-Identifier: MIT */
/*
 * runtime.h - the process as the machine: what the files of runtime/ share.
 */
#ifndef RUNTIME_RUNTIME_H
#define RUNTIME_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm/machine.h"
#include "mm/memory.h"
#include "runtime/config.h"
#include "weir/stats.h"

struct runtime {
    struct weir_config config;          /* (C) */
    struct machine *machine;            /* (C) */
    struct mm *mm;                      /* (C) */
    uintptr_t region_start, region_end; /* (C) the managed range: one reservation, PROT_NONE where nothing is mapped */
    ptrdiff_t shadow_offset;            /* (C) shadow address = address + this */
    char *arena;                        /* (C) bytes of pfn 0 */
    struct weir_process_stats *stats;   /* (C) never NULL */
    int uffd;                           /* (C) valid in the descriptor table of weir's threads only */
    int uffd_device;                    /* /dev/userfaultfd, kept for a later fork; -1 if there is none */
    uint64_t uffd_features;
    bool have_move, have_poison, have_fork_event;
    bool is_weirs_own;  /* (C) started by weir run, not by what that started */
    _Atomic bool up;    /* (A) boot is complete: interposed calls are served */
    bool locked_future; /* mlockall(MCL_FUTURE); under mm->mmap_lock */
};

extern struct runtime rt;

/* Of less RAM than this what weir needs itself would be a good part: smaller buffers for the file, fewer handlers. */
#define SMALL_RAM_BYTES (UINT64_C(128) << 20)

/* -- uffd.c: thin wrappers, 0 or a negative errno. All for weir's threads only. -- */
/* Registers [start, start+len) of the managed range, which must be anonymous mappings, for missing-page faults. */
int uffd_register(uintptr_t start, size_t len);
int uffd_wake(uintptr_t start, size_t len);

/* -- say.c: messages on the program's stderr, from any of weir's threads. No malloc, no stdio. -- */
/* One line "weir: ...". Conversions: %s %d %u %lu %lx %lld and %llu only. */
void weir_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* -- boot.c -- */
/* Starts weir in this process; from the library's constructor. False: says why on stderr and the caller exits 125. */
bool runtime_boot(const struct weir_config *config, const char *stats_path);

/*
 * -- fork.c: around every fork of the program. No signal is delivered to the calling thread from prepare until parent
 * or child. streams: it is fork(), which takes the lock of libc's streams and resets theirs; not _Fork(). --
 */
void fork_prepare(bool streams);
/*
 * 0: the child, if one was made, stands. Else it is ending, because it could not have its memory: -EINTR if another try
 * may well do, -EAGAIN if something is short.
 */
int fork_parent(void);
void fork_child(void);

#endif
