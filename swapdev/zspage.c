/* SPDX-License-Identifier: MIT */
#include "swapdev/zspage.h"

#include <string.h>

/*
 * Descriptors of a zspage's frames: lru links of the first one, the list of its class; private of the first one, the
 * number of objects in use and the first free one; owner, the pfn + 1 of the next frame (mapping id 0: nobody's).
 */
#define NO_OBJECT 0xffffu
/* So many bytes of each page may stay unused: a longer zspage is more rarely empty, and its end is further away. */
#define WASTE_MAX (PAGE_SIZE / 64)

static uint32_t in_use(const struct page *head) {
    return head->private & 0xffffu;
}

static uint32_t first_free(const struct page *head) {
    return head->private >> 16;
}

static void set_state(struct page *head, uint32_t used, uint32_t free) {
    head->private = used | free << 16;
}

static struct page *next_frame(const struct machine *m, struct page *page) {
    uint64_t next = atomic_load_explicit(&page->owner, memory_order_relaxed);

    return next ? pfn_to_page(m, (uint32_t)(next - 1)) : NULL;
}

/* The address of byte `offset` of a zspage. */
static char *byte_at(const struct machine *m, struct page *page, size_t offset) {
    for (; offset >= PAGE_SIZE; offset -= PAGE_SIZE)
        page = next_frame(m, page);
    return (char *)page_address(m, page) + offset;
}

/* A free object's first two bytes name the next free one. Sizes are multiples of 64, so they never straddle. */
static uint16_t *link_of(const struct machine *m, const struct size_class *class, struct page *head, uint32_t index) {
    return (uint16_t *)(void *)byte_at(m, head, (size_t)index * class->size);
}

static struct size_class *find_class(struct zspages *zspages, size_t len) {
    return &zspages->classes[zspages->class_of[(len + ZSPAGE_STEP - 1) / ZSPAGE_STEP - 1]];
}

static struct page_list *group_of(struct size_class *class, uint32_t used) {
    return &class->groups[used * ZSPAGE_GROUPS / class->nr_objects];
}

/* Chooses how few pages leave nearly nothing unused at a zspage's end; if none do, how many leave the least. */
static void size_class_init(struct size_class *class, unsigned size) {
    size_t best = PAGE_SIZE;

    for (unsigned nr = 1; nr <= ZSPAGE_MAX_PAGES && best > WASTE_MAX; nr++) {
        size_t waste = nr * PAGE_SIZE % size / nr;

        if (waste < best) {
            best = waste;
            class->nr_pages = (uint8_t)nr;
        }
    }
    class->size = (uint16_t)size;
    class->nr_objects = (uint16_t)(class->nr_pages * PAGE_SIZE / size);
    for (unsigned i = 0; i < ZSPAGE_GROUPS; i++)
        page_list_init(&class->groups[i]);
}

void zspages_init(struct zspages *zspages, struct frames *frames) {
    zspages->frames = frames;
    for (unsigned i = ZSPAGE_SIZES; i-- > 0;) {
        const struct size_class *larger = i + 1 < ZSPAGE_SIZES ? &zspages->classes[zspages->class_of[i + 1]] : NULL;
        struct size_class *class = &zspages->classes[i];

        size_class_init(class, (i + 1) * ZSPAGE_STEP);
        if (larger && larger->nr_pages == class->nr_pages && larger->nr_objects == class->nr_objects)
            zspages->class_of[i] = zspages->class_of[i + 1];
        else
            zspages->class_of[i] = (uint8_t)i;
    }
    zspages_after_fork(zspages);
}

static void destroy(struct zspages *zspages, struct page *page) {
    while (page) {
        struct page *next = next_frame(zspages->frames->machine, page);

        page->private = 0;
        atomic_store_explicit(&page->owner, 0, memory_order_relaxed);
        frames_free(zspages->frames, page, 0);
        page = next;
    }
}

/* An empty zspage on no list. */
static struct page *create(struct zspages *zspages, const struct size_class *class) {
    const struct machine *m = zspages->frames->machine;
    struct page *head = NULL;

    for (unsigned i = 0; i < class->nr_pages; i++) {
        struct page *page = frames_alloc(zspages->frames, 0);

        if (!page) {
            destroy(zspages, head);
            return NULL;
        }
        page->private = 0;
        atomic_store_explicit(&page->owner, head ? (uint64_t)page_to_pfn(m, head) + 1 : 0, memory_order_relaxed);
        head = page;
    }
    for (uint32_t i = 0; i < class->nr_objects; i++)
        *link_of(m, class, head, i) = (uint16_t)(i + 1 < class->nr_objects ? i + 1 : NO_OBJECT);
    set_state(head, 0, 0);
    return head;
}

static struct page *find_fullest(struct machine *m, struct size_class *class) {
    for (unsigned i = ZSPAGE_GROUPS; i-- > 0;)
        if (!page_list_empty(&class->groups[i]))
            return page_list_first(m, &class->groups[i]);
    return NULL;
}

/* Takes a zspage from the list it was on with `before` objects in use to the one for now; a full one is on none. */
static void relist(struct machine *m, struct size_class *class, struct page *head, uint32_t before, uint32_t now) {
    struct page_list *from = before < class->nr_objects ? group_of(class, before) : NULL;
    struct page_list *to = now < class->nr_objects ? group_of(class, now) : NULL;

    if (from == to)
        return;
    if (from)
        page_list_del(m, from, head);
    if (to)
        page_list_add(m, to, head);
}

bool zspages_alloc(struct zspages *zspages, size_t len, struct zs_object *ret_object) {
    struct machine *m = zspages->frames->machine;
    struct size_class *class = find_class(zspages, len);
    struct page *head;
    uint32_t index, used;

    lock_acquire(m->platform, &class->lock);
    head = find_fullest(m, class);
    if (!head) {
        /* The page allocator's locks rank below this one. */
        lock_release(m->platform, &class->lock);
        head = create(zspages, class);
        if (!head)
            return false;
        lock_acquire(m->platform, &class->lock);
        page_list_add(m, group_of(class, 0), head);
        class->nr_zspages++;
    }
    class->nr_used++;
    used = in_use(head);
    index = first_free(head);
    MM_DEBUG_ASSERT(m, index < class->nr_objects);
    set_state(head, used + 1, *link_of(m, class, head, index));
    relist(m, class, head, used, used + 1);
    lock_release(m->platform, &class->lock);
    *ret_object = (struct zs_object){page_to_pfn(m, head), (uint16_t)index};
    return true;
}

void zspages_free(struct zspages *zspages, size_t len, struct zs_object object) {
    struct machine *m = zspages->frames->machine;
    struct size_class *class = find_class(zspages, len);
    struct page *head = pfn_to_page(m, object.pfn);
    uint32_t used;

    lock_acquire(m->platform, &class->lock);
    used = in_use(head);
    MM_DEBUG_ASSERT(m, used > 0 && used <= class->nr_objects);
    class->nr_used--;
    if (used == 1) {
        class->nr_zspages--;
        /* A class of one object a zspage has it on no list while that is in use. */
        if (used < class->nr_objects)
            page_list_del(m, group_of(class, used), head);
    } else {
        *link_of(m, class, head, object.index) = (uint16_t)first_free(head);
        set_state(head, used - 1, object.index);
        relist(m, class, head, used, used - 1);
    }
    lock_release(m->platform, &class->lock);
    if (used == 1)
        destroy(zspages, head);
}

static uint32_t objects_free(const struct size_class *class) {
    return class->nr_zspages * class->nr_objects - class->nr_used;
}

bool zspages_is_sparse(struct zspages *zspages, size_t len, struct zs_object object) {
    struct machine *m = zspages->frames->machine;
    struct size_class *class = find_class(zspages, len);
    uint64_t used;
    bool sparse;

    lock_acquire(m->platform, &class->lock);
    used = in_use(pfn_to_page(m, object.pfn));
    sparse = objects_free(class) >= class->nr_objects && used < class->nr_objects &&
             used * class->nr_zspages <= class->nr_used;
    lock_release(m->platform, &class->lock);
    return sparse;
}

unsigned long zspages_waste(struct zspages *zspages) {
    struct machine *m = zspages->frames->machine;
    unsigned long pages = 0;

    for (unsigned i = 0; i < ZSPAGE_SIZES; i++) {
        struct size_class *class = &zspages->classes[i];

        lock_acquire(m->platform, &class->lock);
        pages += objects_free(class) / class->nr_objects * class->nr_pages;
        lock_release(m->platform, &class->lock);
    }
    return pages;
}

/* How much of an object lies in the frame in which it begins. */
static size_t first_part(const struct size_class *class, uint16_t index, size_t len) {
    size_t room = PAGE_SIZE - (size_t)index * class->size % PAGE_SIZE;

    return len < room ? len : room;
}

void zspages_write(struct zspages *zspages, size_t len, struct zs_object object, const void *bytes) {
    const struct machine *m = zspages->frames->machine;
    const struct size_class *class = find_class(zspages, len);
    struct page *head = pfn_to_page(m, object.pfn);
    size_t offset = (size_t)object.index * class->size, first = first_part(class, object.index, len);

    memcpy(byte_at(m, head, offset), bytes, first);
    if (first < len)
        memcpy(byte_at(m, head, offset + first), (const char *)bytes + first, len - first);
}

void zspages_read(struct zspages *zspages, size_t len, struct zs_object object, void *bytes) {
    const struct machine *m = zspages->frames->machine;
    const struct size_class *class = find_class(zspages, len);
    struct page *head = pfn_to_page(m, object.pfn);
    size_t offset = (size_t)object.index * class->size, first = first_part(class, object.index, len);

    memcpy(bytes, byte_at(m, head, offset), first);
    if (first < len)
        memcpy((char *)bytes + first, byte_at(m, head, offset + first), len - first);
}

void zspages_after_fork(struct zspages *zspages) {
    for (unsigned i = 0; i < ZSPAGE_SIZES; i++)
        lock_init(&zspages->classes[i].lock, RANK_HOST);
}
