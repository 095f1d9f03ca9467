/* SPDX-License-Identifier: MIT */
/*
 * host.h - facts about the machine that weir runs on: its memory, its limits, its userfaultfd.
 */
#ifndef CLI_HOST_H
#define CLI_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

/* RAM in bytes: the machine's, or the smallest memory cgroup limit around this process if that is less. */
uint64_t host_ram_bytes(void);
/* What of it is free or can be had without anybody suffering. */
uint64_t host_ram_available_bytes(void);

/* vm.overcommit_memory: 0, 1, 2; or -1 where it cannot be read. */
int host_overcommit(void);
/* Is the soft limit finite? Its value then is in ret_bytes. */
bool host_is_limited(int resource, uint64_t *ret_bytes);

struct uffd_access {
    int error;                     /* 0, or the errno with which userfaultfd was refused */
    bool device_exists;            /* /dev/userfaultfd */
    int device_error;              /* 0 if it could be opened */
    uint64_t features;             /* that the kernel has */
    bool complete;                 /* those that weir cannot do without are granted */
    bool move, poison, fork_event; /* granted to this process */
};

/* Opens a userfaultfd just as the library will and closes it again. */
void host_probe_uffd(struct uffd_access *ret_access);
/* 0 or the errno with which io_uring is refused. */
int host_io_uring_error(void);

#endif
