/* SPDX-License-Identifier: MIT */
#include "cli/statsfile.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMFD_NAME "weir"
#define MEMFD_LINK "/memfd:" MEMFD_NAME

static int map_file(struct statsfile *s) {
    int prot = PROT_READ | (s->writable ? PROT_WRITE : 0);
    void *map = mmap(NULL, sizeof *s->file, prot, MAP_SHARED, s->fd, 0);

    if (map == MAP_FAILED)
        return -errno;
    s->file = map;
    return 0;
}

int statsfile_create(const char *config, struct statsfile *ret) {
    struct statsfile s = {.writable = true};
    int error;

    s.fd = memfd_create(MEMFD_NAME, MFD_CLOEXEC);
    if (s.fd < 0)
        return -errno;
    error = ftruncate(s.fd, (off_t)sizeof *s.file) < 0 ? -errno : map_file(&s);
    if (error < 0) {
        close(s.fd);
        return error;
    }
    s.file->magic = WEIR_STATS_MAGIC;
    s.file->version = WEIR_STATS_VERSION;
    s.file->record_bytes = sizeof s.file->process[0];
    s.file->supervisor_pid = (uint32_t)getpid();
    snprintf(s.file->config, sizeof s.file->config, "%s", config);
    *ret = s;
    return 0;
}

static bool is_valid(const struct statsfile *s) {
    return s->file->magic == WEIR_STATS_MAGIC && s->file->version == WEIR_STATS_VERSION &&
           s->file->record_bytes == sizeof s->file->process[0];
}

static int open_at(const char *path, struct statsfile *ret) {
    struct statsfile s = {.writable = true};
    struct stat st;
    int error;

    s.fd = open(path, O_RDWR | O_CLOEXEC);
    if (s.fd < 0) {
        s.writable = false;
        s.fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (s.fd < 0)
        return -errno;
    /* A file of another version of weir may be shorter than what would be looked at. */
    if (fstat(s.fd, &st) < 0 || st.st_size < (off_t)sizeof *s.file) {
        close(s.fd);
        return -ENOENT;
    }
    error = map_file(&s);
    if (error < 0) {
        close(s.fd);
        return error;
    }
    if (!is_valid(&s)) {
        statsfile_close(&s);
        return -ENOENT;
    }
    *ret = s;
    return 0;
}

int statsfile_open(pid_t supervisor, struct statsfile *ret) {
    char path[64], target[64];
    struct dirent *entry;
    int error = -ENOENT;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)supervisor);
    dir = opendir(path);
    if (!dir)
        return -errno;
    while (error == -ENOENT && (entry = readdir(dir)) != NULL) {
        ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);

        if (len <= 0)
            continue;
        target[len] = '\0';
        if (strncmp(target, MEMFD_LINK " ", strlen(MEMFD_LINK " ")) != 0)
            continue;
        snprintf(path, sizeof path, "/proc/%d/fd/%.16s", (int)supervisor, entry->d_name);
        error = open_at(path, ret);
        /* The watcher beside the supervisor, or a child not yet executed, holds the same file. */
        if (error == 0 && ret->file->supervisor_pid != (uint32_t)supervisor) {
            statsfile_close(ret);
            error = -ENOENT;
        }
    }
    closedir(dir);
    return error;
}

void statsfile_close(struct statsfile *s) {
    munmap(s->file, sizeof *s->file);
    close(s->fd);
    s->fd = -1;
    s->file = NULL;
}

size_t statsfile_list(pid_t *ret, size_t max) {
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    size_t count = 0;

    if (!proc)
        return 0;
    while ((entry = readdir(proc)) != NULL) {
        struct statsfile s;
        pid_t pid;

        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        pid = (pid_t)atoi(entry->d_name);
        if (statsfile_open(pid, &s) < 0)
            continue;
        statsfile_close(&s);
        if (count < max)
            ret[count] = pid;
        count++;
    }
    closedir(proc);
    return count;
}

unsigned statsfile_count(const struct weir_stats_file *file) {
    unsigned n = 0;

    while (n < WEIR_STATS_PROCESSES && file->process[n].pid != 0)
        n++;
    return n;
}

struct weir_process_stats *statsfile_record(struct weir_stats_file *file, pid_t pid) {
    for (unsigned i = statsfile_count(file); i-- > 0;)
        if (file->process[i].pid == (uint32_t)pid)
            return &file->process[i];
    return NULL;
}
