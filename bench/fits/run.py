#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs whose data fits their budget: how much longer do they take under weir?

Each runs in turn without weir and with it, in pairs, the order changing from pair to pair; shown are the medians and
the median of the pairs' ratios. Their outputs must be the same.
"""

import argparse
import os
import random
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import common  # noqa: E402
from common import MIB  # noqa: E402

PYTHON_JOB = """
import hashlib
index = {"%08x" % (i * 2654435761 % 2**32): [i, str(i) * 3] for i in range(800000)}
digest = hashlib.sha256()
for turn in range(2):
    for key in sorted(index):
        digest.update(index[key][1].encode())
print(digest.hexdigest())
"""
SQL = """
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000)
INSERT INTO t SELECT i, printf('%08x', i * 2654435761 % 4294967296), i % 1000 FROM n;
CREATE INDEX by_b ON t(b);
SELECT c, count(*), min(b), max(b) FROM t GROUP BY c;
SELECT count(*) FROM t x JOIN t y ON y.b = printf('%08x', (x.a + 1) * 2654435761 % 4294967296);
"""


def make_lines(path):
    draw = random.Random(1)
    with open(path, "w", encoding="ascii") as file:
        file.writelines(f"{draw.getrandbits(64):016x} {i}\n" for i in range(2500000))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("weir")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ram", type=int, default=1024, metavar="MIB", help="more than any of them needs (1024)")
    parser.add_argument("--minutes", type=float, default=5, help="begin no round after this time (5)")
    parser.add_argument("--only", action="append", metavar="NAME")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()

    bench = common.Bench("fits", os.path.abspath(args.weir))
    bench.progress("making inputs")
    sql, lines = os.path.join(bench.dir, "sql"), os.path.join(bench.dir, "lines")
    with open(sql, "w", encoding="ascii") as file:
        file.write(SQL)
    make_lines(lines)
    jobs = {
        "fill (C)": ([bench.compile("bench/fits/fill.c"), "256"], None),
        "python3": (["/usr/bin/python3", "-c", PYTHON_JOB], None),
        "sort": (["sort", "-S", "512M", "--parallel=2", lines], None),
        "sqlite3": (["sqlite3", "-batch", ":memory:"], sql),
    }
    os.environ["LC_ALL"] = "C"
    jobs = {name: job for name, job in jobs.items()
            if shutil.which(job[0][0]) and (not args.only or any(text in name for text in args.only))}

    results = {name: {"native_s": [], "weir_s": []} for name in jobs}
    for number in range(args.rounds):
        if number and bench.elapsed_s() > args.minutes * 60:
            break
        for name, (command, stdin) in jobs.items():
            outputs = []
            ways = [("native_s", command), ("weir_s", bench.weir(command, args.ram * MIB))]
            for way, how in ways if number % 2 == 0 else reversed(ways):
                bench.progress(f"round {number + 1} of {args.rounds}, {name}, {way[:-2]}")
                ran = bench.run(how, 120, stdin=stdin)
                results[name][way].append(ran.wall_s)
                outputs.append(ran.output)
            if outputs[0] != outputs[1]:
                bench.fail(f"{name}: under weir its output is another")
    bench.clear_progress()

    rows = [["data that fits", "without weir", "under weir", "ratio"]]
    for name, times in results.items():
        ratios = [weir / native for native, weir in zip(times["native_s"], times["weir_s"])]
        times["ratio"] = common.median(ratios)
        rows.append([name, f"{common.median(times['native_s']):.2f} s", f"{common.median(times['weir_s']):.2f} s",
                     f"{times['ratio']:.3f}"])
    common.table(rows)
    if args.json:
        common.save_json(args.json, {"machine": common.machine(), "ram_mib": args.ram, "results": results})


if __name__ == "__main__":
    with common.ending("fits"):
        main()
