/* SPDX-License-Identifier: MIT */
#include "mm/swap_header.h"

#define MAGIC_BYTES 10u
#define SWAP_VERSION 1u

static const char magic[MAGIC_BYTES + 1] = "SWAPSPACE2";
static const char old_magic[MAGIC_BYTES + 1] = "SWAP-SPACE";

struct swap_header_page {
    uint8_t boot[1024]; /* a disk label or a boot block may lie here */
    uint32_t version, last_page, nr_bad;
    uint8_t uuid[SWAP_UUID_BYTES];
    char label[SWAP_LABEL_BYTES];
    uint32_t padding[117];
    uint32_t bad[SWAP_HEADER_BAD_MOST];
    uint8_t unused[2];
    char magic[MAGIC_BYTES];
};
_Static_assert(sizeof(struct swap_header_page) == PAGE_SIZE, "the header is the area's first page");
_Static_assert(offsetof(struct swap_header_page, bad) == 1536, "the list of bad pages begins in sector 3");

static const char texts[SWAP_REFUSALS][64] = {
    [SWAP_ACCEPTED] = "accepted",
    [SWAP_NOT_ALLOWED] = "only the administrator may change swap areas",
    [SWAP_NO_AREA_LEFT] = "as many swap areas as there can be are in use",
    [SWAP_ACTIVE] = "this file or device is in use as a swap area already",
    [SWAP_OLD_FORMAT] = "a swap area of the old format, SWAP-SPACE; make it anew",
    [SWAP_NO_MAGIC] = "no swap area: the signature SWAPSPACE2 is missing",
    [SWAP_BAD_VERSION] = "a swap area of a version other than 1",
    [SWAP_TOO_SHORT] = "the area is shorter than its header says",
    [SWAP_TOO_MANY_BAD] = "more bad pages than a header can list",
    [SWAP_BAD_IN_FILE] = "a regular file cannot have bad pages",
    [SWAP_BAD_MISPLACED] = "a bad page lies outside the area",
    [SWAP_HOLES] = "the file has holes",
    [SWAP_EMPTY] = "the area has no good page",
    [SWAP_NO_MEMORY] = "no memory for the area's tables",
};

const char *swap_refusal_text(enum swap_refusal why) {
    return (unsigned)why < SWAP_REFUSALS ? texts[why] : "refused";
}

static enum swap_refusal check_bad_pages(const struct swap_header_page *page, bool is_regular) {
    if (page->nr_bad && is_regular)
        return SWAP_BAD_IN_FILE;
    if (page->nr_bad > SWAP_HEADER_BAD_MOST)
        return SWAP_TOO_MANY_BAD;
    for (uint32_t i = 0; i < page->nr_bad; i++)
        if (page->bad[i] == 0 || page->bad[i] >= page->last_page)
            return SWAP_BAD_MISPLACED;
    return SWAP_ACCEPTED;
}

enum swap_refusal swap_header_read(const void *bytes, uint64_t nr_pages, bool is_regular,
                                   struct swap_header *ret_header) {
    const struct swap_header_page *page = bytes;
    enum swap_refusal why;

    if (__builtin_memcmp(page->magic, old_magic, MAGIC_BYTES) == 0)
        return SWAP_OLD_FORMAT;
    if (__builtin_memcmp(page->magic, magic, MAGIC_BYTES) != 0)
        return SWAP_NO_MAGIC;
    if (page->version != SWAP_VERSION)
        return SWAP_BAD_VERSION;
    /* Slot 0 is this page, and the one called last is not used either. */
    if (page->last_page < 2)
        return SWAP_EMPTY;
    if (nr_pages && page->last_page > nr_pages)
        return SWAP_TOO_SHORT;
    why = check_bad_pages(page, is_regular);
    if (why != SWAP_ACCEPTED)
        return why;

    *ret_header = (struct swap_header){.last_page = page->last_page, .nr_bad = page->nr_bad, .bad = page->bad};
    __builtin_memcpy(ret_header->uuid, page->uuid, SWAP_UUID_BYTES);
    __builtin_memcpy(ret_header->label, page->label, SWAP_LABEL_BYTES);
    return SWAP_ACCEPTED;
}

void swap_header_write(const struct swap_header *header, void *ret_page) {
    struct swap_header_page *page = ret_page;

    __builtin_memset(page, 0, sizeof(*page));
    page->version = SWAP_VERSION;
    page->last_page = header->last_page;
    page->nr_bad = header->nr_bad;
    __builtin_memcpy(page->uuid, header->uuid, SWAP_UUID_BYTES);
    __builtin_memcpy(page->label, header->label, SWAP_LABEL_BYTES);
    for (uint32_t i = 0; i < header->nr_bad && i < SWAP_HEADER_BAD_MOST; i++)
        page->bad[i] = header->bad[i];
    __builtin_memcpy(page->magic, magic, MAGIC_BYTES);
}
