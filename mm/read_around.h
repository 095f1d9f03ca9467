/* SPDX-License-Identifier: MIT */
/*
 * read_around.h - how many neighbours of a swapped page are read along with it, judged by how many get used.
 *
 * One request to a device brings a chunk of pages for little more than one. The page that was touched is mapped; its
 * neighbours, where the platform can, become resident but parked (PG_readahead), on the inactive list. A touch of one
 * is a hit, its eviction a miss, and the window grows or shrinks with them: the fault streams' window is for what is
 * known to come, this one for what may.
 */
#ifndef MM_READ_AROUND_H
#define MM_READ_AROUND_H

#include "mm/machine.h"

/* Pages in the aligned chunk to read: a power of two, 1 where nothing is to be read along. Any thread. */
unsigned read_around_window(struct machine *m);
/* What became of a page with PG_readahead, which this clears: it was touched, or it leaves memory untouched. */
void read_around_hit(struct machine *m, struct page *page);
void read_around_missed(struct machine *m, struct page *page);

#endif
