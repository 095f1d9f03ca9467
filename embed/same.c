/* SPDX-License-Identifier: MIT */
/* The public contract (include/weir/) and the core's own headers say the same: whatever differs does not compile. */
#include <weir/mm.h>

#include "mm/filemap.h"
#include "mm/gfp.h"
#include "mm/memory.h"
#include "mm/mempool.h"
#include "mm/oom_kill.h"
#include "mm/shrinker.h"
#include "mm/swapon.h"

#define SAME_FIELD(core, public, field)                                                                                \
    _Static_assert(offsetof(core, field) == offsetof(public, field) &&                                                 \
                       sizeof(((core *)0)->field) == sizeof(((public *)0)->field),                                     \
                   #public "." #field)
#define SAME_SIZE(core, public) _Static_assert(sizeof(core) == sizeof(public), #public)
#define HAS_ROOM(core, public)                                                                                         \
    _Static_assert(sizeof(core) <= sizeof(public) && _Alignof(core) <= _Alignof(public), #public)
#define SAME_VALUE(core, public) _Static_assert((long)(core) == (long)(public), #public)

#define PLATFORM(field) SAME_FIELD(struct platform, struct weir_platform, field)
PLATFORM(host);
PLATFORM(now_ns);
PLATFORM(sleep);
PLATFORM(congestion_wait);
PLATFORM(yield);
PLATFORM(wait_timeout);
PLATFORM(current);
PLATFORM(cpu);
PLATFORM(in_interrupt);
PLATFORM(signal_pending);
PLATFORM(for_each_task);
PLATFORM(lock_wait);
PLATFORM(lock_wake);
PLATFORM(lock_point);
PLATFORM(barrier);
PLATFORM(lock_taken);
PLATFORM(lock_dropped);
PLATFORM(map_zero);
PLATFORM(map_pages);
PLATFORM(map_parked);
PLATFORM(park);
PLATFORM(unpark);
PLATFORM(parked_is_clean);
PLATFORM(zap);
PLATFORM(discard);
PLATFORM(poison);
PLATFORM(swap_write);
PLATFORM(swap_read);
PLATFORM(swap_block);
PLATFORM(swap_prefetch);
PLATFORM(swap_slot_free);
PLATFORM(swap_has_room);
PLATFORM(swap_write_congested);
PLATFORM(swap_area_name);
PLATFORM(wake_kswapd);
PLATFORM(wake_kcompactd);
PLATFORM(wake_flusher);
PLATFORM(move_frame);
PLATFORM(frame_to_user);
PLATFORM(alloc_failed);
PLATFORM(oom_notify);
PLATFORM(kill);
PLATFORM(wake_oom_reaper);
PLATFORM(panic);
PLATFORM(assert_failed);
_Static_assert(sizeof(struct platform) == offsetof(struct weir_platform, set_page),
               "set_page is no call of the core's");

#define TASK(field) SAME_FIELD(struct task, struct weir_task, field)
TASK(flags);
TASK(reclaim_state);
TASK(backing_dev_info);
TASK(mm);
TASK(parent);
TASK(id);
TASK(oomkilladj);
TASK(oom_score_adj);
TASK(mems_allowed);
TASK(mems_exclusive);
TASK(nice);
TASK(cpu);
TASK(cpu_time_ns);
TASK(start_time_ns);
TASK(comm);
_Static_assert(offsetof(struct task, dirtied) == offsetof(struct weir_task, of_the_core), "of_the_core");
SAME_SIZE(struct task, struct weir_task);

#define MAP(field) SAME_FIELD(struct memory_map, struct weir_memory_map, field)
MAP(ranges);
MAP(nr_ranges);
MAP(nr_cpus);
MAP(nr_nodes);
MAP(cpu_node);
MAP(node_distance);
MAP(range_offline);
MAP(arena);
SAME_SIZE(struct memory_map, struct weir_memory_map);

#define RANGE(field) SAME_FIELD(struct memory_range, struct weir_memory_range, field)
RANGE(start_pfn);
RANGE(nr_pages);
RANGE(node);
RANGE(zone_type);
SAME_SIZE(struct memory_range, struct weir_memory_range);

#define SOURCE(field) SAME_FIELD(struct swap_source, struct weir_swap_source, field)
SOURCE(header);
SOURCE(nr_pages);
SOURCE(is_regular);
SOURCE(identity);
SOURCE(extents);
SOURCE(nr_extents);
SOURCE(area_flags);
SAME_SIZE(struct swap_source, struct weir_swap_source);
SAME_FIELD(struct swap_extent, struct weir_swap_extent, start_page);
SAME_FIELD(struct swap_extent, struct weir_swap_extent, nr_pages);
SAME_FIELD(struct swap_extent, struct weir_swap_extent, start_block);
SAME_SIZE(struct swap_extent, struct weir_swap_extent);
SAME_SIZE(swp_entry_t, struct weir_swap_entry);
SAME_VALUE(SWAP_TYPE_SHIFT, 27);

#define OPERATION(call) SAME_FIELD(struct address_space_operations, struct weir_file_operations, call)
OPERATION(writepage);
OPERATION(releasepage);
OPERATION(referenced);
OPERATION(unmap);
SAME_SIZE(struct address_space_operations, struct weir_file_operations);
SAME_FIELD(struct shrinker, struct weir_shrinker, shrink);
SAME_FIELD(struct shrinker, struct weir_shrinker, seeks);
SAME_SIZE(struct shrinker, struct weir_shrinker);
HAS_ROOM(struct backing_dev_info, struct weir_device);
HAS_ROOM(struct address_space, struct weir_file);
HAS_ROOM(struct mempool, struct weir_pool);

SAME_VALUE(MM_OK, WEIR_OK);
SAME_VALUE(MM_NOMEM, WEIR_NOMEM);
SAME_VALUE(MM_BUSY, WEIR_BUSY);
SAME_VALUE(MM_IO, WEIR_IO);
SAME_VALUE(MM_INVAL, WEIR_INVAL);
SAME_VALUE(MM_REJECTED, WEIR_REJECTED);
SAME_VALUE(MM_SUBMITTED, WEIR_SUBMITTED);
SAME_VALUE(MM_FAULT, WEIR_FAULT);
SAME_VALUE(MM_PERM, WEIR_PERM);
SAME_VALUE(MM_INTERRUPTED, WEIR_INTERRUPTED);

SAME_VALUE(PF_MEMALLOC, WEIR_PF_MEMALLOC);
SAME_VALUE(PF_KSWAPD, WEIR_PF_KSWAPD);
SAME_VALUE(PF_SWAPWRITE, WEIR_PF_SWAPWRITE);
SAME_VALUE(PF_SWAPOFF, WEIR_PF_SWAPOFF);
SAME_VALUE(PF_EXITING, WEIR_PF_EXITING);
SAME_VALUE(PF_LESS_THROTTLE, WEIR_PF_LESS_THROTTLE);
SAME_VALUE(PF_MEMSTALL, WEIR_PF_MEMSTALL);
SAME_VALUE(TIF_MEMDIE, WEIR_TIF_MEMDIE);
SAME_VALUE(TASK_REALTIME, WEIR_TASK_REALTIME);
SAME_VALUE(TASK_IS_INIT, WEIR_TASK_IS_INIT);
SAME_VALUE(TASK_SYS_ADMIN, WEIR_TASK_SYS_ADMIN);
SAME_VALUE(TASK_SYS_RAWIO, WEIR_TASK_SYS_RAWIO);
SAME_VALUE(TASK_SYS_RESOURCE, WEIR_TASK_SYS_RESOURCE);
SAME_VALUE(OOM_DISABLE, WEIR_OOM_DISABLE);
SAME_VALUE(MAP_CLEAN, WEIR_MAP_CLEAN);

SAME_VALUE(PAGE_SIZE, WEIR_PAGE_SIZE);
SAME_VALUE(BLOCK_SIZE, WEIR_BLOCK_SIZE);
SAME_VALUE(MAX_ORDER, WEIR_MAX_ORDER);
SAME_VALUE(ZONE_DMA, WEIR_ZONE_DMA);
SAME_VALUE(ZONE_DMA32, WEIR_ZONE_DMA32);
SAME_VALUE(ZONE_NORMAL, WEIR_ZONE_NORMAL);
SAME_VALUE(ZONE_HIGHMEM, WEIR_ZONE_HIGHMEM);
SAME_VALUE(ZONE_MOVABLE, WEIR_ZONE_MOVABLE);
SAME_VALUE(__GFP_DMA, WEIR_GFP_DMA);
SAME_VALUE(__GFP_HIGHMEM, WEIR_GFP_HIGHMEM);
SAME_VALUE(__GFP_DMA32, WEIR_GFP_DMA32);
SAME_VALUE(__GFP_COLD, WEIR_GFP_COLD);
SAME_VALUE(__GFP_WAIT, WEIR_GFP_WAIT);
SAME_VALUE(__GFP_HIGH, WEIR_GFP_HIGH);
SAME_VALUE(__GFP_IO, WEIR_GFP_IO);
SAME_VALUE(__GFP_FS, WEIR_GFP_FS);
SAME_VALUE(__GFP_NOWARN, WEIR_GFP_NOWARN);
SAME_VALUE(__GFP_REPEAT, WEIR_GFP_REPEAT);
SAME_VALUE(__GFP_NOFAIL, WEIR_GFP_NOFAIL);
SAME_VALUE(__GFP_NORETRY, WEIR_GFP_NORETRY);
SAME_VALUE(__GFP_COMP, WEIR_GFP_COMP);
SAME_VALUE(__GFP_ZERO, WEIR_GFP_ZERO);
SAME_VALUE(__GFP_NOMEMALLOC, WEIR_GFP_NOMEMALLOC);
SAME_VALUE(__GFP_HARDWALL, WEIR_GFP_HARDWALL);
SAME_VALUE(__GFP_THISNODE, WEIR_GFP_THISNODE);
SAME_VALUE(__GFP_RECLAIMABLE, WEIR_GFP_RECLAIMABLE);
SAME_VALUE(__GFP_MOVABLE, WEIR_GFP_MOVABLE);
SAME_VALUE(GFP_ATOMIC, WEIR_GFP_ATOMIC);
SAME_VALUE(GFP_KERNEL, WEIR_GFP_KERNEL);
SAME_VALUE(GFP_NOIO, WEIR_GFP_NOIO);
SAME_VALUE(GFP_NOFS, WEIR_GFP_NOFS);
SAME_VALUE(GFP_TEMPORARY, WEIR_GFP_TEMPORARY);
SAME_VALUE(GFP_USER, WEIR_GFP_USER);
SAME_VALUE(GFP_HIGHUSER, WEIR_GFP_HIGHUSER);
SAME_VALUE(GFP_HIGHUSER_MOVABLE, WEIR_GFP_HIGHUSER_MOVABLE);
SAME_VALUE(VM_READ, WEIR_READ);
SAME_VALUE(VM_WRITE, WEIR_WRITE);
SAME_VALUE(VM_EXEC, WEIR_EXEC);
SAME_VALUE(VM_LOCKED, WEIR_LOCKED);
SAME_VALUE(FAULT_MINOR, WEIR_FAULT_MINOR);
SAME_VALUE(FAULT_SOFT, WEIR_FAULT_SOFT);
SAME_VALUE(FAULT_MAJOR, WEIR_FAULT_MAJOR);
SAME_VALUE(FAULT_SPURIOUS, WEIR_FAULT_SPURIOUS);
SAME_VALUE(FAULT_SIGBUS, WEIR_FAULT_SIGBUS);
SAME_VALUE(FAULT_OOM, WEIR_FAULT_OOM);
SAME_VALUE(SWAP_FLAG_PREFER, 0x8000);
SAME_VALUE(SWAP_SUCCESS, WEIR_UNMAPPED);
SAME_VALUE(SWAP_AGAIN, WEIR_UNMAP_AGAIN);
SAME_VALUE(SWAP_FAIL, WEIR_UNMAP_FAIL);
