#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whatever a program does to memory that is mostly evicted, its bytes are right afterwards.

Each case is tried as it is, and again without UFFDIO_MOVE; those that fork, again without the kernel's fork events.
"""

import os
import time

import harness
from harness import MIB

RAM = 32 * MIB
SIZE_MIB = 128

CASES = {
    "write": "write_from_evicted_memory_writes_what_was_there",
    "read": "read_and_recv_into_evicted_memory_arrive",
    "odirect": "direct_io_from_and_to_evicted_memory_is_right",
    "readv": "readv_and_writev_of_scattered_evicted_pages_are_right",
    "process_vm_readv": "another_process_reads_and_writes_evicted_memory",
    "dontneed": "dontneed_gives_zeros_and_leaves_the_neighbours",
    "madv_free": "madv_free_keeps_or_drops_whole_pages_and_keeps_later_writes",
    "mremap": "mremap_grows_shrinks_and_moves_evicted_memory",
    "mprotect": "mprotect_closes_and_opens_evicted_memory",
    "cold": "cold_memory_that_is_touched_again_is_what_it_was",
    "mlock": "mlock_keeps_pages_resident",
    "munlock": "munlock_lets_pages_go_again",
    "munmap_middle": "munmap_of_middle_pieces_leaves_the_rest",
    "fork": "parent_child_and_grandchild_write_and_verify_after_fork",
    "vfork_exec": "vfork_and_exec_work_with_arguments_in_evicted_memory",
    "close_range": "closing_every_descriptor_loses_no_page",
    "daemon": "a_daemon_that_outlives_its_parent_has_its_memory",
    "setuid_fork": "fork_works_after_setuid",
    "fork_elsewhere": "children_have_swap_files_when_the_directory_is_renamed_removed_or_out_of_reach",
    "credentials": "every_thread_follows_a_program_that_becomes_another_user",
    "capabilities": "every_thread_gives_up_the_capabilities_that_the_main_thread_does",
    "file_fork": "streams_opened_before_fork_work_after_it",
    "fork_many": "hundreds_of_children_one_after_the_other_have_their_memory",
    "fork_storm": "threads_that_fork_fault_map_and_open_streams_do_not_block_each_other",
    "fork_signals": "signal_handlers_that_touch_evicted_memory_run_around_fork",
    "fork_unmapped": "fork_works_after_much_was_unmapped",
    "fork_keys": "a_child_whose_libc_clears_evicted_memory_of_other_threads_works",
    "fork_names": "a_fork_that_copies_evicted_memory_of_libcs_works",
    "fork_limit": "a_fork_without_a_descriptor_to_spare_works_or_says_that_it_failed",
    "by_number": "system_calls_by_number_are_as_good_as_by_name",
    "raw_fork": "processes_made_by_number_or_by_clone_have_their_memory",
    "clone_thread": "the_end_of_a_thread_made_by_clone_is_told_in_evicted_memory",
    "threads64": "64_threads_start_and_join",
    "robust_mutex": "robust_mutexes_in_evicted_memory_are_handed_on",
    "write_race": "no_write_that_races_with_eviction_is_lost",
}
FORKING = ("fork", "setuid_fork", "fork_elsewhere", "credentials", "capabilities", "file_fork", "daemon", "vfork_exec",
           "fork_storm", "fork_signals", "fork_unmapped", "fork_keys", "fork_names", "fork_limit",
           "fork_many", "raw_fork")
MOVING = ("write_race", "threads64", "cold", "mprotect", "munmap_middle", "mremap", "fork", "fork_storm", "daemon")


def await_verdict(path, seconds):
    """The daemon's: it says whether its bytes were right when everybody else is gone."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with open(path, encoding="ascii") as file:
            verdict = file.read().strip()
        if verdict:
            return verdict
        time.sleep(0.05)
    return "none in time"


def right_bytes(suite, case, seconds, env):
    folder = suite.path(f"{case}-files")
    os.makedirs(folder, exist_ok=True)
    swap = None
    if case == "fork_elsewhere" and not harness.NATIVE:
        swap = os.path.join(suite.swap_dir(), "to-be-moved")
        os.makedirs(swap, exist_ok=True)
        env = dict(env, EVICTED_SWAP=swap)
    run = suite.run(suite.weir([suite.helper("evicted"), case, str(SIZE_MIB), folder], RAM, swap=swap),
                    env=dict(env, WEIR_TEST_SECONDS=str(seconds)), timeout_s=seconds + 60)
    if run.status == 77:
        raise harness.Skip(run.stdout.decode().strip())
    harness.expect_end(run)
    if case == "daemon":
        verdict = await_verdict(os.path.join(folder, "daemon"), 30)
        harness.expect(verdict == "RIGHT", f"the daemon's verdict: {verdict}")
    suite.run(["rm", "-r", folder])
    return run.stdout.decode().strip()


def main():
    suite = harness.Suite("evicted")
    seconds = harness.seconds()
    for case, fact in CASES.items():
        suite.check(fact, right_bytes, suite, case, seconds, {})
    if not harness.NATIVE:
        # A quarter of the time: the first round is what counts, these show the other paths.
        for case, fact in CASES.items():
            suite.check(fact + "_without_move", right_bytes, suite, case, seconds / 4, {"WEIR_NO_MOVE": "1"})
        for case in FORKING:
            suite.check(CASES[case] + "_without_fork_events", right_bytes, suite, case, seconds / 4,
                        {"WEIR_NO_FORK_EVENT": "1"})
        for case in MOVING:
            suite.check(CASES[case] + "_where_moves_are_not_told", right_bytes, suite, case, seconds / 4,
                        {"WEIR_LOSE_MOVES": "1"})
    suite.finish()


main()
