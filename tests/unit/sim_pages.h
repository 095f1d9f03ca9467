/* SPDX-License-Identifier: MIT */
/*
 * sim_pages.h - what tests on a simulated machine share: a program whose pages each hold their own number, and short
 * ways to what such tests look at.
 */
#ifndef TESTS_SIM_PAGES_H
#define TESTS_SIM_PAGES_H

#include "mm/vmscan.h"
#include "sim/sim.h"

#define SIM_PAGES_REGION 2048

/* 4096 frames, all of the region mapped, no kswapd, and nothing read around a fault. */
struct sim *sim_pages_boot(struct sim_device_config device);
/* With 4096 slots that are written at once. */
struct sim *sim_pages_boot_plain(void);
/* Pages are always deactivated, while less than a quarter are inactive; with twice as many slots as the region has
 * pages. */
struct sim *sim_pages_boot_parking(uint32_t ram_pages, uint32_t region_pages);
/* Waits for what is under way and checks before the end. */
void sim_pages_finish(struct sim *sim);

/* Writes its number to each of the pages. */
void write_pages(struct sim *sim, uint32_t first, uint32_t nr);
void expect_pages(struct sim *sim, uint32_t first, uint32_t nr);
/* Writes to the first nr pages, after which all of them are on the lists and counted. */
void write_listed_pages(struct sim *sim, uint32_t nr);

/* The Normal zone of node 0. */
struct zone *normal_zone(struct sim *sim);
unsigned long vm_event(struct sim *sim, unsigned item);
/* Of a reclaim that may do everything. */
struct scan_control full_scan_control(void);

#endif
