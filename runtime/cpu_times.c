/* SPDX-License-Identifier: MIT */
#include "runtime/cpu_times.h"

#include "runtime/proc_text.h"

/* After "cpu0 ": USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL ... */
#define COLUMNS 8u
#define IDLE_COLUMN 3u
#define IOWAIT_COLUMN 4u

bool cpu_times_read(struct cpu_times *times, unsigned nr) {
    struct text text;
    uint64_t cpu, value;

    if (!text_open(&text, "/proc/stat"))
        return false;
    for (text_skip_line(&text); text_word(&text, "cpu") && text_number(&text, &cpu); text_skip_line(&text)) {
        if (cpu >= nr)
            continue;
        times[cpu] = (struct cpu_times){0};
        for (unsigned i = 0; i < COLUMNS; i++) {
            text_skip_blanks(&text);
            if (!text_number(&text, &value))
                break;
            if (i == IDLE_COLUMN || i == IOWAIT_COLUMN)
                times[cpu].idle += value;
            else
                times[cpu].busy += value;
        }
    }
    text_close(&text);
    return true;
}
