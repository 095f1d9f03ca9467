/* SPDX-License-Identifier: MIT */
#include <argp.h>
#include <fcntl.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/complain.h"
#include "cli/verbs.h"

const char *argp_program_version = "weir " WEIR_VERSION;

static const struct verb {
    const char *name;
    char *full_name; /* argp wants it writable */
    int (*call)(int argc, char **argv);
} verbs[] = {
    {"run", (char[]){"weir run"}, verb_run},
    {"doctor", (char[]){"weir doctor"}, verb_doctor},
    {"stat", (char[]){"weir stat"}, verb_stat},
};

struct request {
    const struct verb *verb;
    int first; /* index of the verb */
};

static error_t parse_verb(int key, char *arg, struct argp_state *state) {
    struct request *request = state->input;

    switch (key) {
    case ARGP_KEY_ARG:
        for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
            if (strcmp(arg, verbs[i].name) == 0) {
                request->verb = &verbs[i];
                request->first = state->next - 1;
                state->next = state->argc; /* the rest is the verb's */
                return 0;
            }
        }
        complain("unknown verb '%s'; there are run, doctor and stat, and 'weir run -- %s' runs that command", arg, arg);
        exit(EXIT_USAGE);
    case ARGP_KEY_NO_ARGS:
        complain("what shall be done? Write weir run [OPTION...] -- COMMAND..., weir doctor, or weir --help");
        exit(EXIT_USAGE);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .parser = parse_verb,
    .args_doc = "run [OPTION...] -- COMMAND [ARGUMENT...]\ndoctor\nstat [OPTION...] [PID [INTERVAL [COUNT]]]",
    .doc = "Run a program in less memory than it needs.\v"
           "  run      runs COMMAND with a budget of RAM, and swap of its own\n"
           "  doctor   says whether this machine has what weir needs\n"
           "  stat     shows the counters of a program that runs under weir\n\n"
           "weir VERB --help tells the options of a verb.",
};

/*
 * Descriptors 0, 1 and 2 are never to be somebody else's file. What was closed stays closed for the program, and to
 * write to it fails here as well.
 */
static void fill_standard_descriptors(void) {
    int fd;

    do {
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv) {
    struct request request = {0};

    fill_standard_descriptors();
    argp_err_exit_status = EXIT_USAGE;
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &request) != 0 || !request.verb)
        return EXIT_USAGE;
    argv[request.first] = request.verb->full_name;
    return request.verb->call(argc - request.first, argv + request.first);
}
