#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a page, or a block of pages, costs: weir's page allocator beside malloc of glibc, jemalloc and mimalloc.

Nanoseconds of thread CPU time per operation, medians of the repeats with the least and the most, on one thread and on
two, each pinned to a CPU; instructions per operation as callgrind counts them; the ratio to mimalloc's median. Then
what is left of large blocks, and whether the time grows with memory.
"""

import argparse
import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import common  # noqa: E402

# Name in the program: title, operations a repeat, function that callgrind watches, wanted ratio to mimalloc.
ROWS = {
    "pair": ("order-0 pair, same frame", 5000000, "run_pair", 0.5),
    "stack": ("order-0 pair, stack of 256", 600000, "run_stack", 0.4),
    "random": ("order-0 pair, random at 50 %", 500000, "run_random", None),
    "fill": ("fill all, get", 1, "run_fill", 0.2),
    "free": ("free all in random order", 1, "run_empty", 0.35),
    "pair9": ("order-9 pair", 300000, "run_pair9", 0.15),
    "mixed": ("mixed orders at 80 %", 100000, "run_mixed", 0.5),
}
LIBRARIES = {"glibc": None, "jemalloc": "libjemalloc.so.2", "mimalloc": "libmimalloc.so.2"}
EXPERIMENTS = {
    "e1": ("90 % full, a random tenth freed and taken again 60 times", 204),
    "e2": ("half in use at random, a tenth taken again 100 times", 980),
    "e3": ("1 in 16 unmovable, then all movable freed", 1870),
}
GROWTH_GIB = (1, 4, 16, 64, 256, 1024)
FRAMES = 1 << 20
# A zone of 1 GiB has lists and batches of the sizes that larger ones have.
COUNTED_FRAMES, COUNTED_OPS = 1 << 18, (10240, 51200)


class Allocators:
    """The programs, and how each allocator is run."""

    def __init__(self, bench, weir):
        library = os.path.join(os.path.dirname(weir), "mm", "libweir-mm.a")
        if not os.path.exists(library):
            bench.fail(f"there is no {library}; give the weir of a build folder")
        self.bench = bench
        host = os.path.join(common.ROOT, "bench/alloc/host.c")
        flags = ["-O2", "-g", "-std=gnu11", "-D_GNU_SOURCE", "-pthread", "-I" + common.ROOT]
        self.weir = self.compile("alloc.c", "alloc-weir", [*flags, "-DWEIR", host, library])
        self.malloc = self.compile("alloc.c", "alloc-malloc", flags)
        self.blocks = self.compile("blocks.c", "blocks", [*flags, host, library])
        self.how = {"weir": ([self.weir], {})}
        for name, file in LIBRARIES.items():
            found = [file] if file is None else glob.glob(f"/usr/lib/*/{file}") + glob.glob(f"/usr/lib/{file}")
            if found:
                self.how[name] = ([self.malloc], {"LD_PRELOAD": found[0]} if found[0] else {})
            else:
                print(f"bench/alloc: {name} is not installed ({file}); it is left out", file=sys.stderr)

    def compile(self, source, name, options):
        program = os.path.join(self.bench.dir, name)
        subprocess.run([os.environ.get("CC", "cc"), "-o", program,
                        os.path.join(common.ROOT, "bench/alloc", source), *options], check=True)
        return program

    def run(self, name, *arguments):
        command, environment = self.how[name]
        done = subprocess.run([*command, *map(str, arguments)], env={**os.environ, **environment}, check=False,
                              capture_output=True, text=True, timeout=900)
        if done.returncode != 0:
            self.bench.fail(f"{name} {arguments}: status {done.returncode}: {done.stderr[-300:]}")
        return [float(line) for line in done.stdout.split()]

    def count(self, name, row, ops, repeats):
        """Instructions that callgrind counts within the row's function; None without valgrind."""
        _, _, function, _ = ROWS[row]
        command, environment = self.how[name]
        out = os.path.join(self.bench.dir, "callgrind.out")
        try:
            done = subprocess.run(["valgrind", "--tool=callgrind", f"--toggle-collect={function}",
                                   f"--callgrind-out-file={out}", *command, row, "1", str(COUNTED_FRAMES), str(ops),
                                   str(repeats)],
                                  env={**os.environ, **environment}, check=False, capture_output=True, text=True,
                                  timeout=900)
        except FileNotFoundError:
            return None
        found = re.search(r"Collected : (\d+)", done.stderr)
        return int(found.group(1)) if done.returncode == 0 and found else None

    def instructions(self, name, row):
        """Per operation: what one run has more than a shorter one, so that nothing of its beginning is in it."""
        if row in ("fill", "free"):
            less, more = self.count(name, row, 1, 0), self.count(name, row, 1, 1)
            ops = COUNTED_FRAMES - COUNTED_FRAMES // 64
        else:
            less, more = (self.count(name, row, ops, 0) for ops in COUNTED_OPS)
            ops = COUNTED_OPS[1] - COUNTED_OPS[0]
        return None if less is None or more is None else (more - less) / ops


def summary(values):
    return {"median_ns": common.median(values), "min_ns": min(values), "max_ns": max(values), "all_ns": values}


def measure_rows(bench, allocators, args):
    results = {}
    for row in args.only or ROWS:
        title, ops, _, _ = ROWS[row]
        for threads in (1, 2):
            if threads > os.cpu_count():
                continue
            cell = results.setdefault(row, {}).setdefault(str(threads), {})
            for name in allocators.how:
                bench.progress(f"{title}, {threads} thread{'s' * (threads > 1)}, {name}")
                cell[name] = summary(allocators.run(name, row, threads, args.frames, max(1, ops // args.shorter),
                                                    args.repeats))
        for name in () if args.no_callgrind else allocators.how:
            bench.progress(f"{title}, instructions, {name}")
            results[row].setdefault("instructions", {})[name] = allocators.instructions(name, row)
    return results


def show_rows(results, names):
    for threads in ("1", "2"):
        unit = "ns, 1 thread" if threads == "1" else f"ns, {threads} threads"
        table = [[unit, *names, "min-max of weir", "weir / mimalloc", "wanted"]]
        for row, cells in results.items():
            if threads not in cells:
                continue
            cell, wanted = cells[threads], ROWS[row][3]
            ratio = cell["weir"]["median_ns"] / cell["mimalloc"]["median_ns"] if "mimalloc" in cell else None
            cell["ratio"] = ratio
            table.append([ROWS[row][0], *(f"{cell[name]['median_ns']:.1f}" for name in names),
                          f"{cell['weir']['min_ns']:.1f}-{cell['weir']['max_ns']:.1f}",
                          f"{ratio:.2f}" if ratio else "", f"{wanted:.2f}" if wanted else ""])
        if len(table) > 1:
            common.table(table)
            print()
    both = {row: cells for row, cells in results.items() if "1" in cells and "2" in cells}
    if both:
        table = [["two threads / one", *names]]
        for row, cells in both.items():
            table.append([ROWS[row][0], *(f"{cells['2'][name]['median_ns'] / cells['1'][name]['median_ns']:.2f}"
                                          for name in names)])
        common.table(table)
        print()
    table = [["instructions", *names]]
    for row, cells in results.items():
        counts = cells.get("instructions", {})
        if any(counts.values()):
            table.append([ROWS[row][0], *(f"{counts[name]:.0f}" if counts.get(name) else "" for name in names)])
    if len(table) > 1:
        common.table(table)
        print()


def measure_blocks(bench, allocators, frames):
    found = {}
    for name in EXPERIMENTS:
        bench.progress(f"large blocks, {name}")
        found[name] = int(subprocess.run([allocators.blocks, name, str(frames)], check=True, capture_output=True,
                                         timeout=600).stdout)
    return found


def measure_growth(bench, allocators, repeats):
    found = {}
    for gib in GROWTH_GIB:
        bench.progress(f"growth, {gib} GiB")
        out = subprocess.run([allocators.blocks, "growth", str(gib), str(repeats)], check=True, capture_output=True,
                             text=True, timeout=600).stdout
        columns = zip(*([float(word) for word in line.split()] for line in out.splitlines()))
        found[gib] = [summary(list(column)) for column in columns]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("weir")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--frames", type=int, default=FRAMES, help=f"of 4 KiB ({FRAMES})")
    parser.add_argument("--shorter", type=int, default=1, metavar="N", help="an Nth of the operations")
    parser.add_argument("--only", action="append", choices=ROWS, help="this row; may be repeated")
    parser.add_argument("--no-callgrind", action="store_true")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()

    weir = os.path.abspath(args.weir)
    bench = common.Bench("alloc", weir)
    allocators = Allocators(bench, weir)
    results = measure_rows(bench, allocators, args)
    blocks = {} if args.only else measure_blocks(bench, allocators, args.frames)
    growth = {} if args.only else measure_growth(bench, allocators, args.repeats)
    bench.clear_progress()

    show_rows(results, list(allocators.how))
    if blocks:
        common.table([["order-9 blocks left", "weir", "wanted at 2^20 frames"],
                      *([f"{name}: {title}", str(blocks[name]), f"{wanted}"]
                        for name, (title, wanted) in EXPERIMENTS.items())])
        print()
        common.table([["GiB of the machine", "order-0 pair ns", "fill ns", "order-9 pair ns"],
                      *([str(gib), *(f"{cell['median_ns']:.1f}" for cell in cells)] for gib, cells in growth.items())])
    if args.json:
        common.save_json(args.json, {"machine": common.machine(), "frames": args.frames, "repeats": args.repeats,
                                     "rows": results, "order9_blocks": blocks, "growth": growth})


if __name__ == "__main__":
    with common.ending("alloc"):
        main()
