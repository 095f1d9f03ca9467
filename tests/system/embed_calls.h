/* SPDX-License-Identifier: MIT */
/* embed_calls.h - the facts that the program embed_calls tries, by the files they are in. */
#ifndef TESTS_SYSTEM_EMBED_CALLS_H
#define TESTS_SYSTEM_EMBED_CALLS_H

void file_pages_are_written_dropped_and_read_again(void);
void a_device_is_congested_when_its_queue_is_nearly_full(void);

void a_request_gets_the_kind_of_memory_it_asks_for(void);
void frames_come_and_go_under_a_program(void);
void reclaim_shakes_the_caches(void);
void a_pool_has_something_when_its_allocator_has_not(void);

void what_cannot_be_read_back_is_an_error_never_data(void);
void a_locked_range_stays(void);
void a_held_page_keeps_its_frame_and_a_protected_one_its_bytes(void);

void swapon_says_why_it_refuses(void);
void tunables_have_ranges_and_texts(void);
void stalls_and_slabs_show_in_the_texts(void);

#endif
