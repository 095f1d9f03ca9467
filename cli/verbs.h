/* SPDX-License-Identifier: MIT */
/*
 * verbs.h - the verbs of the command, one file each. Each takes its own argument vector, argv[0] being "weir VERB",
 * and returns the exit status.
 */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

int verb_run(int argc, char **argv);
int verb_doctor(int argc, char **argv);
int verb_stat(int argc, char **argv);

#endif
