#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pressure-stall figures of programs that really wait for memory, and of some that do not."""

import json
import os
import re
import subprocess
import sys
import time

import harness
from harness import MIB, PYTHON, stat

RAM = 32 * MIB
# Touches pages of 100 MiB at random, which RAM cannot hold and no pool keeps, for some seconds; what "work" does runs
# beside it, outside the interpreter's lock.
STALL = """
import hashlib, os, random, sys, threading, time
memory = bytearray(100 << 20)
for at in range(0, len(memory), 4096):
    memory[at:at + 64] = os.urandom(64)
until = time.monotonic() + float(sys.argv[1])
def work():
    while time.monotonic() < until:
        hashlib.pbkdf2_hmac("sha256", b"a", b"b", 200000)
if sys.argv[2] == "beside":
    threading.Thread(target=work).start()
while time.monotonic() < until:
    memory[random.randrange(len(memory) >> 12) << 12] = 1
if sys.argv[2] == "fork" and os.fork() == 0:
    time.sleep(20)
    os._exit(0)
print("done", flush=True)
sys.stdin.read()
"""
AT_EASE = "x = bytearray(8 << 20); print('done', flush=True); __import__('sys').stdin.read()"
LINE = r" avg10=\d+\.\d\d avg60=\d+\.\d\d avg300=\d+\.\d\d total=\d+\n"


class Program:
    """One under weir, which does what it has to, says so, and waits."""

    def __init__(self, suite, code, *words):
        self.child = suite.start(suite.weir([PYTHON, "-c", code, *words], RAM, "--zpool", "0"),
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        harness.expect(self.child.stdout.readline() == b"done\n", "the program did not come so far")
        self.pid = harness.find_program(self.child.pid, os.path.basename(os.path.realpath(PYTHON)))

    def processes(self):
        return {process["pid"]: process for process in json.loads(stat(self.pid, "-f", "json"))["processes"]}

    def pressure(self):
        return self.processes()[self.pid]["pressure"]

    def end(self):
        self.child.stdin.close()
        self.child.stdout.close()
        harness.expect(self.child.wait(timeout=40) == 0, f"status {self.child.returncode}")


def alone(suite):
    program = Program(suite, STALL, "4", "alone")
    figures = program.processes()[program.pid]
    some, full = figures["pressure"]["some"], figures["pressure"]["full"]
    harness.expect(1_000_000 < some["total_us"] < 30_000_000, f"{some}")
    # All that it waited for, but for its first touches, whose time is in stalled_ns as well.
    harness.expect(some["total_us"] < figures["stalled_ns"] / 1000 * 1.05, f"{some}, {figures['stalled_ns']}")
    harness.expect(full == some, f"{full}, and {some}")
    harness.expect(some["avg10"] > some["avg60"] > some["avg300"] > 0, f"{some}")
    program.end()
    return f"{some['total_us'] / 1e6:.1f} s"


def beside(suite):
    if (os.cpu_count() or 1) < 2:
        raise harness.Skip("one CPU: whoever computes keeps the one that waits from being served")
    program = Program(suite, STALL, "4", "beside")
    some, full = (program.pressure()[kind]["total_us"] for kind in ("some", "full"))
    program.end()
    harness.expect(some > 500_000, f"{some} us of waiting")
    harness.expect(full < 0.7 * some, f"{full} us in which nobody ran, of {some}")
    return f"{full / some:.0%} of the waiting"


def falls(suite):
    program = Program(suite, STALL, "4", "alone")
    time.sleep(2.5)  # what came last is averaged after two seconds
    before = program.pressure()["some"]
    time.sleep(6)
    after = program.pressure()["some"]
    program.end()
    harness.expect(after["total_us"] == before["total_us"], f"{before}, then {after}")
    harness.expect(0 < after["avg10"] < 0.75 * before["avg10"], f"{before}, then {after}")


def child_begins_anew(suite):
    program = Program(suite, STALL, "2", "fork")
    processes = program.processes()
    child = next(process for process in processes.values() if process["parent_pid"] == program.pid)
    harness.expect(processes[program.pid]["pressure"]["some"]["total_us"] > 500_000, "the parent did not wait")
    harness.expect(child["pressure"]["some"]["total_us"] < 100_000, f"{child['pressure']}")
    os.kill(child["pid"], 9)
    program.end()


def none(suite):
    program = Program(suite, AT_EASE)
    pressure = program.pressure()
    harness.expect(all(value == 0 for kind in pressure.values() for value in kind.values()), f"{pressure}")
    program.end()


def formats(suite):
    program = Program(suite, STALL, "2", "alone")
    text = stat(program.pid, "-f", "pressure")
    harness.expect(re.fullmatch(f"some{LINE}full{LINE}", text), f"{text!r}")
    total = int(re.search(r"total=(\d+)", text)[1])
    metrics = stat(program.pid, "-f", "openmetrics")
    who = rf'pid="{program.pid}",name="[^"]+"'
    told = re.search(rf"^weir_pressure_some_ns_total{{{who}}} (\d+)$", metrics, re.M)
    harness.expect(told and abs(int(told[1]) / 1000 - total) < 200_000, f"{told}, and {total} us")
    for kind in ("some", "full"):
        for window in (10, 60, 300):
            told = re.search(rf'^weir_pressure_percent{{{who},kind="{kind}",window="{window}"}} (\d+\.\d\d)$',
                             metrics, re.M)
            harness.expect(told and 0 < float(told[1]) < 100, f"{kind} over {window} s: {told}")
    lines = stat(program.pid).splitlines()
    harness.expect(lines[1].split()[-2:] == ["some", "full"], f"{lines}")
    harness.expect(1 < int(lines[2].split()[-2]) <= 100, f"{lines}")
    program.end()


def report(suite):
    run = suite.run(suite.weir([PYTHON, "-c", STALL, "2", "alone"], RAM, "--zpool", "0", "--report"))
    harness.expect_end(run)
    text = run.stderr.decode()
    told = re.search(r"memory pressure +([\d.]+) s with a thread waiting, [\d.]+ s of it with none", text)
    harness.expect(told and 0.5 < float(told[1]) < 30, text)


def main():
    suite = harness.Suite("pressure", native=False)
    suite.check("the_waiting_of_a_program_of_one_thread_is_some_and_full", alone, suite)
    suite.check("a_thread_that_computes_meanwhile_keeps_full_below_some", beside, suite)
    suite.check("averages_fall_while_nobody_waits", falls, suite)
    suite.check("a_forked_child_has_not_waited_yet", child_begins_anew, suite)
    suite.check("a_program_that_fits_never_waits", none, suite)
    suite.check("stat_tells_pressure_in_each_format", formats, suite)
    suite.check("the_report_tells_how_long_it_was", report, suite)
    suite.finish()


main()
