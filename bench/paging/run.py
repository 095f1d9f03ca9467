#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Data larger than RAM, touched in many ways: weir beside Linux's swap file, zram and zswap, charged alike.

Linux's ways run in a memory cgroup, with a swap file on the disk that weir's lies on. Where a compressed pool is not
charged to the cgroup its limit is lowered until limit and peak pool together are no more than weir's --ram. All take
turns; medians of the rounds are shown. Everything made for it is removed, however it ends. Needs root.
"""

import glob
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import common  # noqa: E402
import contest  # noqa: E402
import extras  # noqa: E402
import report  # noqa: E402
from common import MIB  # noqa: E402
from workloads import CONTENTS, PATTERNS, RATIOS  # noqa: E402

SOURCES = [f"bench/paging/{name}.c" for name in ("patterns", "walks", "contents", "draw", "latency")]


class Cell:
    """One kind of workload, and what each contender made of it."""

    def __init__(self, contents, times, threads, region_mib):
        self.contents = contents
        self.times = times
        self.threads = threads
        self.region_mib = region_mib
        self.results = {}  # contender: [{pattern: figures} of each round]
        self.charges = {}  # contender: [Charge of each round]
        self.unfit = {}

    def workload(self):
        return f"{self.contents} {self.times:g} {self.threads}"

    def title(self):
        return (f"{self.region_mib} MiB, {self.times:g} times the budget, {CONTENTS[self.contents]}, "
                f"{self.threads} thread{'s' * (self.threads > 1)}")

    def medians(self):
        """contender: {pattern: {figure: median}}"""
        return {who: {pattern: {figure: common.median([run[pattern][figure] for run in runs]) for figure in figures}
                      for pattern, figures in runs[0].items()}
                for who, runs in self.results.items() if runs}


def kernel_threads():
    """Those that reclaim for everybody."""
    found = []
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            with open(path, encoding="utf-8") as file:
                if file.read().startswith("kswapd"):
                    found.append(path.split("/")[2])
        except OSError:
            continue
    return ",".join(found[:16]) or "0"


def parse_options():
    parser = common.Options(prog="bench/paging", description=__doc__.split("\n", 1)[0])
    parser.add_argument("weir", nargs="?", help="the command; without it only Linux is measured")
    parser.add_argument("--quick", action="store_true", help="about four minutes: twice the budget, one thread, half "
                        "compressible, less time for each pattern, three rounds, one share for zram, nothing native")
    parser.add_argument("--budget", type=common.positive(int), default=512, metavar="MIB", help="RAM of each (512)")
    parser.add_argument("--rounds", type=common.positive(int), metavar="N", help="of which medians are shown (5)")
    parser.add_argument("--seconds", type=common.positive(), metavar="S",
                        help="for each pattern (1); some take a multiple")
    parser.add_argument("--shift", type=common.positive(), metavar="S", help="the hot set shifts so often (5)")
    parser.add_argument("--only", type=common.words(), metavar="PATTERN,...", help=", ".join(PATTERNS))
    parser.add_argument("--contents", type=common.words(), metavar="KIND,...", help=", ".join(CONTENTS))
    parser.add_argument("--sizes", type=common.words(float), metavar="N,...", help="times the budget (2,4,8)")
    parser.add_argument("--threads", type=common.words(int), metavar="N,...", help="(1,2)")
    parser.add_argument("--no-extras", action="store_true", help="only the patterns")
    contest.add_options(parser)
    args = parser.parse_args()
    quick = args.quick
    args.rounds = args.rounds or (3 if quick else 5)
    args.seconds = args.seconds or (0.8 if quick else 1)
    args.shift = args.shift or (0.8 if quick else 5)
    args.sizes = args.sizes or ([2] if quick else [2, 4, 8])
    args.threads = args.threads or ([1] if quick else [1, 2])
    args.contents = parser.only(args.contents or (["half"] if quick else None), CONTENTS, "contents")
    args.only = parser.only(args.only, PATTERNS, "pattern")
    contest.check_options(parser, args)
    if args.budget < 16:
        parser.error("--budget: weir takes at least 16 MiB")
    if any(not 0 < size <= 64 for size in args.sizes) or any(not 1 <= nr <= 64 for nr in args.threads):
        parser.error("--sizes and --threads are above 0 and at most 64")
    return args


def run_cell(bench, contenders, cell, args, program):
    base = [program, "--mib", str(cell.region_mib), "--contents", cell.contents, "--threads", str(cell.threads),
            "--seconds", str(args.seconds), "--shift", str(args.shift), "--watch", kernel_threads()]
    for number in range(args.rounds):
        for contender in contenders.here:
            if contender.name in cell.unfit:
                continue
            what = f"{cell.workload()}, round {number + 1} of {args.rounds}, {contender.title}"
            bench.progress(what)
            try:
                ran, charge = contenders.run(
                    contender, cell.workload(), [*base, *args.only], 900, cell.region_mib * MIB, RATIOS[cell.contents],
                    trial=[*base, "fill"],
                    on_line=lambda line, what=what: bench.progress(f"{what}: {json.loads(line)['pattern']}"))
            except contest.Unfit as why:
                cell.unfit[contender.name] = str(why)
                cell.results.pop(contender.name, None)
                continue
            figures = [json.loads(line) for line in ran.output.decode().splitlines()]
            cell.results.setdefault(contender.name, []).append({line.pop("pattern"): line for line in figures})
            cell.charges.setdefault(contender.name, []).append(charge)


def estimate_s(args, nr_contenders):
    """How long it takes, about: a pattern 1.6 times what it is given on the average, a fill at 400 MB/s."""
    one = 1.6 * args.seconds * len(args.only) + 1
    one += 3 * args.shift if "shift" in args.only else 0
    sum_s = 0
    for size in args.sizes:
        fill_s = size * args.budget * MIB / 400e6
        sum_s += nr_contenders * (args.rounds * (one + fill_s) + fill_s)
    return sum_s * len(args.contents) * len(args.threads)


def main():
    args = parse_options()
    contest.need_root("paging")
    bench = common.Bench("paging", args.weir and os.path.abspath(args.weir), args.dir)
    program = bench.compile(*SOURCES)
    sizes = {size: int(args.budget * size) for size in args.sizes}
    contenders = contest.Contest(bench, args.budget * MIB, (max([2 * args.budget, *sizes.values()]) + 256) * MIB, args)
    seconds = estimate_s(args, len(contenders.here))
    print(f"{args.budget} MiB of RAM for each; every word that is read is checked; medians of {args.rounds} rounds; "
          f"about {seconds / 60:.0f} minutes")
    for title, reason in contenders.not_had().items():
        print(f"not to be had here: {title}: {reason}")
    cells = []
    common.warn_if_busy()
    data = {"machine": common.machine(), "options": vars(args), "not_had": contenders.not_had()}
    for contents in args.contents:
        for size in args.sizes:
            for threads in args.threads:
                cell = Cell(contents, size, threads, sizes[size])
                run_cell(bench, contenders, cell, args, program)
                bench.clear_progress()
                cells.append(cell)
                report.show_cell(cell, contenders, args)
                data["cells"] = [report.data_of(each, contenders) for each in cells]
                if args.json:
                    common.save_json(args.json, data)
    if not args.no_extras:
        data["extras"] = extras.run(bench, contenders, args, program)
        bench.clear_progress()
        extras.show(data["extras"])
        if args.json:
            common.save_json(args.json, data)
    if args.svg:
        report.draw(args.svg, cells, contenders)


if __name__ == "__main__":
    with common.ending("paging"):
        main()
