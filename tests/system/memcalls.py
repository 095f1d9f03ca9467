#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mmap(2) and its relatives do what Linux's do, errno by errno, on memory several times the budget.

Each case holds without weir as well (WEIR_NATIVE=1). WEIR_TEST_SEED varies the random one.
"""

import harness
from harness import MIB

RAM = 32 * MIB
SIZE_MIB = 96
SEEDS = 4

CASES = {
    "errno": "wrong_arguments_get_the_errno_that_linux_gives",
    "fixed": "mappings_at_fixed_addresses_replace_only_what_they_cover",
    "foreign": "file_mappings_laid_over_managed_memory_work_and_go_again",
    "exec": "code_in_evicted_pages_runs",
    "reservation": "reservations_open_and_close_and_keep_their_bytes",
    "populate": "populated_memory_is_resident",
    "mremap_fixed": "memory_moves_onto_other_memory_and_back",
    "mremap_out": "memory_moves_onto_file_mappings_and_files_onto_memory",
    "many": "thousands_of_small_areas_keep_their_bytes_and_their_access",
    "advice": "advice_is_taken_as_linux_takes_it",
    "fork_advice": "a_forked_child_lacks_what_it_was_not_to_have",
    "mlockall": "mlockall_locks_what_is_there_and_what_comes",
    "mincore": "mincore_answers_into_evicted_memory",
}


def as_linux(suite, case, env):
    run = suite.run(suite.weir([suite.helper("memcalls"), case, str(SIZE_MIB)], RAM), env=env)
    harness.expect_end(run)


def main():
    suite = harness.Suite("memcalls")
    for case, fact in CASES.items():
        suite.check(fact, as_linux, suite, case, {})
    for seed in range(SEEDS):
        suite.check(f"random_calls_agree_with_a_model_seed_{seed}", as_linux, suite, "random",
                    {"WEIR_TEST_SEED": str(seed)})
    if not harness.NATIVE:
        for case in ("fixed", "foreign", "exec", "reservation", "mremap_fixed", "random"):
            fact = CASES.get(case, "random_calls_agree_with_a_model")
            suite.check(fact + "_without_move", as_linux, suite, case, {"WEIR_NO_MOVE": "1"})
            suite.check(fact + "_where_moves_are_not_told", as_linux, suite, case, {"WEIR_LOSE_MOVES": "1"})
    suite.finish()


main()
