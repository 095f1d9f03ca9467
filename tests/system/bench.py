#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The benches that set up Linux's swap start, leave nothing behind however they end, and refuse bad options."""

import glob
import json
import os
import signal
import subprocess
import time

import harness
from harness import ROOT, WEIR

RUN = os.path.join(ROOT, "bench", "run")
ZSWAP = "/sys/module/zswap/parameters/"


def bench(suite, name, *options):
    return [RUN, WEIR, name, "--", "--dir", suite.dir, *options]


def short(suite, *options):
    return bench(suite, "paging", "--budget", "64", "--sizes", "2", "--contents", "half", "--threads", "1",
                 "--seconds", "0.1", "--shift", "0.1", "--rounds", "1", "--zram", "40", *options)


def state():
    """What of the machine a bench changes."""
    with open("/proc/swaps", encoding="ascii") as file:
        swaps = sorted(line.split()[0] for line in file)
    settings = []
    for path in sorted(glob.glob(ZSWAP + "*")):
        with open(path, encoding="ascii") as file:
            settings.append((path, file.read()))
    groups = glob.glob("/sys/fs/cgroup/memory/weir-bench-*") + glob.glob("/sys/fs/cgroup/weir-bench-*")
    return {"swap": swaps, "zram": sorted(glob.glob("/sys/block/zram*")), "zswap": settings, "groups": groups}


def expect_clean(suite, before):
    after = state()
    for what, value in before.items():
        harness.expect(after[what] == value, f"{what} was {value} and is {after[what]}")
    left = glob.glob(suite.path("weir-bench-*"))
    harness.expect(not left, f"{left} is left behind")


def need_machine():
    if os.geteuid() != 0:
        raise harness.Skip("needs root")
    with open("/proc/mounts", encoding="ascii") as file:
        if not any(line.split()[2] == "cgroup2" or "memory" in line.split()[3].split(",") for line in file):
            raise harness.Skip("there is no memory cgroup")


def refused(suite, name, option, value):
    run = suite.run(bench(suite, name, option, value))
    lines = run.stderr.decode().splitlines()
    harness.expect(run.status == 2, f"status {run.status}, not 2: {run.tail()}")
    harness.expect(len(lines) == 1 and (option.strip("-") in lines[0] or value in lines[0]), run.tail())
    harness.expect(run.stdout == b"", f"on standard output: {run.stdout[:100]}")


def unknown_bench_refused(suite):
    run = suite.run([RUN, WEIR, "speed"])
    harness.expect(run.status == 2 and len(run.stderr.splitlines()) == 1, f"status {run.status}: {run.tail()}")


def measures(suite):
    """Each contender has figures or a reason why not, and is charged no more than weir."""
    need_machine()
    before = state()
    path = suite.path("paging.json")
    harness.expect_end(suite.run(short(suite, "--json", path, "--svg", suite.dir), timeout_s=300))
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    cell = data["cells"][0]
    for who in ("native", "file", "zram40", "zswap", "weir"):
        harness.expect(who in cell["medians"] or who in cell["unfit"] or data["not_had"], f"nothing is said of {who}")
    for who in ("native", "weir"):
        harness.expect(all(cell["medians"][who][name]["accesses"] > 0 for name in ("fill", "scan", "chase")), who)
    for who, charges in cell["charges"].items():
        for charge in charges:
            total = charge["limit_bytes"] + charge["pool_bytes"]
            harness.expect(total <= 64 << 20, f"{who} is charged {total} bytes")
    harness.expect(glob.glob(suite.path("paging-*.svg")), "there is no chart")
    expect_clean(suite, before)
    return ", ".join(cell["medians"])


def measures_programs(suite):
    """The bench itself ends with status 1 if an output is another."""
    need_machine()
    before = state()
    path = suite.path("whole.json")
    harness.expect_end(suite.run(bench(suite, "whole", "--only", "pagerank", "--scale", "0.06", "--budgets", "50",
                                       "--rounds", "1", "--variants", "file,weir", "--json", path), timeout_s=300))
    with open(path, encoding="utf-8") as file:
        program = json.load(file)["programs"]["pagerank"]
    harness.expect(program["shares"]["50"]["weir"][0]["wall_s"] > 0, "weir has no figures")
    harness.expect(program["peak_bytes"] > 32 << 20, f"its peak is {program['peak_bytes']} bytes")
    expect_clean(suite, before)


def start_and_wait_for_swap(suite, *options):
    child = suite.start(short(suite, "--seconds", "20", *options), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    end = time.monotonic() + 60
    while True:
        with open("/proc/swaps", encoding="ascii") as file:
            if suite.dir in file.read():
                return child
        harness.expect(child.poll() is None, f"ended with {child.returncode}")
        harness.expect(time.monotonic() < end, "no swap was switched on")
        time.sleep(0.02)


def zswap_budget_mib():
    """A budget of which the smallest pool of zswap, 1 % of the machine's RAM, is not too much."""
    mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 33 // harness.MIB
    if not os.path.isdir(ZSWAP) or mib > 2048:
        raise harness.Skip("there is no zswap, or its smallest pool is too large for a short test")
    return mib


def ended_by(suite, signo, status, variant, to_group):
    need_machine()
    before = state()
    budget = zswap_budget_mib() if variant == "zswap" else 64
    child = start_and_wait_for_swap(suite, "--variants", variant, "--budget", str(budget))
    time.sleep(1)
    if to_group:
        os.killpg(child.pid, signo)
    else:
        os.kill(child.pid, signo)
    harness.expect(child.wait(timeout=60) == status, f"status {child.returncode}, not {status}")
    expect_clean(suite, before)


def undone_by_the_next(suite):
    """SIGKILL leaves no time to undo anything."""
    need_machine()
    before = state()
    child = start_and_wait_for_swap(suite, "--variants", "file")
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    harness.expect(state() != before, "there was nothing to undo")
    harness.expect_end(suite.run(short(suite, "--variants", "native", "--only", "fill", "--no-extras")))
    expect_clean(suite, before)


def one_at_a_time(suite):
    need_machine()
    child = start_and_wait_for_swap(suite, "--variants", "file")
    run = suite.run(short(suite))
    harness.expect(run.status == 1 and b"another bench is running" in run.stderr, f"status {run.status}: {run.tail()}")
    os.kill(child.pid, signal.SIGTERM)
    child.wait(timeout=60)


def main():
    suite = harness.Suite("bench")
    suite.check("an_unknown_bench_is_refused", unknown_bench_refused, suite)
    for name, option, value in (("paging", "--rounds", "0"), ("paging", "--only", "sideways"),
                                ("paging", "--variants", "magic"), ("paging", "--sizes", "two"),
                                ("paging", "--dir", "/nowhere"), ("whole", "--budgets", "200"),
                                ("whole", "--only", "emacs"), ("whole", "--fast", "1")):
        suite.check(f"{name}_{option[2:]}_{value.strip('/')}_is_refused", refused, suite, name, option, value)
    suite.check("paging_measures_all_and_leaves_nothing", measures, suite)
    suite.check("whole_measures_a_program_and_leaves_nothing", measures_programs, suite)
    suite.check("an_interrupt_leaves_nothing", ended_by, suite, signal.SIGINT, 130, "file", True)
    suite.check("a_terminated_bench_leaves_no_zram", ended_by, suite, signal.SIGTERM, 143, "zram40", False)
    suite.check("a_terminated_bench_leaves_zswap_as_it_was", ended_by, suite, signal.SIGTERM, 143, "zswap", False)
    suite.check("what_a_killed_bench_left_is_undone_by_the_next", undone_by_the_next, suite)
    suite.check("two_benches_do_not_run_at_once", one_at_a_time, suite)
    suite.finish()


main()
