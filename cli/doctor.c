/* SPDX-License-Identifier: MIT */
#include <argp.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/checks.h"
#include "cli/complain.h"
#include "cli/verbs.h"

static error_t parse(int key, char *arg, struct argp_state *state) {
    if (key == ARGP_KEY_ARG)
        argp_error(state, "doctor takes no argument such as '%s'", arg);
    return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
    .parser = parse,
    .doc = "Say whether this machine has what weir needs.\vEach line says ok, or less (weir works, but with less), or "
           "BAD, with what to type to mend it. The status is 0 only if weir run will work.",
};

int verb_doctor(int argc, char **argv) {
    static const char *const marks[] = {[CHECK_OK] = "ok", [CHECK_LESS] = "less", [CHECK_BAD] = "BAD"};
    bool bad = false;

    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    for (size_t i = 0; i < nr_checks; i++) {
        struct check check;

        checks[i](&check);
        printf("%-5s %s\n", marks[check.verdict], check.what);
        if (check.mend[0])
            printf("      -> %s\n", check.mend);
        bad |= check.verdict == CHECK_BAD;
    }
    printf("%s\n", bad ? "weir run will not work here yet." : "weir run will work here.");
    if (fflush(stdout) == EOF || ferror(stdout))
        return refuse(1, "standard output cannot be written: %s", strerror(errno));
    return bad ? 1 : 0;
}
