#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a program really has in RAM stays within its budget at every moment at which one looks.

Anonymous memory as Linux counts it (smaps_rollup), weir's own included, every 50 ms: at most --ram plus the program's
stacks and data segments plus 16 MiB.
"""

import contextlib
import os
import re
import time

import harness
from harness import MIB

SAMPLE_S = 0.05
ALLOWANCE = 16 * MIB
PYTHON_JOB = """
import hashlib
rows = [(i, str(i) * 50, [i, i + 1]) for i in range(200000)]
total = hashlib.sha256()
for turn in range(3):
    for row in rows:
        total.update(row[1].encode())
        row[2][0] += turn
print(total.hexdigest())
"""


def anonymous_bytes(pid):
    """
    Anonymous and shared-memory pages: an arena in a memfd would count too. Linux's own counters: one who walks the
    mappings, as smaps does, sees a page twice that moves from one to another meanwhile.
    """
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        text = file.read()
    return sum(int(value) * 1024 for value in re.findall(r"^(?:RssAnon|RssShmem):\s+(\d+) kB", text, re.M))


def stacks_and_data_bytes(pid):
    """The parts that Linux keeps: stack, heap by brk, and the written pages of mapped files (.data, .bss)."""
    total = 0
    ours = False
    with open(f"/proc/{pid}/smaps", encoding="ascii") as file:
        for line in file:
            header = re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ (\d+)\s*(.*)", line)
            if header:
                ours = header.group(1) != "0" or header.group(2) in ("[stack]", "[heap]")
            elif ours and line.startswith("Anonymous:"):
                total += int(line.split()[1]) * 1024
    return total


def stays_within(suite, command, name, ram_bytes, env):
    if harness.NATIVE:
        raise harness.Skip("nothing to see without weir")
    with open(suite.path("err"), "wb") as err:
        child = suite.start(suite.weir(command, ram_bytes), stdout=err, stderr=err, env=dict(os.environ, **env))
    pid = harness.find_program(child.pid, name)
    highest = worst = nr_samples = 0
    data = None
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
        while True:
            # The data segments change slowly and take long to add up.
            if nr_samples % 20 == 0:
                data = stacks_and_data_bytes(pid)
            seen = anonymous_bytes(pid)
            nr_samples += 1
            highest = max(highest, seen)
            worst = max(worst, seen - data)
            if seen == 0 and child.poll() is not None:
                break
            time.sleep(SAMPLE_S)
    child.wait(timeout=60)
    with open(suite.path("err"), encoding="utf-8", errors="replace") as err:
        tail = err.read()[-300:]
    harness.expect(child.returncode == 0, f"status {child.returncode}: {tail}")
    harness.expect(nr_samples >= 10, f"only {nr_samples} samples")
    harness.expect(highest > ram_bytes / 2, f"the budget was never used: {harness.mib(highest)}")
    note = f"{nr_samples} samples, at most {harness.mib(highest)}, of which {harness.mib(worst)} are of --ram " \
           f"{harness.mib(ram_bytes)}"
    harness.expect(worst <= ram_bytes + ALLOWANCE, note)
    return note


def main():
    suite = harness.Suite("residency")
    length = str(max(2.0, harness.seconds() / 5))
    for threads in ("1", "4"):
        suite.check(f"a_C_program_of_{threads}_threads_at_a_quarter_stays_within_its_budget", stays_within, suite,
                    [suite.helper("verify"), "256", threads, length], "verify", 64 * MIB, {})
    suite.check("so_it_does_without_move", stays_within, suite, [suite.helper("verify"), "256", "4", length], "verify",
                64 * MIB, {"WEIR_NO_MOVE": "1"})
    suite.check("so_it_does_after_io_into_evicted_memory", stays_within, suite,
                [suite.helper("evicted"), "read", "256", suite.dir], "evicted", 64 * MIB, {})
    suite.check("so_it_does_when_cold_memory_is_touched_page_by_page", stays_within, suite,
                [suite.helper("evicted"), "cold", "735", suite.dir], "evicted", 768 * MIB, {})
    job = [harness.PYTHON, "-c", PYTHON_JOB]
    native = suite.run(job)
    suite.check("a_Python_program_at_a_quarter_stays_within_its_budget", stays_within, suite, job,
                os.path.basename(os.path.realpath(harness.PYTHON)), max(native.peak_bytes // 4, harness.RAM_MIN), {})
    suite.finish()


main()
