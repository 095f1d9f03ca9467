/* SPDX-License-Identifier: MIT */
/*
 * affinity.c - whose affinity does what see, in a program that faults all the time?
 *
 *     affinity MIB SECONDS       touches MIB of memory for SECONDS, then waits for a line
 *     affinity MIB WAY NUMBER    after each of NUMBER rounds of touches makes or asks something by WAY, and prints the
 *                                affinities that it saw, a word each, as the kernel writes them (0-3)
 *
 * AFFINITY_FAULTERS=N in the environment: so many threads more touch the memory meanwhile.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096u

extern char **environ;

static volatile unsigned char *memory;
static size_t nr_pages;
static const char *self;
static char show[] = "show";

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* Of the calling thread, without asking for it. */
static void print_own(void) {
    char line[256];
    FILE *file = fopen("/proc/thread-self/status", "re");

    if (!file)
        fail("affinity: /proc/thread-self/status");
    while (fgets(line, sizeof(line), file))
        if (strncmp(line, "Cpus_allowed_list:", 18) == 0)
            printf("%s", line + 19);
    fclose(file);
    fflush(stdout);
}

static void print_set(const cpu_set_t *cpus) {
    int first = -1;
    const char *comma = "";

    for (int cpu = 0; cpu <= CPU_SETSIZE; cpu++) {
        bool is_in = cpu < CPU_SETSIZE && CPU_ISSET((size_t)cpu, cpus);

        if (is_in && first < 0)
            first = cpu;
        if (is_in || first < 0)
            continue;
        printf(cpu - 1 > first ? "%s%d-%d" : "%s%d", comma, first, cpu - 1);
        comma = ",";
        first = -1;
    }
    printf("\n");
    fflush(stdout);
}

static void touch(size_t nr) {
    static _Thread_local unsigned long seed = 1;

    for (size_t i = 0; i < nr; i++) {
        size_t page = (seed = seed * 6364136223846793005ul + 1442695040888963407ul) >> 33;

        page %= nr_pages;
        if (memory[page * PAGE] != (unsigned char)(page * 7 + 1)) {
            fprintf(stderr, "affinity: page %zu holds %u\n", page, memory[page * PAGE]);
            exit(1);
        }
    }
}

static atomic_bool over;

static void *faulter(void *arg) {
    (void)arg;
    while (!atomic_load(&over))
        touch(100);
    return NULL;
}

static pthread_t last_faulter;

static void start_faulters(void) {
    const char *number = getenv("AFFINITY_FAULTERS");

    for (unsigned long i = number ? strtoul(number, NULL, 10) : 0; i > 0; i--)
        if (pthread_create(&last_faulter, NULL, faulter, NULL) != 0)
            fail("affinity: pthread_create");
}

static void *thread(void *arg) {
    (void)arg;
    print_own();
    return NULL;
}

static int c11_thread(void *arg) {
    thread(arg);
    return 0;
}

static volatile sig_atomic_t nr_signals;

static void on_alarm(int number) {
    cpu_set_t cpus;

    (void)number;
    sched_getaffinity(0, sizeof(cpus), &cpus);
    nr_signals++;
}

/* A handler that asks interrupts who asks. */
static void ask_under_signals(void) {
    struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = on_alarm};
    cpu_set_t cpus;

    sigaction(SIGALRM, &action, NULL);
    nr_signals = 0;
    setitimer(ITIMER_REAL, &often, NULL);
    while (nr_signals < 100) {
        touch(10);
        sched_getaffinity(0, sizeof(cpus), &cpus);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    print_own();
}

/* A thread that has become another user asks, while the main thread, which may be held, waits for it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static enum { NOBODY, IDLE, ASKED } user;

static void *another_user(void *arg) {
    cpu_set_t cpus;
    char line[256];
    FILE *file;

    (void)arg;
    if (syscall(SYS_setresuid, 65534, 65534, 65534) != 0)
        fail("affinity: setresuid");
    pthread_mutex_lock(&lock);
    for (user = IDLE;; user = IDLE) {
        pthread_cond_signal(&changed);
        while (user != ASKED)
            pthread_cond_wait(&changed, &lock);
        sched_getaffinity(0, sizeof(cpus), &cpus);
        if (!(file = fopen("/proc/self/status", "re")))
            fail("affinity: /proc/self/status");
        while (fgets(line, sizeof(line), file))
            if (strncmp(line, "Cpus_allowed_list:", 18) == 0)
                printf("%s", line + 19);
        fclose(file);
        fflush(stdout);
    }
    return NULL;
}

static void ask_as_another_user(void) {
    pthread_t made;

    pthread_mutex_lock(&lock);
    if (user == NOBODY) {
        pthread_create(&made, NULL, another_user, NULL);
        while (user != IDLE)
            pthread_cond_wait(&changed, &lock);
        pthread_mutex_unlock(&lock);
        touch(20000);
        pthread_mutex_lock(&lock);
    }
    user = ASKED;
    pthread_cond_signal(&changed);
    while (user != IDLE)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void await(pid_t pid) {
    if (pid < 0 || waitpid(pid, NULL, 0) != pid)
        fail("affinity: child");
}

/* The thing itself. */
static void act(const char *way) {
    char *argv[] = {(char *)(uintptr_t)self, show, NULL};
    char command[4096];
    cpu_set_t cpus;
    pthread_t made;
    thrd_t c11_made;
    pid_t pid = 0;
    FILE *pipe;

    snprintf(command, sizeof(command), "'%s' show", self);
    CPU_ZERO(&cpus);
    if (strcmp(way, "ask") == 0) {
        if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0)
            fail("affinity: sched_getaffinity");
        print_set(&cpus);
    } else if (strcmp(way, "ask-thread") == 0) {
        pthread_getaffinity_np(pthread_self(), sizeof(cpus), &cpus);
        print_set(&cpus);
    } else if (strcmp(way, "ask-faulter") == 0) {
        pthread_getaffinity_np(last_faulter, sizeof(cpus), &cpus);
        print_set(&cpus);
    } else if (strcmp(way, "set") == 0) {
        sched_getaffinity(0, sizeof(cpus), &cpus);
        if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0)
            fail("affinity: sched_setaffinity");
        print_own();
    } else if (strcmp(way, "signal") == 0) {
        ask_under_signals();
    } else if (strcmp(way, "other-user") == 0) {
        ask_as_another_user();
    } else if (strcmp(way, "pthread") == 0) {
        if (pthread_create(&made, NULL, thread, NULL) != 0)
            fail("affinity: pthread_create");
        pthread_join(made, NULL);
    } else if (strcmp(way, "thrd") == 0) {
        if (thrd_create(&c11_made, c11_thread, NULL) != thrd_success)
            fail("affinity: thrd_create");
        thrd_join(c11_made, NULL);
    } else if (strcmp(way, "fork") == 0) {
        if ((pid = fork()) == 0) {
            print_own();
            _exit(0);
        }
        await(pid);
    } else if (strcmp(way, "fork-execl") == 0) {
        if ((pid = fork()) == 0) {
            touch(2000);
            execl(self, self, show, (char *)NULL);
            _exit(1);
        }
        await(pid);
    } else if (strcmp(way, "vfork") == 0) {
        if ((pid = vfork()) == 0) {
            execv(self, argv);
            _exit(1);
        }
        await(pid);
    } else if (strcmp(way, "spawn") == 0) {
        if (posix_spawn(&pid, self, NULL, NULL, argv, environ) != 0)
            fail("affinity: posix_spawn");
        await(pid);
    } else if (strcmp(way, "system") == 0) {
        if (system(command) != 0)
            fail("affinity: system");
    } else if (strcmp(way, "popen") == 0) {
        char line[256];

        if (!(pipe = popen(command, "r")))
            fail("affinity: popen");
        while (fgets(line, sizeof(line), pipe))
            printf("%s", line);
        fflush(stdout);
        pclose(pipe);
    } else {
        fprintf(stderr, "affinity: what is %s?\n", way);
        exit(2);
    }
}

static void touch_for(double seconds) {
    struct timespec now, end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += (long)(seconds * 1e9) % 1000000000;
    end.tv_sec += (time_t)seconds + end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    do {
        touch(100);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
}

int main(int argc, char **argv) {
    void *mapped;

    self = argv[0];
    if (argc == 2 && strcmp(argv[1], show) == 0) {
        print_own();
        return 0;
    }
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: affinity MIB SECONDS | affinity MIB WAY NUMBER\n");
        return 2;
    }
    nr_pages = strtoul(argv[1], NULL, 10) << 8;
    mapped = mmap(NULL, nr_pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        fail("affinity: mmap");
    memory = mapped;
    for (size_t page = 0; page < nr_pages; page++)
        memory[page * PAGE] = (unsigned char)(page * 7 + 1);
    start_faulters();
    if (argc == 3) {
        touch_for(strtod(argv[2], NULL));
        atomic_store(&over, true);
        printf("done\n");
        fflush(stdout);
        return getchar() == EOF ? 0 : 1;
    }
    for (unsigned long i = strtoul(argv[3], NULL, 10); i > 0; i--) {
        /* Until threads that have been let go are held again. */
        touch_for(0.3);
        act(argv[2]);
    }
    return 0;
}
