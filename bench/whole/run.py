#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whole programs in less memory than they take: weir beside Linux's swap file, zram and zswap, charged alike.

Each program runs without a limit first, which shows its peak resident size and its output; then in shares of that peak,
the contenders in turns, each with the same output byte for byte. Medians of the rounds are shown. Needs root.
"""

import hashlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import common  # noqa: E402
import contest  # noqa: E402
import jobs  # noqa: E402
import outcome  # noqa: E402
from common import MIB  # noqa: E402

RAM_MIN = 16 * MIB  # the least that `weir run --ram` accepts
RATIO = 0.4  # what programs' data compress to, about: where the search for a limit begins
NAMES = list(jobs.table(None, 1))


class Timings:
    """A program: its peak, and how long it took in each share of it."""

    def __init__(self, job):
        self.job = job
        self.peak_bytes = 0
        self.digest = None
        self.native = []  # seconds
        self.shares = {}  # share: {contender: [{"wall_s", "cpu_s"}]}
        self.charges = {}  # share: {contender: [Charge]}
        self.unfit = {}  # share: {contender: why}


def digest_of(ran, job):
    digest = hashlib.sha256(ran.output)
    for path in job.outputs:
        with open(path, "rb") as file:
            while chunk := file.read(MIB):
                digest.update(chunk)
        os.unlink(path)
    return digest.hexdigest()


def run_native(bench, timings, timeout_s):
    job = timings.job
    bench.progress(f"{job.name}, native")
    ran = bench.run(job.command, timeout_s, stdin=job.stdin, status=job.status)
    digest = digest_of(ran, job)
    if timings.digest not in (None, digest):
        bench.fail(f"{job.name}: its output is another each time")
    timings.digest = digest
    timings.peak_bytes = max(timings.peak_bytes, ran.peak_bytes)
    timings.native.append(ran.wall_s)


def run_share(bench, contenders, timings, share, args):
    """One round of one share: each contender once."""
    job = timings.job
    ram = max(timings.peak_bytes * share // 100 // 4096 * 4096, RAM_MIN)
    unfit = timings.unfit.setdefault(share, {})
    limit_s = max(args.limit, common.median(timings.native) * 3)
    for contender in contenders.here:
        if contender.name in unfit or isinstance(contender, contest.Native):
            continue
        bench.progress(f"{job.name} in {share} % of {timings.peak_bytes // MIB} MiB, {contender.title}")
        try:
            ran, charge = contenders.run(contender, f"{job.name} {share}", job.command, limit_s, timings.peak_bytes,
                                         RATIO, ram_bytes=ram, stdin=job.stdin, status=job.status)
        except contest.Unfit as why:
            unfit[contender.name] = str(why)
            continue
        except common.TooLate:
            unfit[contender.name] = f"took more than {limit_s:.0f} s"
            continue
        if digest_of(ran, job) != timings.digest:
            bench.fail(f"{job.name} in {share} %, {contender.title}: its output is another")
        timings.shares.setdefault(share, {}).setdefault(contender.name, []).append(
            {"wall_s": ran.wall_s, "cpu_s": ran.cpu_s})
        timings.charges.setdefault(share, {}).setdefault(contender.name, []).append(charge)


def parse_options():
    parser = common.Options(prog="bench/whole", description=__doc__.split("\n", 1)[0])
    parser.add_argument("weir", nargs="?", help="the command; without it only Linux is measured")
    parser.add_argument("--quick", action="store_true",
                        help="half of the peak only, one round, inputs of an eighth, one share for zram")
    parser.add_argument("--rounds", type=common.positive(int), metavar="N", help="of which medians are shown (5)")
    parser.add_argument("--only", type=common.words(), metavar="PROGRAM,...", help=", ".join(NAMES))
    parser.add_argument("--budgets", type=common.words(int), metavar="PERCENT,...",
                        help="shares of each program's peak (100,75,50,25)")
    parser.add_argument("--scale", type=common.positive(), help="inputs are so many times as large (1)")
    parser.add_argument("--limit", type=common.positive(), default=600, metavar="S",
                        help="who takes longer is left out (600, or three times the native run)")
    contest.add_options(parser)
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 5)
    args.budgets = args.budgets or ([50] if args.quick else [100, 75, 50, 25])
    args.scale = args.scale or (0.125 if args.quick else 1)
    args.only = parser.only(args.only, NAMES, "program")
    contest.check_options(parser, args)
    if any(not 1 <= share <= 100 for share in args.budgets) or args.scale > 16:
        parser.error("--budgets are from 1 to 100 percent, and --scale is at most 16")
    return args


def main():
    args = parse_options()
    contest.need_root("whole")
    bench = common.Bench("whole", args.weir and os.path.abspath(args.weir), args.dir)
    contenders = contest.Contest(bench, 0, int(2048 * max(args.scale, 0.5)) * MIB, args)
    missing, todo = {}, []
    for name, (programs, modules, make) in jobs.table(bench, args.scale).items():
        if name not in args.only:
            continue
        reason = jobs.refusal(programs, modules)
        if reason:
            missing[name] = reason
        else:
            todo.append(make)
    print(f"each program in shares of its own peak; medians of {args.rounds} rounds; outputs are the same")
    for what, reason in {**contenders.not_had(), **missing}.items():
        print(f"not to be had here: {what}: {reason}")
    common.warn_if_busy()
    data = {"machine": common.machine(), "options": vars(args), "not_had": {**contenders.not_had(), **missing}}
    finished = []
    for make in todo:
        bench.progress("making its input")
        timings = Timings(make())
        run_native(bench, timings, 1800)
        for _ in range(args.rounds):
            run_native(bench, timings, 1800)
            for share in args.budgets:
                run_share(bench, contenders, timings, share, args)
        bench.clear_progress()
        finished.append(timings)
        outcome.show_program(timings, contenders)
        data["programs"] = {each.job.name: outcome.data_of(each) for each in finished}
        if args.json:
            common.save_json(args.json, data)
    for share in args.budgets:
        outcome.show_share(finished, share, contenders)
    if args.svg:
        outcome.draw(args.svg, finished, args.budgets, contenders)


if __name__ == "__main__":
    with common.ending("whole"):
        main()
