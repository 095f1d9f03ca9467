# SPDX-License-Identifier: MIT
"""What weir costs where nothing is paged: starting, first touches of memory that fits, a program that does nothing."""

import json
import time

import common
from common import MIB

START_WANTED_MS = 15
TOUCH_WANTED = 1.1


def time_true(bench, command, nr):
    times = []
    for _ in range(nr):
        begin = time.monotonic()
        bench.run_quickly(command)
        times.append((time.monotonic() - begin) * 1e3)
    return times


def figures_of(ran):
    return {line.pop("pattern"): line for line in map(json.loads, ran.output.decode().splitlines())}


def run(bench, contenders, args, program):
    """None without weir."""
    if not bench.weir_path:
        return None
    true = "/bin/true"
    starts = {"native": [], "weir": []}
    touches = {"native": [], "weir": []}
    ram = args.budget * MIB
    for number in range(args.rounds):
        bench.progress(f"start and first touch, round {number + 1} of {args.rounds}")
        starts["native"] += time_true(bench, [true], 10)
        starts["weir"] += time_true(bench, bench.weir([true], ram), 10)
        touch = [program, "--mib", str(args.budget // 2), "first"]
        for name, command in (("native", touch), ("weir", bench.weir(touch, ram))):
            figures = figures_of(bench.run(command, 120))["first"]
            touches[name].append(figures["seconds"] / figures["accesses"] * 1e9)
    bench.progress("a program that does not fault")
    idle = [program, "--mib", str(args.budget * 2), "--seconds", "3", "idle"]
    burnt = figures_of(bench.run(bench.weir(idle, ram), 120))["idle"]
    return {"start_ms": starts, "first_touch_ns": touches, "idle_cpu_s": burnt["cpu_s"], "idle_s": burnt["seconds"]}


def show(extras):
    if not extras:
        return
    start = {name: common.median(values) for name, values in extras["start_ms"].items()}
    touch = {name: common.median(values) for name, values in extras["first_touch_ns"].items()}
    more, ratio = start["weir"] - start["native"], touch["weir"] / touch["native"]
    burnt = extras["idle_cpu_s"] / extras["idle_s"] * 1e3
    print()
    common.table([
        ["where nothing is paged", "native", "weir", "", "wanted", ""],
        ["start of `true`, ms", f"{start['native']:.1f}", f"{start['weir']:.1f}", f"+{more:.1f}",
         f"+{START_WANTED_MS}", "short" if more > START_WANTED_MS else ""],
        ["first touch of fresh memory, it fits, ns a page", f"{touch['native']:.0f}", f"{touch['weir']:.0f}",
         f"{ratio:.2f}", f"{TOUCH_WANTED}", "short" if ratio > TOUCH_WANTED else ""],
        ["CPU ms burnt in a second without a fault", "0", f"{burnt:.2f}", "", "0", "short" if burnt >= 0.5 else ""],
    ])
