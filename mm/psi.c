/* SPDX-License-Identifier: MIT */
#include "mm/psi.h"

#include "mm/text.h"

/* Averages decay as those of the load do: fixed point, 11 bits behind the point. */
#define FIXED_1 2048u
#define PERIOD_NS UINT64_C(2000000000)

/* FIXED_1 / exp(2 s / window) */
static const uint32_t decay[PSI_AVERAGES] = {1677, 1981, 2034};

static uint64_t now(const struct machine *m) {
    return m->platform->now_ns(m->platform->host);
}

static bool is_in(const struct machine *m, unsigned state) {
    return m->psi.nr_stalled && (state == PSI_SOME || m->psi.nr_running == 0);
}

/* One step of a decaying average: of avg, which had been active for a share of the period. */
static uint32_t step(uint32_t avg, uint32_t factor, uint32_t active) {
    uint32_t next = avg * factor + active * (FIXED_1 - factor);

    /* Rounded towards where it goes, or it would never arrive. */
    if (active >= avg)
        next += FIXED_1 - 1;
    return next / FIXED_1;
}

/* Time passes until `until`, in the present state. */
static void pass(struct psi *psi, const struct machine *m, uint64_t until) {
    for (unsigned state = 0; state < PSI_STATES && until > psi->seen_ns; state++)
        if (is_in(m, state))
            psi->total_ns[state] += until - psi->seen_ns;
    if (until > psi->seen_ns)
        psi->seen_ns = until;
}

/* Ends a period. */
static void average(struct psi *psi) {
    for (unsigned state = 0; state < PSI_STATES; state++) {
        uint64_t active = psi->total_ns[state] - psi->period_total_ns[state];

        psi->period_total_ns[state] = psi->total_ns[state];
        for (unsigned i = 0; i < PSI_AVERAGES; i++)
            psi->avg[state][i] = step(psi->avg[state][i], decay[i], (uint32_t)(active * 100 * FIXED_1 / PERIOD_NS));
    }
    psi->period_end_ns += PERIOD_NS;
}

/* The slowest average has settled to what the present state makes it after so many periods. */
#define SETTLED 2000u

static void catch_up(struct machine *m, uint64_t time) {
    struct psi *psi = &m->psi;
    unsigned periods = 0;

    /* The first section of all begins the first period. */
    if (psi->period_end_ns == 0) {
        psi->seen_ns = time;
        psi->period_end_ns = time + PERIOD_NS;
    }
    while (time >= psi->period_end_ns) {
        pass(psi, m, psi->period_end_ns);
        average(psi);
        if (++periods == SETTLED) {
            pass(psi, m, time);
            for (unsigned state = 0; state < PSI_STATES; state++)
                psi->period_total_ns[state] = psi->total_ns[state];
            psi->period_end_ns = time + PERIOD_NS;
        }
    }
    pass(psi, m, time);
}

/* Brings everything up to now and changes the state. */
static void change(struct machine *m, int stalled, const unsigned *nr_running) {
    lock_acquire(m->platform, &m->psi.lock);
    catch_up(m, now(m));
    m->psi.nr_stalled += (unsigned)stalled;
    if (nr_running)
        m->psi.nr_running = *nr_running;
    lock_release(m->platform, &m->psi.lock);
}

bool psi_memstall_enter(struct machine *m) {
    if (!m->tune.psi ||
        atomic_fetch_or_explicit(&mm_current(m)->flags, PF_MEMSTALL, memory_order_relaxed) & PF_MEMSTALL)
        return false;
    change(m, 1, NULL);
    return true;
}

void psi_memstall_leave(struct machine *m, bool entered) {
    if (!entered)
        return;
    atomic_fetch_and_explicit(&mm_current(m)->flags, ~(uint32_t)PF_MEMSTALL, memory_order_relaxed);
    change(m, -1, NULL);
}

void psi_set_running(struct machine *m, unsigned nr_running) {
    change(m, 0, &nr_running);
}

void psi_reset(struct machine *m) {
    m->psi = (struct psi){0};
    lock_init(&m->psi.lock, RANK_OOM);
}

void psi_update(struct machine *m) {
    change(m, 0, NULL);
}

unsigned psi_average(struct machine *m, enum psi_state state, enum psi_average which) {
    uint32_t avg;

    psi_update(m);
    lock_acquire(m->platform, &m->psi.lock);
    avg = m->psi.avg[state][which];
    lock_release(m->platform, &m->psi.lock);
    return avg / FIXED_1 * 100 + avg % FIXED_1 * 100 / FIXED_1;
}

uint64_t psi_total_ns(struct machine *m, enum psi_state state) {
    uint64_t total;

    psi_update(m);
    lock_acquire(m->platform, &m->psi.lock);
    total = m->psi.total_ns[state];
    lock_release(m->platform, &m->psi.lock);
    return total;
}

size_t psi_text(struct machine *m, char *buf, size_t size) {
    static const char names[PSI_STATES][8] = {"some", "full"};
    static const char averages[PSI_AVERAGES][12] = {" avg10=", " avg60=", " avg300="};
    struct text text = {buf, size, 0};

    for (unsigned state = 0; state < PSI_STATES; state++) {
        text_str(&text, names[state], 0);
        for (unsigned i = 0; i < PSI_AVERAGES; i++) {
            unsigned avg = psi_average(m, (enum psi_state)state, (enum psi_average)i);

            text_str(&text, averages[i], 0);
            text_unsigned(&text, avg / 100, 0);
            text_str(&text, avg % 100 < 10 ? ".0" : ".", 0);
            text_unsigned(&text, avg % 100, 0);
        }
        text_str(&text, " total=", 0);
        text_unsigned(&text, (unsigned long)(psi_total_ns(m, (enum psi_state)state) / 1000), 0);
        text_str(&text, "\n", 0);
    }
    return text_end(&text);
}
