/* SPDX-License-Identifier: MIT */
/*
 * preload.h - where the libraries lie that `weir run` puts into LD_PRELOAD.
 */
#ifndef CLI_PRELOAD_H
#define CLI_PRELOAD_H

#include <limits.h>

#define ALLOCATOR_PACKAGE "libjemalloc2"
/* The path of another allocator than the one weir would choose; it must call mmap(2) through the dynamic linker. */
#define ALLOCATOR_ENV "WEIR_ALLOCATOR"

struct preload {
    char weir[PATH_MAX];      /* libweir-preload.so */
    char allocator[PATH_MAX]; /* a malloc that maps its memory through calls that the library sees */
};

/* Finds both. Otherwise says what is missing and what to type, and returns EXIT_WEIR_FAILED. */
int preload_find(struct preload *ret_preload);
/* Each alone, silently: 0, or -1 if it is nowhere. */
int preload_find_library(char ret_path[static PATH_MAX]);
int preload_find_allocator(char ret_path[static PATH_MAX]);

#endif
