/* SPDX-License-Identifier: MIT */
/*
 * replay_main.c - runs files that a fuzzer has kept, or whole folders of them. Names each before, for it may abort;
 * with --print, each operation too.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BYTES_MOST 65536

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static unsigned nr_files;

static void run_file(const char *path) {
    static uint8_t bytes[BYTES_MOST];
    FILE *file = fopen(path, "rb");
    size_t len;

    if (!file) {
        perror(path);
        exit(1);
    }
    len = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(bytes, len);
    nr_files++;
}

static void run_folder(const char *path) {
    struct dirent **names;
    int nr = scandir(path, &names, NULL, alphasort);

    for (int i = 0; i < nr; i++) {
        char name[4096];

        snprintf(name, sizeof(name), "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            run_file(name);
        free(names[i]);
    }
    if (nr >= 0)
        free(names);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        struct stat stat_of;

        if (strcmp(argv[i], "--print") == 0) {
            setenv("FUZZ_PRINT", "1", 1);
            continue;
        }

        if (stat(argv[i], &stat_of) == 0 && S_ISDIR(stat_of.st_mode))
            run_folder(argv[i]);
        else
            run_file(argv[i]);
    }
    if (nr_files == 0) {
        fprintf(stderr, "usage: fuzz-replay [--print] FILE|FOLDER...\n");
        return 2;
    }
    return 0;
}
