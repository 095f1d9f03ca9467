/* SPDX-License-Identifier: MIT */
/*
 * swap_header.h - the first page of a swap area on a device, as mkswap(8) writes it. (specification, section 12.1)
 *
 * Reads and writes a page of memory; knows nothing of devices, and of areas only what the page says.
 */
#ifndef MM_SWAP_HEADER_H
#define MM_SWAP_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "mm/platform.h"

/* Why an area is not taken into use. The texts of swap_refusal_text() say it in words. */
enum swap_refusal {
    SWAP_ACCEPTED,
    SWAP_NOT_ALLOWED,   /* the caller lacks CAP_SYS_ADMIN */
    SWAP_NO_AREA_LEFT,  /* all MAX_SWAPFILES areas are taken */
    SWAP_ACTIVE,        /* the same file or device is in use already */
    SWAP_OLD_FORMAT,    /* "SWAP-SPACE": a format that ended with Linux 2.5 */
    SWAP_NO_MAGIC,      /* no swap area at all */
    SWAP_BAD_VERSION,   /* a version other than 1, or the other byte order */
    SWAP_TOO_SHORT,     /* the file ends before the area does */
    SWAP_TOO_MANY_BAD,  /* more bad pages than the header has room for */
    SWAP_BAD_IN_FILE,   /* bad pages in a regular file */
    SWAP_BAD_MISPLACED, /* a bad page that is not one of 1..last_page-1 */
    SWAP_HOLES,         /* a page of the file that lies nowhere on the device */
    SWAP_EMPTY,         /* no good page */
    SWAP_NO_MEMORY,     /* for the area's tables */
    SWAP_REFUSALS
};
const char *swap_refusal_text(enum swap_refusal why);

#define SWAP_HEADER_BAD_MOST 637u /* as many fit */
#define SWAP_UUID_BYTES 16u
#define SWAP_LABEL_BYTES 16u

/* What a header says. */
struct swap_header {
    uint32_t last_page;               /* slots 1..last_page-1 are the area's, bad ones aside */
    uint32_t nr_bad;                  /* at most SWAP_HEADER_BAD_MOST */
    const uint32_t *bad;              /* [nr_bad], within the page */
    uint8_t uuid[SWAP_UUID_BYTES];    /* the area's name for good */
    char label[SWAP_LABEL_BYTES + 1]; /* NUL-terminated; empty if it has none */
};

/*
 * Reads page 0 of an area, whose file or device has nr_pages pages (0: unknown) and is a regular file or not. Anything
 * but SWAP_ACCEPTED leaves *ret_header as it was.
 */
enum swap_refusal swap_header_read(const void *page, uint64_t nr_pages, bool is_regular,
                                   struct swap_header *ret_header);
/* The same, the other way: PAGE_SIZE bytes, as mkswap(8) leaves them, the boot block zero. */
void swap_header_write(const struct swap_header *header, void *ret_page);

#endif
