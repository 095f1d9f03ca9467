/* SPDX-License-Identifier: MIT */
#include "mm/workingset.h"

#include "mm/filemap.h"
#include "mm/swap_state.h"

static uint32_t node_age(const struct pglist_data *node) {
    return (uint32_t)atomic_load_explicit(&node->inactive_age, memory_order_relaxed) & SHADOW_AGE_MASK;
}

static const struct pglist_data *shadow_node(const struct machine *m, uint32_t shadow) {
    return m->nodes[shadow >> SHADOW_NODE_SHIFT & 7u];
}

uint32_t shadow_distance(const struct machine *m, uint32_t shadow) {
    return (node_age(shadow_node(m, shadow)) - shadow) & SHADOW_AGE_MASK;
}

static void age_node(struct machine *m, const struct page *page) {
    atomic_fetch_add_explicit(&m->nodes[page_node(page)]->inactive_age, 1, memory_order_relaxed);
}

/* Are evictions and activations of such pages counted? */
static bool counts(const struct machine *m, const struct page *page) {
    return page_mapping(page) ? m->tune.workingset : m->tune.workingset_anon;
}

uint32_t workingset_eviction(struct machine *m, const struct page *page) {
    if (!counts(m, page))
        return PFN_NONE;
    age_node(m, page);
    if (atomic_load_explicit(&m->nr_shadows, memory_order_relaxed) >= 2 * m->vm_total_pages)
        return PFN_NONE;
    return SHADOW_BIT | page_node(page) << SHADOW_NODE_SHIFT | node_age(m->nodes[page_node(page)]);
}

bool workingset_refault(struct machine *m, uint32_t shadow) {
    const struct pglist_data *node = shadow_node(m, shadow);

    atomic_fetch_add_explicit(&m->workingset_refaults, 1, memory_order_relaxed);
    if (shadow_distance(m, shadow) > node_page_state(m, node->node_id, NR_ACTIVE))
        return false;
    atomic_fetch_add_explicit(&m->workingset_activates, 1, memory_order_relaxed);
    return true;
}

void workingset_activation(struct machine *m, const struct page *page) {
    if (counts(m, page))
        age_node(m, page);
}

void forget_shadow(struct address_space *mapping) {
    mapping->nr_shadows--;
    atomic_fetch_sub_explicit(&mapping->machine->nr_shadows, 1, memory_order_relaxed);
}

unsigned long drop_shadows(struct address_space *mapping, uint32_t start, uint32_t min_age) {
    struct machine *m = mapping->machine;
    swp_entry_t at = {start};
    unsigned long dropped = 0;
    uint32_t value;

    lock_acquire(m->platform, &mapping->lock);
    while (mapping->nr_shadows && (value = swap_index_next(&mapping->pages, &at)) != PFN_NONE) {
        if (is_shadow(value) && shadow_distance(m, value) >= min_age) {
            swap_index_remove(m, &mapping->pages, at);
            forget_shadow(mapping);
            dropped++;
        }
        if (at.val++ == UINT32_MAX)
            break;
    }
    lock_release(m->platform, &mapping->lock);
    return dropped;
}

bool shadows_are_due(struct machine *m) {
    unsigned long age = 0, seen = atomic_load_explicit(&m->shadows_seen, memory_order_relaxed);

    if (atomic_load_explicit(&m->nr_shadows, memory_order_relaxed) <= m->vm_total_pages)
        return false;
    for (unsigned node = 0; node < m->nr_nodes; node++)
        age += atomic_load_explicit(&m->nodes[node]->inactive_age, memory_order_relaxed);
    return age - seen >= m->vm_total_pages / 4 &&
           atomic_compare_exchange_strong_explicit(&m->shadows_seen, &seen, age, memory_order_relaxed,
                                                   memory_order_relaxed);
}

unsigned long drop_old_shadows(struct machine *m) {
    uint32_t most = m->vm_total_pages < SHADOW_AGE_MASK ? (uint32_t)m->vm_total_pages : SHADOW_AGE_MASK;
    unsigned long dropped = drop_swap_shadows(m, most);

    for (struct address_space *mapping = next_file(m, NULL); mapping; mapping = next_file(m, mapping))
        dropped += drop_shadows(mapping, 0, most);
    return dropped;
}
