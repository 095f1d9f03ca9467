/* SPDX-License-Identifier: MIT */
/*
 * swapdir.h - the directory in which each process makes its unlinked swap file.
 */
#ifndef CLI_SWAPDIR_H
#define CLI_SWAPDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Checks that path is a directory in which a file can be made, and gives its absolute path. Otherwise says what is
 * wrong and returns EXIT_USAGE; what lies at path is left as it was.
 */
int swapdir_check(const char *path, char *ret_dir, size_t size);
/*
 * Chooses one: $TMPDIR or /tmp, or /var/tmp where that is memory rather than disk. Returns -1, silently, if none
 * will do.
 */
int swapdir_choose(char *ret_dir, size_t size);
/* Bytes that this process may still write there; 0 if that cannot be told. */
uint64_t swapdir_free_bytes(const char *dir);
/* Is it a file system that lives in memory? */
bool swapdir_is_memory(const char *dir);

#endif
