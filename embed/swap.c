/* SPDX-License-Identifier: MIT */
/* Swap areas: the calls of weir/mm.h. */
#include "embed/names.h"
#include "mm/page_io.h"
#include "mm/swapon.h"

enum weir_status weir_swap_add(struct weir_machine *m, uint32_t nr_pages, int prio, unsigned *ret_type) {
    return (enum weir_status)swap_add(machine_of(m), nr_pages, prio, 0, ret_type);
}

enum weir_status weir_swapon(struct weir_machine *m, const struct weir_swap_source *source, unsigned prio_flags,
                             unsigned *ret_type, const char **ret_why) {
    enum swap_refusal why = SWAP_ACCEPTED;
    enum mm_status status = swapon(machine_of(m), (const struct swap_source *)source, prio_flags, ret_type, &why);

    if (status != MM_OK)
        *ret_why = swap_refusal_text(why);
    return (enum weir_status)status;
}

enum weir_status weir_swapoff(struct weir_machine *m, unsigned type) {
    return (enum weir_status)swapoff(machine_of(m), type);
}

uint64_t weir_swap_block(const struct weir_machine *m, struct weir_swap_entry entry) {
    return map_swap_page(machine_of(m), (swp_entry_t){entry.val});
}

void weir_swap_header(uint32_t nr_pages, const char *label, void *ret_page) {
    struct swap_header header = {.last_page = nr_pages - 1};

    for (unsigned i = 0; label && label[i] && i < SWAP_LABEL_BYTES; i++)
        header.label[i] = label[i];
    swap_header_write(&header, ret_page);
}

void weir_swap_write_done(struct weir_machine *m, struct weir_page *page, enum weir_status status) {
    end_swap_write(machine_of(m), page_of(page), (enum mm_status)status);
}
