/* SPDX-License-Identifier: MIT */
/*
 * program.h - is COMMAND something that the preloaded library can live in?
 *
 * Follows the command as execvp(3) would: along PATH, through the interpreters of scripts, to an ELF file.
 */
#ifndef CLI_PROGRAM_H
#define CLI_PROGRAM_H

#include <limits.h>

/*
 * Returns 0 and the file that would be executed in ret_path. Otherwise says why not and returns EXIT_NOT_FOUND,
 * EXIT_NOT_RUNNABLE as env(1) does, the latter also for a program that cannot be preloaded.
 */
int program_check(const char *command, char ret_path[static PATH_MAX]);

#endif
