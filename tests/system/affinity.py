#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""While threads of a program's fault, weir holds each on one CPU: nothing of the program's may ever notice."""

import contextlib
import os
import subprocess
import time

import harness
from harness import MIB

RAM = 24 * MIB
REGION = "64"
ROUNDS = "8"
WAYS = ("ask", "ask-thread", "set", "signal", "other-user", "pthread", "thrd", "fork", "fork-execl", "vfork", "spawn",
        "system", "popen")


def cpus_of(status):
    """The affinity in the text of a /proc/PID/status, as the kernel writes it."""
    return next(line.split()[1] for line in status.splitlines() if line.startswith("Cpus_allowed_list:"))


def allowed(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return cpus_of(file.read())


def faulters(number):
    """The environment in which so many threads fault beside the main one."""
    return {"AFFINITY_FAULTERS": str(number)}


def sees_its_own(suite, way, others):
    if way == "other-user" and os.geteuid() != 0:
        raise harness.Skip("it takes root")
    run = suite.run(suite.weir([suite.helper("affinity"), REGION, way, ROUNDS], RAM), env=faulters(others))
    harness.expect_end(run)
    seen = run.stdout.decode().split()
    harness.expect(seen == [allowed("self")] * int(ROUNDS), f"{seen}, where {allowed('self')} is right")


def start(suite, seconds, others=0):
    child = suite.start(suite.weir([suite.helper("affinity"), REGION, seconds], RAM), session=False,
                        env=dict(os.environ, **faulters(others)), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    return child, child.pid if harness.NATIVE else harness.find_program(child.pid, "affinity")


def end(child):
    child.stdin.close()
    harness.expect(child.wait(timeout=40) == 0, f"status {child.returncode}")
    child.stdout.close()


def watch(pid, seconds):
    """The affinities that the process is seen with."""
    seen = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        seen.append(allowed(pid))
        time.sleep(0.002)
    return seen


def is_held_then_let_go(suite):
    own = allowed("self")
    if len(os.sched_getaffinity(0)) < 2:
        raise harness.Skip("one CPU: there is nothing to narrow")
    child, pid = start(suite, "2")
    time.sleep(0.5)
    seen = watch(pid, 1)
    harness.expect(child.stdout.readline() == b"done\n", "it did not come so far")
    time.sleep(0.05)
    after = watch(pid, 0.1)
    end(child)
    held = sum(cpus.isdigit() for cpus in seen)
    harness.expect(held > len(seen) / 4, f"held in {held} of {len(seen)} looks: {set(seen)}")
    harness.expect(set(after) == {own}, f"{set(after)} when it does not fault any more, {own} is right")
    return f"held in {held} of {len(seen)} looks"


def threads_of(pid):
    """The affinities of a process's threads; weir's own among them."""
    cpus = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
                open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as file:
            cpus.append(cpus_of(file.read()))
    return cpus


def two_are_held_apart(suite):
    own = allowed("self")
    if len(os.sched_getaffinity(0)) < 2:
        raise harness.Skip("one CPU: there is nothing to narrow")
    child, pid = start(suite, "2", others=1)
    time.sleep(0.5)
    seen = []
    until = time.monotonic() + 1
    while time.monotonic() < until:
        seen.append(sorted(cpus for cpus in threads_of(pid) if cpus.isdigit()))
        time.sleep(0.002)
    harness.expect(child.stdout.readline() == b"done\n", "it did not come so far")
    time.sleep(0.05)
    after = [cpus for cpus in threads_of(pid) if cpus.isdigit()]
    end(child)
    # Each with its handler: two threads of the program's and two of weir's, on two CPUs.
    apart = sum(len(set(cpus)) == 2 and len(cpus) == 4 and cpus[0] == cpus[1] for cpus in seen)
    harness.expect(apart > len(seen) / 4, f"held apart in {apart} of {len(seen)} looks: {seen[::50]}")
    harness.expect(len(after) <= 2, f"{after} when they do not fault any more, {own} is right but for two handlers")
    return f"held apart in {apart} of {len(seen)} looks"


def all_stay_where_they_may(suite):
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise harness.Skip("one CPU: there is nowhere else to go")
    for cpu in (str(cpus[0]), str(cpus[-1])):
        child = suite.start(["taskset", "-c", cpu, *suite.weir([suite.helper("affinity"), REGION, "1.5"], RAM)],
                            env=dict(os.environ, **faulters(5)), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        pid = child.pid if harness.NATIVE else harness.find_program(child.pid, "affinity")
        time.sleep(1)
        seen = set(threads_of(pid))
        end(child)
        harness.expect(seen == {cpu}, f"{seen}, where the program may run on {cpu} only")


def is_not_held_where_others_compute(suite):
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise harness.Skip("one CPU: there is nowhere else to go")
    child, pid = start(suite, "5")
    # By then it is some time until weir looks for the disk's CPU again, and for whether that has room.
    time.sleep(2)
    # On the CPU where it is held somebody computes from now on.
    held = [cpus for cpus in watch(pid, 0.3) if cpus.isdigit()]
    harness.expect(held, "it was never held")
    busy = suite.start(["taskset", "-c", held[-1], "sh", "-c", "while :; do :; done"], session=False)
    time.sleep(0.7)
    seen = watch(pid, 0.6)
    busy.kill()
    end(child)
    there = seen.count(held[-1])
    harness.expect(there < len(seen) / 2, f"held beside it in {there} of {len(seen)} looks")
    return f"held beside it in {there} of {len(seen)} looks"


def main():
    suite = harness.Suite("affinity", native=False)
    for way in WAYS:
        name = way.replace("-", "_")
        suite.check(f"its_own_affinity_is_seen_by_{name}", sees_its_own, suite, way, 0)
        suite.check(f"its_own_affinity_is_seen_by_{name}_while_another_thread_faults", sees_its_own, suite, way, 1)
    suite.check("the_affinity_of_another_thread_that_faults_is_seen_as_it_is", sees_its_own, suite, "ask-faulter", 1)
    suite.check("its_own_affinity_is_seen_in_a_crowd", sees_its_own, suite, "ask", 6)
    suite.check("a_thread_that_faults_is_held_and_then_let_go", is_held_then_let_go, suite)
    suite.check("weirs_threads_stay_where_the_program_may_run", all_stay_where_they_may, suite)
    suite.check("two_threads_that_fault_are_held_apart", two_are_held_apart, suite)
    suite.check("a_thread_is_not_held_where_others_compute", is_not_held_where_others_compute, suite)
    suite.finish()


main()
