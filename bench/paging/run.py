#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Twice the budget, touched in order and at random: weir beside Linux's own swap file.

Linux's side runs in a memory cgroup of the same size as weir's budget, with a swap file on the same disk; both are made
here and removed again, whatever happens. The contenders take turns; medians of all rounds are shown. Needs root.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import common  # noqa: E402
from common import MIB  # noqa: E402

PHASES = (("fill", "fill MB/s"), ("read", "read MB/s"), ("rewrite", "rewrite MB/s"),
          ("random_read", "random reads/s"), ("random_write", "random writes/s"), ("check", "read again MB/s"))
LINUX = "Linux swap file"


def mounts(kind):
    with open("/proc/mounts", encoding="utf-8") as file:
        for line in file:
            _, place, fstype, options = line.split()[:4]
            if fstype == kind:
                yield place, options.split(",")


def write_text(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


class KernelSwap:
    """A memory cgroup and a swap file, for as long as the bench lasts."""

    def __init__(self, bench, budget_bytes, swap_bytes):
        self.bench = bench
        self.cgroup = self.make_cgroup(budget_bytes)
        # Undone in reverse order: the program is gone before its group, and the swap file empty before it goes.
        bench.undo.callback(self.remove_cgroup)
        self.file = os.path.join(bench.dir, "swapfile")
        with open(self.file, "wb") as file:
            os.chmod(self.file, 0o600)
            os.posix_fallocate(file.fileno(), 0, swap_bytes)
        subprocess.run(["mkswap", self.file], check=True, stdout=subprocess.DEVNULL)
        bench.undo.callback(self.swap_off)
        done = subprocess.run(["swapon", "--priority", "32767", self.file], capture_output=True, check=False)
        if done.returncode:
            bench.fail("swapon: " + done.stderr.decode().strip())
        bench.undo.callback(bench.kill_child)

    def make_cgroup(self, budget_bytes):
        name = f"weir-bench-{os.getpid()}"
        for place, options in mounts("cgroup"):
            if "memory" in options:
                path = os.path.join(place, name)
                os.mkdir(path)
                write_text(os.path.join(path, "memory.limit_in_bytes"), str(budget_bytes))
                return path
        for place, _ in mounts("cgroup2"):
            with open(os.path.join(place, "cgroup.controllers"), encoding="ascii") as file:
                if "memory" not in file.read().split():
                    continue
            with open(os.path.join(place, "cgroup.subtree_control"), encoding="ascii") as file:
                if "memory" not in file.read().split():
                    write_text(os.path.join(place, "cgroup.subtree_control"), "+memory")
                    self.bench.undo.callback(write_text, os.path.join(place, "cgroup.subtree_control"), "-memory")
            path = os.path.join(place, name)
            os.mkdir(path)
            write_text(os.path.join(path, "memory.max"), str(budget_bytes))
            return path
        return self.bench.fail("there is no memory cgroup")

    def enter(self):
        """In the child, before exec."""
        write_text(os.path.join(self.cgroup, "cgroup.procs"), str(os.getpid()))

    def remove_cgroup(self):
        for _ in range(200):
            with contextlib.suppress(OSError):
                os.rmdir(self.cgroup)
                return
            time.sleep(0.05)
        print(f"bench/paging: {self.cgroup} is left behind: rmdir it", file=sys.stderr)

    def swap_off(self):
        with open("/proc/swaps", encoding="utf-8") as file:
            if self.file not in file.read():
                return
        if subprocess.run(["swapoff", self.file], check=False).returncode:
            print(f"bench/paging: {self.file} is left behind: swapoff it", file=sys.stderr)


def figures_of(output):
    """From touch's lines: MB/s for what goes in order, pages a second for what does not."""
    figures = {}
    for line in output.decode().splitlines():
        name, nr, seconds = line.split()
        rate = int(nr) / float(seconds)
        figures[name] = rate if name.startswith("random") else rate * 4096 / 1e6
    return figures


def show(results, contents):
    rows = [[f"{contents} of each page random"] + [title for _, title in PHASES]]
    medians = {who: {name: common.median([round_[name] for round_ in rounds]) for name, _ in PHASES}
               for who, rounds in results.items() if rounds}
    for who, values in medians.items():
        rows.append([who] + [f"{values[name]:,.0f}" for name, _ in PHASES])
    if LINUX in medians:
        for who, values in medians.items():
            if who != LINUX:
                rows.append([f"{who} / Linux"] + [f"{values[name] / medians[LINUX][name]:.2f}" for name, _ in PHASES])
    common.table(rows)
    return medians


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("weir", nargs="?", help="the command; without it only Linux is measured")
    parser.add_argument("--budget", type=int, default=512, metavar="MIB", help="RAM of both (512)")
    parser.add_argument("--times", type=float, default=2, help="the region is so many budgets (2)")
    parser.add_argument("--random", type=int, default=100000, metavar="N", help="random touches a phase (100000)")
    parser.add_argument("--contents", choices=("half", "none", "all"), default="half",
                        help="what of a page compresses (half)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=6, help="begin no round after this time (6)")
    parser.add_argument("--dir", help="folder for swap files, on the disk to be measured (TMPDIR or /var/tmp)")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--only", action="append", metavar="TEXT", help="only contenders whose name contains it")
    args = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench/paging: needs root, to make a memory cgroup and a swap file for Linux's side")

    bench = common.Bench("paging", args.weir and os.path.abspath(args.weir), args.dir)
    budget, region_mib = args.budget * MIB, int(args.budget * args.times)
    touch = [bench.compile("bench/paging/touch.c"), str(region_mib), str(args.random), args.contents]
    kernel = KernelSwap(bench, budget, (region_mib + 256) * MIB)
    contenders = {LINUX: (touch, kernel.enter)}
    if args.weir:
        contenders["weir, swap file alone"] = (bench.weir(touch, budget, "--zpool", "0"), None)
        contenders["weir"] = (bench.weir(touch, budget), None)
    if args.only:
        contenders = {who: how for who, how in contenders.items() if any(text in who for text in args.only)}

    results = {who: [] for who in contenders}
    for number in range(args.rounds):
        if number and bench.elapsed_s() > args.minutes * 60:
            break
        for who, (command, before) in contenders.items():
            what = f"round {number + 1} of {args.rounds}, {who}"
            bench.progress(what)
            _, output = bench.run(command, 300, before=before, on_line=lambda line, what=what: bench.progress(
                f"{what}: {line.split()[0]} {float(line.split()[2]):.1f} s"))
            results[who].append(figures_of(output))
    bench.clear_progress()
    rounds = len(next(iter(results.values())))
    print(f"{region_mib} MiB touched in {args.budget} MiB of RAM, medians of {rounds} rounds; "
          f"every word that was read was checked")
    medians = show(results, {"half": "half", "none": "all", "all": "nothing"}[args.contents])
    if args.json:
        common.save_json(args.json, {"machine": common.machine(), "budget_mib": args.budget, "region_mib": region_mib,
                                     "contents": args.contents, "medians": medians, "rounds": results})


if __name__ == "__main__":
    with common.quiet_interrupt():
        main()
