/* SPDX-License-Identifier: MIT */
#include "cli/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli/complain.h"

/* As deep as Linux itself follows interpreters of scripts. */
#define INTERPRETERS_MAX 5
#define HEAD_BYTES 256

#if defined(__x86_64__)
#define NATIVE_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define NATIVE_MACHINE EM_AARCH64
#else
#error "weir does not know this machine's ELF number"
#endif

/* 0 if path can be executed, else an errno. */
static int executable_error(const char *path) {
    struct stat st;

    if (stat(path, &st) < 0)
        return errno;
    if (S_ISDIR(st.st_mode))
        return EISDIR;
    if (!S_ISREG(st.st_mode))
        return EACCES;
    /* Root may execute what somebody may. */
    if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
        return errno;
    return 0;
}

/* Looks for command along PATH. Returns 0 and the path, or an errno: that of a file found but not executable first. */
static int find_on_path(const char *command, char ret_path[static PATH_MAX]) {
    const char *dirs = getenv("PATH");
    int error = ENOENT;

    if (!dirs)
        dirs = "/bin:/usr/bin";
    for (;;) {
        size_t len = strcspn(dirs, ":");
        int found;

        /* An empty entry is the current directory. */
        if (snprintf(ret_path, PATH_MAX, "%.*s/%s", len ? (int)len : 1, len ? dirs : ".", command) < PATH_MAX) {
            found = executable_error(ret_path);
            if (found == 0)
                return 0;
            if (found == EACCES)
                error = EACCES;
        }
        if (dirs[len] == '\0')
            return error;
        dirs += len + 1;
    }
}

static int find_command(const char *command, char ret_path[static PATH_MAX]) {
    int error;

    if (command[0] == '\0')
        return refuse(EXIT_NOT_FOUND, "the command is an empty word");
    if (strchr(command, '/')) {
        if (snprintf(ret_path, PATH_MAX, "%s", command) >= PATH_MAX)
            return refuse(EXIT_NOT_FOUND, "the command's name is longer than a path can be");
        error = executable_error(ret_path);
    } else {
        error = find_on_path(command, ret_path);
    }
    switch (error) {
    case 0:
        return 0;
    case ENOENT:
    case ENOTDIR:
        if (strchr(command, '/'))
            return refuse(EXIT_NOT_FOUND, "'%s' does not exist", command);
        return refuse(EXIT_NOT_FOUND, "'%s': command not found in any directory of PATH", command);
    case EISDIR:
        return refuse(EXIT_NOT_RUNNABLE, "'%s' is a directory, not a command", command);
    case EACCES:
        return refuse(EXIT_NOT_RUNNABLE, "'%s' is not executable; 'chmod +x' makes it so if it is a program", command);
    default:
        return refuse(EXIT_NOT_RUNNABLE, "'%s' cannot be executed: %s", command, strerror(error));
    }
}

/* A program that gains privileges runs in secure mode, where the loader ignores LD_PRELOAD. */
static int check_privileges(const char *command, int fd) {
    struct stat st;

    if (fstat(fd, &st) < 0)
        return refuse(EXIT_NOT_RUNNABLE, "'%s' cannot be looked at: %s", command, strerror(errno));
    if (st.st_mode & S_ISUID)
        return refuse(EXIT_NOT_RUNNABLE,
                      "'%s' is a set-user-id program, which no library can be preloaded into; "
                      "run weir as that user instead",
                      command);
    if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP))
        return refuse(EXIT_NOT_RUNNABLE,
                      "'%s' is a set-group-id program, which no library can be preloaded into; "
                      "run weir as that group instead",
                      command);
    if (geteuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)
        return refuse(EXIT_NOT_RUNNABLE,
                      "'%s' has file capabilities, so no library can be preloaded into it; "
                      "run weir as root instead",
                      command);
    return 0;
}

static int check_interpreter(const char *command, int fd, const Elf64_Phdr *interp) {
    char path[PATH_MAX];
    size_t len = interp->p_filesz < sizeof path ? (size_t)interp->p_filesz : sizeof path - 1;
    ssize_t got = pread(fd, path, len, (off_t)interp->p_offset);
    const char *base;

    if (got <= 0)
        return refuse(EXIT_NOT_RUNNABLE, "'%s' is a damaged ELF file", command);
    path[got] = '\0';
    base = strrchr(path, '/');
    base = base ? base + 1 : path;
    if (strncmp(base, "ld-musl", strlen("ld-musl")) == 0)
        return refuse(EXIT_NOT_RUNNABLE,
                      "'%s' is linked against musl; weir's library needs a program of the GNU "
                      "C library",
                      command);
    if (access(path, F_OK) < 0)
        return refuse(EXIT_NOT_RUNNABLE, "'%s' needs the loader '%s', which does not exist", command, path);
    return 0;
}

static int check_elf(const char *command, int fd) {
    Elf64_Ehdr header;

    if (pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header)
        return refuse(EXIT_NOT_RUNNABLE, "'%s' is a damaged ELF file", command);
    if (header.e_ident[EI_CLASS] != ELFCLASS64)
        return refuse(EXIT_NOT_RUNNABLE, "'%s' is a 32-bit program; weir runs 64-bit programs only", command);
    if (header.e_machine != NATIVE_MACHINE || header.e_ident[EI_DATA] != ELFDATA2LSB)
        return refuse(EXIT_NOT_RUNNABLE, "'%s' is a program for another kind of machine", command);
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
        return refuse(EXIT_NOT_RUNNABLE, "'%s' is an ELF file but no program", command);
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        off_t at = (off_t)(header.e_phoff + (uint64_t)i * header.e_phentsize);

        if (header.e_phentsize < sizeof segment || pread(fd, &segment, sizeof segment, at) != (ssize_t)sizeof segment)
            return refuse(EXIT_NOT_RUNNABLE, "'%s' is a damaged ELF file", command);
        if (segment.p_type == PT_INTERP)
            return check_interpreter(command, fd, &segment);
    }
    return refuse(EXIT_NOT_RUNNABLE,
                  "'%s' is statically linked, so no library can be preloaded into it; "
                  "a dynamically linked build of it would work",
                  command);
}

/* The interpreter in "#! /path argument", or NULL if the line names none. */
static char *script_interpreter(char *line) {
    char *path = line + 2 + strspn(line + 2, " \t");

    path[strcspn(path, " \t\n")] = '\0';
    return path[0] ? path : NULL;
}

int program_check(const char *command, char ret_path[static PATH_MAX]) {
    char path[PATH_MAX];
    char head[HEAD_BYTES + 1];
    int status = find_command(command, ret_path);

    if (status != 0)
        return status;
    strcpy(path, ret_path);
    for (unsigned depth = 0; depth < INTERPRETERS_MAX; depth++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        char *interpreter;
        ssize_t len;

        /* What may be executed but not read cannot be looked at; Linux would not preload into it in secure mode. */
        if (fd < 0)
            return refuse(EXIT_NOT_RUNNABLE, "'%s' cannot be read: %s", path, strerror(errno));
        len = pread(fd, head, HEAD_BYTES, 0);
        head[len > 0 ? len : 0] = '\0';
        if (len >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0) {
            status = check_privileges(command, fd);
            if (status == 0)
                status = check_elf(command, fd);
            close(fd);
            return status;
        }
        close(fd);
        /* A text without "#!" is a shell script: execvp(3) hands it to the shell. */
        interpreter = head[0] == '#' && head[1] == '!' ? script_interpreter(head) : "/bin/sh";
        if (!interpreter)
            return refuse(EXIT_NOT_RUNNABLE, "'%s' is a script whose first line names no interpreter", path);
        if (executable_error(interpreter) != 0)
            return refuse(EXIT_NOT_RUNNABLE, "'%s' is a script for '%s', which cannot be executed", path, interpreter);
        snprintf(path, sizeof path, "%s", interpreter);
    }
    return refuse(EXIT_NOT_RUNNABLE, "'%s' leads through more interpreters than Linux follows", command);
}
