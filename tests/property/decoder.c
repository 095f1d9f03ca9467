/* SPDX-License-Identifier: MIT */
#include "tests/property/decoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm/mmap.h"

/* How often each kind comes up, of 64. */
static const uint8_t weights[OP_KINDS] = {
    [OP_WRITE] = 12,  [OP_READ] = 11,   [OP_FILL] = 6,    [OP_SCAN] = 6,  [OP_COOL] = 4,
    [OP_PAGEOUT] = 4, [OP_DISCARD] = 3, [OP_MAP] = 2,     [OP_UNMAP] = 2, [OP_LOCK] = 2,
    [OP_UNLOCK] = 2,  [OP_HOLD] = 1,    [OP_RELEASE] = 1, [OP_MOVE] = 2,  [OP_SLEEP] = 1,
    [OP_SWAPOFF] = 1, [OP_SWAPON] = 2,  [OP_TUNE] = 1,    [OP_FAIL] = 1,
};

static const char *const names[OP_KINDS] = {
    [OP_WRITE] = "write",     [OP_READ] = "read",       [OP_FILL] = "fill",       [OP_SCAN] = "scan",
    [OP_COOL] = "cool",       [OP_PAGEOUT] = "pageout", [OP_DISCARD] = "discard", [OP_MAP] = "map",
    [OP_UNMAP] = "unmap",     [OP_LOCK] = "lock",       [OP_UNLOCK] = "unlock",   [OP_HOLD] = "hold",
    [OP_RELEASE] = "release", [OP_MOVE] = "move",       [OP_SLEEP] = "sleep",     [OP_SWAPOFF] = "swapoff",
    [OP_SWAPON] = "swapon",   [OP_TUNE] = "tune",       [OP_FAIL] = "fail",
};

const char *op_name(enum op_kind kind) {
    return names[kind];
}

bool decode_op(struct input *input, uint32_t nr_pages, struct op *ret_op) {
    unsigned draw;
    int kind = 0;

    if (input->used >= input->len)
        return false;
    draw = (unsigned)input_take(input, 1) % 64;
    while (kind < OP_KINDS - 1 && draw >= weights[kind])
        draw -= weights[kind++];
    ret_op->kind = (enum op_kind)kind;
    ret_op->page = (uint32_t)input_take(input, 2) % nr_pages;
    /* Mostly a few pages, now and then many. */
    ret_op->nr = (uint32_t)input_take(input, 1);
    ret_op->nr = ret_op->nr < 224 ? ret_op->nr % 16 + 1 : (ret_op->nr - 223) * 24;
    if (ret_op->nr > nr_pages - ret_op->page)
        ret_op->nr = nr_pages - ret_op->page;
    ret_op->target = (uint32_t)input_take(input, 2) % nr_pages;
    ret_op->value = input_take(input, 4) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    return true;
}

struct model *model_create(struct machine_ops *ops, uint32_t first, uint32_t nr_pages, uint32_t locked_most,
                           bool errors) {
    struct model *model = calloc(1, sizeof(*model));

    *model = (struct model){
        .sim = ops->sim,
        .ops = ops,
        .first = first,
        .nr_pages = nr_pages,
        .locked_most = locked_most,
        .errors = errors,
        .lanes = 1,
        .pages = calloc(nr_pages, sizeof(struct model_page)),
    };
    return model;
}

struct model *model_create_lane(struct machine_ops *ops, uint32_t first, uint32_t nr_pages, unsigned lane,
                                unsigned lanes) {
    struct model *model = model_create(ops, first, nr_pages, 0, false);

    model->lane = lane;
    model->lanes = lanes;
    for (uint32_t i = 0; i < nr_pages; i++)
        model->pages[i].mapped = true;
    return model;
}

static void page_forget(struct model_page *page) {
    free(page->bytes);
    page->bytes = NULL;
    page->holds = 0;
    page->lost = false;
}

void model_destroy(struct model *model) {
    for (uint32_t i = 0; i < model->nr_pages; i++)
        page_forget(&model->pages[i]);
    free(model->pages);
    free(model);
}

static void differ(const struct model *model, const char *what, uint32_t page) {
    fprintf(stderr, "model: %s, page %u at %llu ns\n", what, page, (unsigned long long)sim_now(model->sim));
    abort();
}

/* Whether a touch may go on; checks that it came out as the model says. */
static bool touched(const struct model *model, uint32_t n, enum sim_result result) {
    struct model_page *page = &model->pages[n];

    if (result == SIM_KILLED)
        differ(model, "killed for want of memory", n);
    if ((result == SIM_SEGV) != !page->mapped)
        differ(model, page->mapped ? "a mapped page faults" : "an unmapped page does not fault", n);
    if (result == SIM_SIGBUS) {
        if (!model->errors)
            differ(model, "a page is lost", n);
        page->lost = true;
    }
    return result == SIM_OK;
}

static void check_page(const struct model *model, uint32_t n) {
    static const uint64_t zeros[PAGE_SIZE / 8];
    const struct model_page *page = &model->pages[n];
    const uint64_t *expected = page->bytes ? (const uint64_t *)page->bytes : zeros;
    uint64_t words[PAGE_SIZE / 8];

    if (!touched(model, n, sim_read(model->sim, model->first + n, 0, words, PAGE_SIZE)))
        return;
    for (unsigned i = model->lane; i < PAGE_SIZE / 8; i += model->lanes)
        if (words[i] != expected[i])
            differ(model, "wrong bytes", n);
}

static void write_page(const struct model *model, uint32_t n, uint64_t value) {
    struct model_page *page = &model->pages[n];
    unsigned words = PAGE_SIZE / 8 / model->lanes;
    unsigned offset = ((unsigned)(value >> 7) % words * model->lanes + model->lane) * 8;

    if (!touched(model, n, sim_write(model->sim, model->first + n, offset, &value, sizeof(value))))
        return;
    if (!page->bytes)
        page->bytes = calloc(1, PAGE_SIZE);
    memcpy(page->bytes + offset, &value, sizeof(value));
}

static void map_pages(const struct model *model, const struct op *op, bool mapped) {
    for (uint32_t i = op->page; i < op->page + op->nr; i++) {
        page_forget(&model->pages[i]);
        model->pages[i].mapped = mapped;
        model->pages[i].locked = false;
    }
    if (mapped)
        sim_map(model->sim, model->first + op->page, op->nr, VM_READ | VM_WRITE);
    else
        sim_unmap(model->sim, model->first + op->page, op->nr);
}

static bool all_mapped(const struct model *model, uint32_t first, uint32_t nr) {
    for (uint32_t i = first; i < first + nr; i++)
        if (!model->pages[i].mapped || model->pages[i].lost)
            return false;
    return true;
}

static uint32_t kept(const struct model *model) {
    uint32_t nr = 0;

    for (uint32_t i = 0; i < model->nr_pages; i++)
        nr += model->pages[i].locked || model->pages[i].holds;
    return nr;
}

static void lock_pages(const struct model *model, const struct op *op) {
    enum mm_status status;

    if (!all_mapped(model, op->page, op->nr) || kept(model) + op->nr > model->locked_most)
        return;
    for (uint32_t i = op->page; i < op->page + op->nr; i++)
        model->pages[i].locked = true;
    status = sim_mlock(model->sim, model->first + op->page, op->nr);
    if (status != MM_OK && !(status == MM_IO && model->errors))
        differ(model, "mlock fails", op->page);
    for (uint32_t i = op->page; status == MM_OK && i < op->page + op->nr; i++)
        if ((sim_pte(model->sim, model->first + i) & (PTE_PRESENT | PTE_PARKED | PTE_LOCKED)) !=
            (PTE_PRESENT | PTE_LOCKED))
            differ(model, "a locked page is not there", i);
}

static void hold_page(const struct model *model, uint32_t n) {
    enum mm_status status;

    if (!all_mapped(model, n, 1) || kept(model) >= model->locked_most)
        return;
    status = sim_hold(model->sim, model->first + n);
    if (status == MM_OK)
        model->pages[n].holds++;
    else if (status != MM_IO || !model->errors)
        differ(model, "a hold fails", n);
}

static bool overlap(const struct op *op) {
    return op->target < op->page + op->nr && op->page < op->target + op->nr;
}

static void move_pages(const struct model *model, const struct op *op) {
    if (op->target + op->nr > model->nr_pages || overlap(op) || !all_mapped(model, op->page, op->nr))
        return;
    for (uint32_t i = 1; i < op->nr; i++)
        if (model->pages[op->page + i].locked != model->pages[op->page].locked)
            return; /* mremap works within one area */
    if (sim_move(model->sim, model->first + op->page, model->first + op->target, op->nr) != MM_OK)
        differ(model, "a move fails", op->page);
    for (uint32_t i = 0; i < op->nr; i++) {
        page_forget(&model->pages[op->target + i]);
        model->pages[op->target + i] = model->pages[op->page + i];
        model->pages[op->page + i] = (struct model_page){0};
    }
}

static void change_machine(struct machine_ops *ops, const struct op *op) {
    switch (op->kind) {
    case OP_SWAPOFF:
        machine_ops_swapoff(ops, op->value >> 1);
        break;
    case OP_SWAPON:
        machine_ops_swapon(ops, op->value >> 1);
        break;
    case OP_TUNE:
        machine_ops_tune(ops, op->value >> 1);
        break;
    case OP_FAIL:
        machine_ops_fail(ops, op->value >> 1);
        break;
    default:
        break;
    }
}

void model_apply(struct model *model, const struct op *op) {
    uint32_t end = op->page + op->nr, at = model->first + op->page;

    if (model->lanes > 1 && op->kind > OP_PAGEOUT && op->kind < OP_SLEEP)
        return;
    switch (op->kind) {
    case OP_WRITE:
        write_page(model, op->page, op->value);
        break;
    case OP_READ:
        check_page(model, op->page);
        break;
    case OP_FILL:
        for (uint32_t i = op->page; i < end; i++)
            write_page(model, i, op->value + i);
        break;
    case OP_SCAN:
        for (uint32_t i = end; i > op->page; i--)
            check_page(model, i - 1);
        break;
    case OP_COOL:
    case OP_PAGEOUT:
        sim_cool(model->sim, at, op->nr, op->kind == OP_PAGEOUT);
        break;
    case OP_DISCARD:
        for (uint32_t i = op->page; i < end; i++)
            page_forget(&model->pages[i]);
        sim_discard(model->sim, at, op->nr);
        break;
    case OP_MAP:
    case OP_UNMAP:
        map_pages(model, op, op->kind == OP_MAP);
        break;
    case OP_LOCK:
        lock_pages(model, op);
        break;
    case OP_UNLOCK:
        for (uint32_t i = op->page; i < end; i++)
            model->pages[i].locked = false;
        sim_munlock(model->sim, at, op->nr);
        break;
    case OP_HOLD:
        hold_page(model, op->page);
        break;
    case OP_RELEASE:
        for (uint32_t i = op->page; i < end; i++)
            for (; model->pages[i].holds; model->pages[i].holds--)
                sim_release(model->sim, model->first + i);
        break;
    case OP_MOVE:
        move_pages(model, op);
        break;
    case OP_SLEEP:
        sim_sleep(model->sim, op->value % 1000000);
        break;
    default:
        change_machine(model->ops, op);
        break;
    }
}

void model_verify(struct model *model) {
    for (uint32_t i = 0; i < model->nr_pages; i++)
        check_page(model, i);
}
