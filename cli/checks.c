/* SPDX-License-Identifier: MIT */
#include "cli/checks.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/complain.h"
#include "cli/host.h"
#include "cli/preload.h"
#include "cli/size.h"
#include "cli/swapdir.h"
#include "runtime/config.h"

#define DISK_LITTLE_BYTES ((uint64_t)1 << 30)

static void __attribute__((format(printf, 3, 4)))
say(struct check *check, enum check_verdict verdict, const char *format, ...) {
    va_list args;

    check->verdict = verdict;
    check->mend[0] = '\0';
    va_start(args, format);
    vsnprintf(check->what, sizeof check->what, format, args);
    va_end(args);
}

static void __attribute__((format(printf, 2, 3))) mend(struct check *check, const char *format, ...) {
    va_list args;

    va_start(args, format);
    vsnprintf(check->mend, sizeof check->mend, format, args);
    va_end(args);
}

static void check_kernel(struct check *check) {
    struct utsname name;

    uname(&name);
    say(check, CHECK_OK, "kernel: %s %s", name.sysname, name.release);
}

static void check_userfaultfd(struct check *check) {
    struct uffd_access access;

    host_probe_uffd(&access);
    if (access.error == 0 && access.complete) {
        say(check, CHECK_OK, "userfaultfd: granted, features 0x%llx", (unsigned long long)access.features);
        return;
    }
    if (access.error == 0) {
        say(check, CHECK_BAD, "userfaultfd: this kernel lacks write protection (features 0x%llx)",
            (unsigned long long)access.features);
        mend(check, "boot Linux 5.7 or later");
        return;
    }
    say(check, CHECK_BAD, "userfaultfd: refused (%s)", strerror(access.error));
    if (access.error == ENOSYS)
        mend(check, "boot a kernel with CONFIG_USERFAULTFD; under a sandbox that hides it, allow userfaultfd");
    else if (access.device_exists && access.device_error == EACCES)
        mend(check, "type: sudo chmod a+rw /dev/userfaultfd");
    else if (access.device_error == 0 || geteuid() == 0)
        mend(check, "a container or sandbox filters it; start that with --device /dev/userfaultfd and a seccomp "
                    "profile that allows userfaultfd, such as docker run --security-opt seccomp=unconfined");
    else if (access.device_exists)
        mend(check, "type: sudo chmod a+rw /dev/userfaultfd, or allow the device in this container");
    else
        mend(check, "type: sudo sysctl vm.unprivileged_userfaultfd=1, or boot Linux 6.1 or later for /dev/userfaultfd");
}

static void check_move(struct check *check) {
    struct uffd_access access;

    host_probe_uffd(&access);
    if (access.move) {
        say(check, CHECK_OK, "UFFDIO_MOVE: there");
    } else {
        say(check, CHECK_LESS, "UFFDIO_MOVE: not there, pages are copied instead");
        mend(check, "for more speed boot Linux 6.8 or later");
    }
}

static void check_poison(struct check *check) {
    struct uffd_access access;

    host_probe_uffd(&access);
    if (access.poison) {
        say(check, CHECK_OK, "UFFDIO_POISON: there");
    } else {
        say(check, CHECK_LESS, "UFFDIO_POISON: not there, a page that cannot be read back ends the program");
        mend(check, "to have it get SIGBUS instead, boot Linux 6.6 or later");
    }
}

static void check_fork_event(struct check *check) {
    struct uffd_access access;

    host_probe_uffd(&access);
    if (access.fork_event) {
        say(check, CHECK_OK, "fork events: granted");
    } else {
        say(check, CHECK_LESS, "fork events: refused, so a fork takes longer");
        mend(check, "run as root or with CAP_SYS_PTRACE");
    }
}

static void check_io_uring(struct check *check) {
    int error = host_io_uring_error();

    if (error == 0) {
        say(check, CHECK_OK, "io_uring: granted");
    } else {
        say(check, CHECK_LESS, "io_uring: refused (%s), the swap file is written without it", strerror(error));
        mend(check, "type: sudo sysctl kernel.io_uring_disabled=0, or allow io_uring in this container");
    }
}

static void check_overcommit(struct check *check) {
    int mode = host_overcommit();

    if (mode == 2) {
        say(check, CHECK_BAD, "vm.overcommit_memory: 2 forbids the address space that weir reserves");
        mend(check, "type: sudo sysctl vm.overcommit_memory=0");
    } else {
        say(check, CHECK_OK, "vm.overcommit_memory: %d", mode);
    }
}

static void check_limit(struct check *check, int resource, const char *title, const char *flag) {
    char size[SIZE_TEXT_MAX];
    uint64_t bytes;

    if (host_is_limited(resource, &bytes)) {
        say(check, CHECK_BAD, "%s: limited to %s, and weir reserves much more than it uses", title,
            size_text(bytes, size));
        mend(check, "type: ulimit %s unlimited, and give the limit as --ram", flag);
    } else {
        say(check, CHECK_OK, "%s: unlimited", title);
    }
}

static void check_address_space(struct check *check) {
    check_limit(check, RLIMIT_AS, "address space (ulimit -v)", "-v");
}

static void check_data(struct check *check) {
    check_limit(check, RLIMIT_DATA, "data size (ulimit -d)", "-d");
}

static void check_library(struct check *check) {
    char path[PATH_MAX];

    if (preload_find_library(path) == 0) {
        say(check, CHECK_OK, "library: %.256s", path);
    } else {
        say(check, CHECK_BAD, "library: libweir-preload.so lies neither beside this command nor in ../lib/weir");
        mend(check, "type: make, or make install");
    }
}

static void check_allocator(struct check *check) {
    char path[PATH_MAX];

    if (preload_find_allocator(path) == 0) {
        say(check, CHECK_OK, "allocator: %.256s", path);
    } else {
        say(check, CHECK_BAD, "allocator: libjemalloc.so.2 is not installed");
        mend(check, "type: sudo apt-get install -y " ALLOCATOR_PACKAGE);
    }
}

static void check_ram(struct check *check) {
    uint64_t whole = host_ram_bytes(), available = host_ram_available_bytes();
    char a[SIZE_TEXT_MAX], b[SIZE_TEXT_MAX];

    if (available / 2 >= WEIR_RAM_MIN_BYTES) {
        say(check, CHECK_OK, "RAM: %s, of which %s are free", size_text(whole, a), size_text(available, b));
    } else {
        say(check, CHECK_BAD, "RAM: only %s of %s are free", size_text(available, b), size_text(whole, a));
        mend(check, "end some programs; weir takes half of what is free and needs %s",
             size_text(WEIR_RAM_MIN_BYTES, a));
    }
}

static void check_disk(struct check *check) {
    char dir[WEIR_SWAP_DIR_MAX], size[SIZE_TEXT_MAX];
    uint64_t bytes;

    if (swapdir_choose(dir, sizeof dir) != 0) {
        say(check, CHECK_BAD, "disk: no directory for swap in TMPDIR, /tmp or /var/tmp");
        mend(check, "give one with --swap DIRECTORY, or do without with --swap none");
        return;
    }
    bytes = swapdir_free_bytes(dir);
    if (bytes < DISK_LITTLE_BYTES) {
        say(check, CHECK_LESS, "disk: only %s free in %.200s", size_text(bytes, size), dir);
        mend(check, "make room there, or give another directory with --swap");
    } else {
        say(check, CHECK_OK, "disk: %s free in %.200s", size_text(bytes, size), dir);
    }
}

check_fn *const checks[] = {
    check_kernel,    check_userfaultfd, check_move,          check_poison, check_fork_event,
    check_io_uring,  check_overcommit,  check_address_space, check_data,   check_library,
    check_allocator, check_ram,         check_disk,
};
const size_t nr_checks = sizeof checks / sizeof checks[0];

int checks_before_run(void) {
    /* Limits first: under them the rest may fail for reasons that would mislead. */
    static check_fn *const needed[] = {check_overcommit, check_address_space, check_data, check_userfaultfd};

    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        struct check check;

        needed[i](&check);
        if (check.verdict == CHECK_BAD)
            return refuse(EXIT_WEIR_FAILED, "%s; %s", check.what, check.mend);
    }
    return 0;
}
