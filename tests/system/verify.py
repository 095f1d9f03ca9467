#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A program over four times its budget, written and read at random by four threads, never sees a wrong byte."""

import harness
from harness import MIB

RAM = 64 * MIB
SIZE_MIB = 288  # four and a half budgets
THREADS = 4


def right_bytes(suite, *options):
    seconds = harness.seconds()
    run = suite.run(suite.weir([suite.helper("verify"), *options, str(SIZE_MIB), str(THREADS), str(seconds)], RAM),
                    timeout_s=seconds * 3 + 100)
    harness.expect_end(run)
    words = run.stdout.decode().split()
    figures = dict(zip(words[::2], words[1::2]))
    harness.expect(figures.get("wrong_bytes") == "0", f"wrong bytes: {run.stdout.decode()}")
    harness.expect(int(figures["reads"]) > 1000, f"next to nothing was read: {run.stdout.decode()}")
    if "--fork" in options:
        harness.expect(int(figures["forks"]) >= 3, f"hardly forked: {run.stdout.decode()}")
    return run.stdout.decode().strip()


def main():
    suite = harness.Suite("verify")
    suite.check("four_threads_over_four_times_the_budget_read_back_every_byte", right_bytes, suite)
    suite.check("so_they_do_while_the_program_forks_in_a_loop", right_bytes, suite, "--fork")
    suite.finish()


main()
