/* SPDX-License-Identifier: MIT */
#include "swapdev/pool_policy.h"

/*
 * In ns: what a fault costs beside the reading, however many pages it brings, the interrupts included that tell other
 * CPUs of a page which is unmapped for it; to compress a page, and to get it back.
 */
#define FAULT_NS 18000u
#define STORE_NS 5000u
#define LOAD_NS 2500u
/* Until there has been a read: what one page takes from a disk of today. */
#define READ_NS 50000u
/* One that stalls for longer says no more than that the disk is slow. */
#define READ_NS_MAX (1u << 25)
/* Averages follow by a sixteenth; that of the pages which a fault brings is kept in parts of a page. */
#define FOLLOW 16
#define RUN_ONE 256u
/* It is judged once in a sixty-fourth of RAM of evictions; and the target moves by a sixty-fourth. */
#define PERIODS 64u
/* A page is young for so much of RAM of evictions. */
#define YOUNG_PART 4u
/* The target begins at one part of RAM, and is never less than another. */
#define START_PART 10u
#define MIN_PART 16u
#define STEPS 64u
#define ROOM_MIN 24u
#define PERIOD_MIN 512u
#define PERIOD_MAX 8192u
/* What earlier judgements have seen fades by a quarter at each. */
#define FADE 4u
/* One page from the pool of so many that come back soon, for so many judgements: then it is idle. */
#define IDLE_SHARE 64u
#define IDLE_PERIODS 8u
#define REFAULTS_MIN 128u
/* Fewer hits than this say nothing about ages. */
#define HITS_MIN 16u
/*
 * By so much, in quarters, a page of RAM must be worth more in the one place than in the other before anything changes:
 * by one step to the pool, by two to the program; at twice that by twice as many. What is used next may suit a pool
 * less that has grown large, so it grows only for a clear gain, and gives way at once.
 */
#define GROW_MARGIN 6u
#define SHRINK_MARGIN 5u
/* Compressing a page takes 4 to 5 us, and the pool saves 50 of every one that is wanted again, in percent. */
#define USEFUL_PERCENT 4u
#define COPY_PERCENT 10u
/* Of those that pass the pool by, one in so many is stored all the same: it would show that they are wanted again. */
#define SAMPLE 16u

static uint32_t load(const _Atomic uint32_t *word) {
    return atomic_load_explicit(word, memory_order_relaxed);
}

static uint32_t take(_Atomic uint32_t *word) {
    return atomic_exchange_explicit(word, 0, memory_order_relaxed);
}

static void add(_Atomic uint32_t *word) {
    atomic_fetch_add_explicit(word, 1, memory_order_relaxed);
}

static void set(_Atomic bool *flag, bool value) {
    atomic_store_explicit(flag, value, memory_order_relaxed);
}

void pool_policy_init(struct pool_policy *policy, unsigned long ram, unsigned long share) {
    unsigned long room;

    policy->ram = ram < UINT32_MAX / 2 ? (uint32_t)ram : UINT32_MAX / 2;
    /* Room for pages that are stored while the oldest are on their way: for a new zspage at least. */
    room = share / 16 > ROOM_MIN ? share / 16 : ROOM_MIN;
    policy->max = share > room ? share - room : 0;
    policy->min = ram / MIN_PART < policy->max ? ram / MIN_PART : policy->max;
    atomic_store(&policy->target, ram / START_PART < policy->max ? ram / START_PART : policy->max);
    atomic_store(&policy->read_ns, READ_NS);
    atomic_store(&policy->run, RUN_ONE);
    atomic_store(&policy->old_age, UINT32_MAX);
}

uint32_t pool_policy_age(const struct pool_policy *policy, uint32_t stamp) {
    uint32_t age = load(&policy->clock) - stamp;

    /* Stored just now, by another thread whose tick this one has not seen. */
    return age > UINT32_MAX / 2 ? 0 : age;
}

uint32_t pool_policy_young_age(const struct pool_policy *policy) {
    return policy->ram / YOUNG_PART;
}

void pool_policy_note_hit(struct pool_policy *policy, uint32_t stamp) {
    uint32_t age = pool_policy_age(policy, stamp);

    add(&policy->hits);
    if (age < pool_policy_young_age(policy))
        add(&policy->young_hits);
    if (age >= load(&policy->old_age))
        add(&policy->old_hits);
}

static void follow(_Atomic uint32_t *average, uint32_t value) {
    uint32_t old = load(average);
    int64_t step = ((int64_t)value - old) / FOLLOW;

    atomic_store_explicit(average, (uint32_t)(old + step), memory_order_relaxed);
}

void pool_policy_note_run(struct pool_policy *policy, unsigned nr) {
    follow(&policy->run, nr * RUN_ONE);
}

void pool_policy_note_read(struct pool_policy *policy, uint64_t ns, unsigned nr) {
    set(&policy->has_read, true);
    follow(&policy->read_ns, ns / nr < READ_NS_MAX ? (uint32_t)(ns / nr) : READ_NS_MAX);
}

uint32_t pool_policy_read_ns(const struct pool_policy *policy) {
    return atomic_load_explicit(&policy->has_read, memory_order_relaxed) ? load(&policy->read_ns) : 0;
}

bool pool_policy_admits(struct pool_policy *policy, bool copied) {
    if (copied && !atomic_load_explicit(&policy->copies, memory_order_relaxed))
        return false;
    if (atomic_load_explicit(&policy->bypass, memory_order_relaxed) &&
        atomic_fetch_add_explicit(&policy->bypassed, 1, memory_order_relaxed) % SAMPLE != 0)
        return false;
    add(&policy->stores);
    return true;
}

bool pool_policy_is_due(const struct pool_policy *policy) {
    uint32_t period = policy->ram / PERIODS;

    if (period < PERIOD_MIN)
        period = PERIOD_MIN;
    if (period > PERIOD_MAX)
        period = PERIOD_MAX;
    return load(&policy->clock) - load(&policy->judged_at) >= period;
}

/* Has what the pool keeps been wanted often enough to go on compressing all that is evicted? */
static void judge_use(struct pool_policy *policy, bool full, uint32_t evictions, uint32_t stores, uint32_t hits) {
    if (!full)
        set(&policy->bypass, false);
    else if (atomic_load_explicit(&policy->bypass, memory_order_relaxed))
        set(&policy->bypass, (uint64_t)hits * 100 < (uint64_t)evictions * USEFUL_PERCENT);
    else
        set(&policy->bypass, (uint64_t)hits * 100 < (uint64_t)stores * USEFUL_PERCENT);
}

static void shrink_target(struct pool_policy *policy, unsigned steps, unsigned long frames) {
    unsigned long target = atomic_load_explicit(&policy->target, memory_order_relaxed),
                  step = policy->ram / STEPS * steps;

    target = target < frames ? target : frames;
    target = target > policy->min + step ? target - step : policy->min;
    atomic_store_explicit(&policy->target, target, memory_order_relaxed);
}

static void grow_target(struct pool_policy *policy, unsigned steps) {
    unsigned long target = atomic_load_explicit(&policy->target, memory_order_relaxed) + policy->ram / STEPS * steps;

    atomic_store_explicit(&policy->target, target < policy->max ? target : policy->max, memory_order_relaxed);
}

/* Moves the target towards where a page of RAM is worth more. */
static void move_target(struct pool_policy *policy, uint64_t resident, uint64_t pooled, unsigned long frames,
                        bool full) {
    if (resident * 4 > pooled * SHRINK_MARGIN)
        shrink_target(policy, resident * 4 > pooled * 2 * SHRINK_MARGIN ? 4 : 2, frames);
    else if (pooled * 4 > resident * GROW_MARGIN && full)
        grow_target(policy, pooled * 4 > resident * 2 * GROW_MARGIN ? 2 : 1);
}

/*
 * Of what comes back soon after it was evicted hardly a page comes from the pool, and has not for an eighth of RAM of
 * evictions. Then there are no hits to judge by, least of all where what is evicted is dropped, since the file has it:
 * what the pool holds is of no use to anybody. Returns whether that is so.
 */
static bool judge_idleness(struct pool_policy *policy, const struct pool_census *census, uint32_t hits) {
    bool idle = census->refaults >= REFAULTS_MIN && (uint64_t)hits * IDLE_SHARE < census->refaults;

    policy->idle = idle ? policy->idle + 1 : 0;
    return policy->idle > IDLE_PERIODS;
}

/*
 * Takes over the hits since the last judgement. Those of a few say little: a program that goes round finds now young
 * pages, now old.
 */
static void sum_up(struct pool_policy *policy, const struct pool_census *census) {
    policy->young += take(&policy->young_hits) - policy->young / FADE;
    policy->old += take(&policy->old_hits) - policy->old / FADE;
    policy->young_pages += census->young_pages + 1 - policy->young_pages / FADE;
    policy->old_pages += census->pages / 16 + 1 - policy->old_pages / FADE;
}

void pool_policy_judge(struct pool_policy *policy, const struct pool_census *census) {
    uint32_t now = load(&policy->clock), evictions = now - load(&policy->judged_at);
    uint32_t stores = take(&policy->stores), hits = take(&policy->hits);
    uint64_t held = census->pages * 16 / (census->frames + 1); /* by a page of RAM, in sixteenths */
    uint64_t hit_ns = STORE_NS + LOAD_NS + FAULT_NS * RUN_ONE / (load(&policy->run) + 1),
             read_ns = load(&policy->read_ns);
    bool full = census->frames + policy->ram / STEPS >= atomic_load_explicit(&policy->target, memory_order_relaxed);
    uint64_t young, old;

    atomic_store_explicit(&policy->judged_at, now, memory_order_relaxed);
    sum_up(policy, census);
    /* By the chance of a page to be wanted, that is hits over pages; brought to one denominator. */
    young = policy->young * policy->old_pages;
    old = policy->old * policy->young_pages;
    /* Products of these and costs are to fit into 64 bits. */
    for (; (young | old) >> 24; young >>= 1)
        old >>= 1;
    held = held < 1024 ? held : 1024;
    judge_use(policy, full, evictions, stores, hits);
    set(&policy->copies, (uint64_t)hits * 100 >= (uint64_t)stores * COPY_PERCENT && (!full || young > 2 * old));
    /*
     * One page of RAM less for the program, and one more for the pool: the page that the program has used longest ago
     * is the youngest in the pool, and takes a page's room there. The rest of the room keeps so many more of the oldest
     * pages from the file.
     */
    if (judge_idleness(policy, census, hits))
        shrink_target(policy, 2, census->frames);
    else if (census->pages != 0 && policy->young + policy->old >= HITS_MIN)
        move_target(policy, hit_ns * young * 16,
                    held > 16 && read_ns > LOAD_NS ? (read_ns - LOAD_NS) * old * (held - 16) : 0, census->frames, full);
}
