/* SPDX-License-Identifier: MIT */
#include "cli/preload.h"

#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/complain.h"

#define LIBRARY_NAME "libweir-preload.so"
#define ALLOCATOR_NAME "libjemalloc.so.2"

static bool is_there(char path[static PATH_MAX], const char *dir, const char *name) {
    return snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX && access(path, R_OK) == 0;
}

int preload_find_library(char ret_path[static PATH_MAX]) {
    /* Beside the command in a build folder, or in PREFIX/lib/weir with the command in PREFIX/bin. */
    static const char *const places[] = {".", "../lib/weir"};
    char self[PATH_MAX], dir[PATH_MAX + 16], path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

    if (len <= 0)
        return -1;
    self[len] = '\0';
    *strrchr(self, '/') = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        snprintf(dir, sizeof dir, "%s/%s", self, places[i]);
        if (is_there(path, dir, LIBRARY_NAME) && realpath(path, ret_path))
            return 0;
    }
    return -1;
}

int preload_find_allocator(char ret_path[static PATH_MAX]) {
    /* Beyond the directories that the dynamic linker searches by default. */
    static const char *const places[] = {
        "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib",
    };
    const char *chosen = getenv(ALLOCATOR_ENV);
    void *self = dlopen(NULL, RTLD_LAZY);
    Dl_serinfo sizes, *dirs = NULL;
    bool found = false;

    if (chosen && chosen[0]) {
        if (self)
            dlclose(self);
        return snprintf(ret_path, PATH_MAX, "%s", chosen) < PATH_MAX && access(ret_path, R_OK) == 0 ? 0 : -1;
    }
    if (self && dlinfo(self, RTLD_DI_SERINFOSIZE, &sizes) == 0 && (dirs = malloc(sizes.dls_size)) != NULL) {
        if (dlinfo(self, RTLD_DI_SERINFOSIZE, dirs) == 0 && dlinfo(self, RTLD_DI_SERINFO, dirs) == 0)
            for (unsigned i = 0; i < dirs->dls_cnt && !found; i++)
                found = is_there(ret_path, dirs->dls_serpath[i].dls_name, ALLOCATOR_NAME);
    }
    for (size_t i = 0; i < sizeof places / sizeof places[0] && !found; i++)
        found = is_there(ret_path, places[i], ALLOCATOR_NAME);
    free(dirs);
    if (self)
        dlclose(self);
    return found ? 0 : -1;
}

/* LD_PRELOAD is a list whose separators cannot be quoted. */
static bool can_be_listed(const char *path) {
    return strpbrk(path, " :") == NULL;
}

int preload_find(struct preload *ret_preload) {
    if (preload_find_library(ret_preload->weir) < 0)
        return refuse(EXIT_WEIR_FAILED, LIBRARY_NAME " lies neither beside this command nor in ../lib/weir; build weir "
                                                     "with 'make' or install it with 'make install'");
    if (preload_find_allocator(ret_preload->allocator) < 0) {
        const char *chosen = getenv(ALLOCATOR_ENV);

        if (chosen && chosen[0])
            return refuse(EXIT_WEIR_FAILED, "the allocator '%s' that " ALLOCATOR_ENV " names cannot be read", chosen);
        return refuse(EXIT_WEIR_FAILED, "the allocator " ALLOCATOR_NAME " is not installed; type: sudo apt-get "
                                        "install -y " ALLOCATOR_PACKAGE);
    }
    if (!can_be_listed(ret_preload->weir) || !can_be_listed(ret_preload->allocator))
        return refuse(EXIT_WEIR_FAILED,
                      "the path '%s' holds a space or a colon, which LD_PRELOAD cannot; move weir "
                      "elsewhere",
                      can_be_listed(ret_preload->weir) ? ret_preload->allocator : ret_preload->weir);
    return 0;
}
