/* SPDX-License-Identifier: MIT */
/*
 * stat_ask.h - asks running processes for what they publish on demand only.
 */
#ifndef CLI_STAT_ASK_H
#define CLI_STAT_ASK_H

#include "cli/statsfile.h"

/* The process writes its texts and figures anew. 0 or an exit status after saying why not. */
int ask_for_text(struct statsfile *s, struct weir_process_stats *record);
/*
 * All processes bring their figures up to date, which they do by themselves only now and then. Those that cannot be
 * asked, or do not answer soon, show what they last did.
 */
void ask_for_figures(struct statsfile *s);

#endif
