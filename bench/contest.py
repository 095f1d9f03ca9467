# SPDX-License-Identifier: MIT
"""Contenders that run the same workload in the same memory: without a limit, under weir, and Linux's ways.

Who cannot be had here is kept with the reason, and so is who could not be charged alike for a workload.
"""

import contextlib
import os
import shlex
import sys

import common
import linux_swap
import memory_group
import undo
from common import MIB, ProgramFailed

TRIES = 6  # at a limit and a pool that fit
KILLS = 3  # and as often Linux may kill a program before that counts as its answer


class Charge:
    """What a run was allowed, and took, beside weir's budget."""

    def __init__(self, limit_bytes, pool_bytes, peak_bytes):
        self.limit_bytes = limit_bytes
        self.pool_bytes = pool_bytes
        self.peak_bytes = peak_bytes

    def sum_bytes(self):
        return self.limit_bytes + self.pool_bytes


class Unfit(Exception):
    """This contender cannot run the workload charged alike; the text says why."""


class Killed(Exception):
    """Linux has killed the program: it could not get below the limit."""


class Native:
    """Without any limit."""

    name = "native"
    title = "native"
    reason = None


class Weir:
    """Under weir, with these options."""

    reason = None

    def __init__(self, name, options=()):
        self.name = name
        self.title = name
        self.options = list(options)


class Contest:
    """Who competes, and how each runs."""

    def __init__(self, bench, ram_bytes, swap_bytes, args):
        self.bench = bench
        self.ram_bytes = ram_bytes
        self.lock = undo.take_lock()
        if not self.lock:
            bench.fail(f"another bench is running: it holds {undo.LOCK}")
        undo.undo_leftovers({os.path.dirname(bench.dir), "/var/tmp"})
        self.undo = undo.Undo(bench.dir)
        self.controller = memory_group.Controller(self.undo)
        swap_file = linux_swap.SwapFile(self.undo, bench.dir, swap_bytes)
        self.linux = [linux_swap.FileContender(swap_file),
                      *(linux_swap.ZramContender(swap_file, share) for share in args.zram),
                      linux_swap.ZswapContender(swap_file, self.controller.charges_zswap(), args.zswap)]
        self.all = [Native(), *self.linux]
        if bench.weir_path:
            self.all += [Weir("weir"), *(Weir(name, options) for name, options in args.also)]
        for contender in self.linux:
            contender.reason = self.controller.reason or contender.reason
        self.here = [contender for contender in self.all if not contender.reason and contender.name in args.variants]
        self.plans = {}
        self.unfit = {}  # (contender, workload): why

    def not_had(self):
        return {contender.title: contender.reason for contender in self.all if contender.reason}

    def run(self, contender, workload, command, timeout_s, total_bytes, ratio, trial=None, ram_bytes=None, **how):
        """Runs the command. Returns how it ran and its Charge. Raises Unfit.

        total_bytes of data are expected to compress to ratio of themselves: where the search for a limit begins. trial
        is a shorter command that needs as much memory; the search uses it.
        """
        ram = ram_bytes or self.ram_bytes
        if isinstance(contender, (Native, Weir)):
            if isinstance(contender, Weir):
                command = self.bench.weir(command, ram, *contender.options)
            with self.group() as group:
                ran = self.bench.run(group.inside(command) if group else command, timeout_s, **how)
                return ran, Charge(ram, 0, group.peak_bytes() if group else None)
        return self.run_linux(contender, workload, command, timeout_s, (ram, total_bytes, ratio), trial, **how)

    @contextlib.contextmanager
    def group(self):
        """A group without a limit shows what weir takes; there may be none on this machine."""
        if self.controller.reason:
            yield None
        else:
            with self.controller.group() as group:
                yield group

    def run_linux(self, contender, workload, command, timeout_s, demand, trial, **how):
        key = (contender.name, workload)
        if key in self.unfit:
            raise Unfit(self.unfit[key])
        plan = self.plans.get(key) or contender.first_plan(*demand)
        charge, killed, nr_killed = None, None, 0
        for _ in range(TRIES):
            if plan is None or nr_killed == KILLS:
                break
            plan.settled = plan.settled or contender.charged
            trying = trial and not plan.settled
            try:
                ran, charge, pool = self.run_planned(contender, plan, trial if trying else command, timeout_s, how)
            except Killed:
                nr_killed += 1
                killed = f"killed for want of memory within its limit, {plan.limit_bytes // MIB} MiB"
                continue
            fits = charge.sum_bytes() <= demand[0]
            if fits and (plan.settled or charge.sum_bytes() >= linux_swap.ENOUGH * demand[0]):
                plan.settled = True
                self.plans[key] = plan
                if not trying:
                    return ran, charge
                continue
            plan = linux_swap.adjusted(contender, plan, pool, demand)
            if plan:
                plan.settled = fits
        takes = f" (which takes {charge.pool_bytes // MIB} MiB)" if charge else ""
        self.unfit[key] = killed or (f"no limit and pool{takes} take no more than {demand[0] // MIB} MiB "
                                     f"together{contender.hint}")
        raise Unfit(self.unfit[key])

    def run_planned(self, contender, plan, command, timeout_s, how):
        with contender.ready(plan) as pool, self.controller.group(plan.limit_bytes) as group:
            with linux_swap.sampled(pool, group):
                try:
                    ran = self.bench.run(group.inside(command), timeout_s, **how)
                except ProgramFailed:
                    if group.killed():
                        raise Killed from None
                    raise
            return ran, Charge(plan.limit_bytes, 0 if contender.charged else pool.used, group.peak_bytes()), pool


def add_options(parser):
    """Those that choose and set up contenders."""
    parser.add_argument("--variants", type=common.words(), metavar="NAME,...",
                        help="native, file, zram and its share, zswap, weir")
    parser.add_argument("--zram", type=common.words(int), metavar="PERCENT,...",
                        help="shares of the budget that zram's pool may take, each a variant (40,70)")
    parser.add_argument("--zswap", type=common.positive(int), default=40, metavar="PERCENT", help="the same for zswap")
    parser.add_argument("--also", action="append", metavar="NAME=OPTIONS", help="weir once more, with these options")
    parser.add_argument("--dir", help="folder for swap files, on the disk to be measured (TMPDIR or /var/tmp)")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--svg", metavar="FOLDER", help="charts")


def check_options(parser, args):
    args.zram = args.zram or ([40] if args.quick else [40, 70])
    if any("=" not in text for text in args.also or ()):
        parser.error("--also wants NAME=OPTIONS")
    args.also = [(text.split("=", 1)[0], shlex.split(text.split("=", 1)[1])) for text in args.also or ()]
    known = ["native", "file", *(f"zram{share}" for share in args.zram), "zswap"]
    known += ["weir", *dict(args.also)] if args.weir else []
    args.variants = parser.only(args.variants or (known[1:] if args.quick else None), known, "variant")
    if any(not 1 <= share <= 90 for share in [*args.zram, args.zswap]):
        parser.error("--zram and --zswap are from 1 to 90 percent")
    if args.weir and not os.access(args.weir, os.X_OK):
        parser.error(f"there is no {args.weir}; run make first")
    for option in ("dir", "svg"):
        folder = getattr(args, option)
        if folder and not os.path.isdir(folder):
            parser.error(f"--{option}: there is no folder {folder}")


def need_root(name):
    if os.geteuid() != 0:
        sys.exit(f"bench/{name}: needs root, to make a memory cgroup and swap for Linux's side")
