/* SPDX-License-Identifier: MIT */
/* Swap areas that are refused, tunables, and texts. */
#include "embed_calls.h"
#include "embed_host.h"

#include <string.h>

void swapon_says_why_it_refuses(void) {
    static char page[PAGE];
    const struct weir_swap_source source = {.header = page, .nr_pages = DISK_PAGES, .identity = 1};
    const char *why = "";
    unsigned area;

    EXPECT(weir_swapon(m, &source, 0, &area, &why) == WEIR_INVAL && strstr(why, "SWAPSPACE2"));
    weir_swap_header(DISK_PAGES + 2, NULL, page);
    EXPECT(weir_swapon(m, &source, 0, &area, &why) == WEIR_INVAL && strstr(why, "shorter"));
    program.flags = 0;
    EXPECT(weir_swapon(m, &source, 0, &area, &why) == WEIR_PERM && strstr(why, "administrator"));
}

void tunables_have_ranges_and_texts(void) {
    static char text[8192];
    unsigned values[5], nr;

    EXPECT(weir_sysctl_write(m, "swappiness", "101") == WEIR_INVAL);
    EXPECT(weir_sysctl_write(m, "swappiness", "10\n") == WEIR_OK);
    EXPECT(weir_sysctl_read(m, "swappiness", values, &nr) == WEIR_OK && nr == 1 && values[0] == 10);
    EXPECT(weir_sysctl_write(m, "compaction", "1") == WEIR_OK && !weir_kcompactd_run(m, 0));
    EXPECT(weir_sysctl_write(m, "no_such", "1") == WEIR_INVAL);
    EXPECT(weir_sysctl_text(m, text, sizeof(text)) < sizeof(text) && strstr(text, "vm.swappiness = 10\n"));
    EXPECT(weir_buddyinfo_text(m, text, sizeof(text)) < sizeof(text) && strncmp(text, "Node 0, zone ", 13) == 0);
    EXPECT(weir_zoneinfo_text(m, text, sizeof(text)) < sizeof(text) && strstr(text, "\n  pages free "));
    EXPECT(weir_vmstat_text(m, text, sizeof(text)) < sizeof(text) && strncmp(text, "nr_free_pages ", 14) == 0);
    EXPECT(weir_swaps_text(m, text, 10) > 10 && strlen(text) == 9);
}

void stalls_and_slabs_show_in_the_texts(void) {
    struct weir_page *page = weir_alloc_pages(m, WEIR_GFP_KERNEL, 0);
    static char text[8192];
    bool begun;

    EXPECT(!weir_stall_begin(m));
    EXPECT(weir_sysctl_write(m, "psi", "1") == WEIR_OK);
    begun = weir_stall_begin(m);
    EXPECT(begun && !weir_stall_begin(m));
    clock_ns += 5000000000;
    weir_stall_end(m, begun);
    weir_psi_set_running(m, 1);
    EXPECT(weir_pressure_text(m, text, sizeof(text)) < sizeof(text) && strstr(text, "some avg10=") &&
           strstr(text, "=5000"));
    weir_count_slab(m, page, true, 1);
    weir_vmstat_update(m, 0);
    EXPECT(weir_vmstat_text(m, text, sizeof(text)) < sizeof(text) && strstr(text, "nr_slab_reclaimable 1\n"));
    weir_count_slab(m, page, true, -1);
    weir_put_page(m, page);
}
