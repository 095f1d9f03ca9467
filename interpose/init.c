/* SPDX-License-Identifier: MIT */
/*
 * init.c - the library's constructor: boots weir as the command asked in the environment, or stays out of the way.
 */
#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "interpose/interpose.h"
#include "runtime/config.h"
#include "runtime/runtime.h"
#include "runtime/sys.h"

#define EXIT_WEIR_FAILED 125

static uintptr_t allocator_start, allocator_end;

static void fail(void) {
    sys1(SYS_exit_group, EXIT_WEIR_FAILED);
    __builtin_unreachable();
}

#define REAL_NAME(name) #name,
static const char *const names[] = {REAL_FUNCTIONS(REAL_NAME)};
static void *_Atomic functions[NR_REAL_FUNCTIONS];

void real_functions_find(void) {
    for (unsigned i = 0; i < NR_REAL_FUNCTIONS; i++)
        atomic_store_explicit(&functions[i], dlsym(RTLD_NEXT, names[i]), memory_order_relaxed);
}

void *real_function(enum real_number number) {
    void *function = atomic_load_explicit(&functions[number], memory_order_relaxed);

    /* Somebody may call before the constructor has run. */
    if (!function)
        function = dlsym(RTLD_NEXT, names[number]);
    if (!function) {
        weir_say("this libc has no %s: it is not one weir can work with", names[number]);
        fail();
    }
    return function;
}

static int note_allocator(struct dl_phdr_info *info, size_t size, void *arg) {
    (void)size;
    (void)arg;
    if (!info->dlpi_name || (!strstr(info->dlpi_name, "libjemalloc") && !strstr(info->dlpi_name, "libmimalloc")))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

        if (segment->p_type == PT_LOAD && segment->p_flags & PF_X) {
            allocator_start = info->dlpi_addr + segment->p_vaddr;
            allocator_end = allocator_start + segment->p_memsz;
        }
    }
    return 1;
}

void allocator_find(void) {
    dl_iterate_phdr(note_allocator, NULL);
}

bool allocator_holds(const void *code) {
    return (uintptr_t)code - allocator_start < allocator_end - allocator_start;
}

/* The environment as the loader hands it over: this constructor may run before libc's own. */
static const char *lookup(char **environment, const char *name) {
    size_t len = strlen(name);

    for (; *environment; environment++)
        if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
            return *environment + len + 1;
    return NULL;
}

/*
 * Was this process started by weir itself? Its path of the statistics is /proc/PID/fd/N. What the program starts in
 * turn may have given up what weir needs, and is then let alone, as a static program is.
 */
static bool is_weirs_own(const char *stats) {
    static const char prefix[] = "/proc/";
    long supervisor = 0;

    if (!stats || strncmp(stats, prefix, sizeof(prefix) - 1) != 0)
        return true;
    for (stats += sizeof(prefix) - 1; *stats >= '0' && *stats <= '9'; stats++)
        supervisor = supervisor * 10 + (*stats - '0');
    return sys0(SYS_getppid) == supervisor;
}

__attribute__((constructor)) static void start(int argc, char **argv, char **environment) {
    const char *text = lookup(environment, WEIR_CONFIG_ENV);
    const char *stats = lookup(environment, WEIR_STATS_ENV);
    struct weir_config config;

    (void)argc;
    (void)argv;
    real_functions_find();
    fork_handlers_init();
    if (!text)
        return;
    if (!config_decode(text, &config)) {
        weir_say("the environment variable " WEIR_CONFIG_ENV " makes no sense: it is for 'weir run' to set");
        fail();
    }
    allocator_find();
    rt.is_weirs_own = is_weirs_own(stats);
    if (runtime_boot(&config, stats ? stats : ""))
        return;
    if (rt.is_weirs_own)
        fail();
    weir_say("so process %d runs without weir, and --ram does not bound its memory", (int)sys0(SYS_getpid));
}
