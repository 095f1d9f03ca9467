# SPDX-License-Identifier: MIT
"""Tables, JSON and charts of what bench/paging measured."""

import os

import charts
import common
from common import MIB
from workloads import PATTERNS, RANDOM

REFERENCE = "weir"


def linux_names(cell, contenders):
    return [contender.name for contender in contenders.linux if contender.name in cell.results]


def best_linux(medians, names, value, higher=True):
    """(figure, contender) of the best of Linux's ways."""
    found = [(value(medians[name]), name) for name in names]
    return (max(found) if higher else min(found)) if found else (None, None)


def cpu_us(figures):
    """CPU time of an access, in microseconds: the process with weir's threads, and kswapd."""
    return (figures["cpu_s"] + figures["kernel_cpu_s"]) / max(figures["accesses"], 1) * 1e6


def verdict(ratio, wanted, higher=True):
    """The ratio, what is wanted of it, and a mark where it falls short."""
    short = ratio is not None and wanted is not None and (ratio < wanted if higher else ratio > wanted)
    return ["" if ratio is None else f"{ratio:.2f}", "" if wanted is None else f"{wanted:g}", "short" if short else ""]


def compared(cell, contenders):
    """Of each pattern: (best of Linux's ways, weir's ratio to it, wanted)."""
    medians, names, found = cell.medians(), linux_names(cell, contenders), {}
    for name, pattern in PATTERNS.items():
        if name not in next(iter(medians.values()), {}):
            continue
        best, who = best_linux(medians, names, lambda of, name=name, pattern=pattern: pattern.rate(of[name]))
        ratio = pattern.rate(medians[REFERENCE][name]) / best if best and REFERENCE in medians else None
        found[name] = (who, ratio, pattern.wanted_of(cell.contents, cell.threads))
    return found


def show_cell(cell, contenders, args):
    medians = cell.medians()
    who = [contender for contender in contenders.here if contender.name in medians]
    print(f"\n{cell.title()}")
    for name, why in cell.unfit.items():
        print(f"  left out: {name}: {why}")
    if not who:
        return
    titles = [contender.title for contender in who]
    against = compared(cell, contenders)
    rows = [["", *titles, "", "weir / best of Linux", "wanted", ""]]
    for name, (_, ratio, wanted) in against.items():
        pattern = PATTERNS[name]
        digits = 0 if pattern.unit == "MB/s" else 1
        rows.append([pattern.title, *(f"{pattern.rate(medians[each.name][name]):,.{digits}f}" for each in who),
                     pattern.unit, *verdict(ratio, wanted)])
    common.table(rows)
    show_latencies(medians, who, against)
    show_cpu(cell, medians, who, contenders, against)
    show_charges(cell, who, args)


def show_latencies(medians, who, names):
    print()
    rows = [["us an access: 50 / 99 / 99.9 %", *(contender.title for contender in who)]]
    for name in names:
        rows.append([PATTERNS[name].title, *(
            " / ".join(f"{medians[each.name][name][key] / 1e3:,.{1 if key == 'p50_ns' else 0}f}"
                       for key in ("p50_ns", "p99_ns", "p999_ns")) for each in who)])
    common.table(rows)


def show_cpu(cell, medians, who, contenders, names):
    """CPU time, and the tail of what faults. For these, less is better."""
    linux = linux_names(cell, contenders)
    for title, value, chosen, wanted in (
            ("us of CPU an access", cpu_us, names, lambda name: 1 if name in RANDOM else None),
            ("us of a fault, 99 %", lambda of: of["fault_p99_ns"] / 1e3, [name for name in RANDOM if name in names],
             lambda name: 1 if cell.threads > 1 else None)):
        if not chosen:
            continue
        print()
        rows = [[title, *(contender.title for contender in who), "weir / best of Linux", "wanted", ""]]
        for name in chosen:
            best, _ = best_linux(medians, linux, lambda of, name=name, value=value: value(of[name]), higher=False)
            ratio = value(medians[REFERENCE][name]) / best if best and REFERENCE in medians else None
            rows.append([PATTERNS[name].title, *(f"{value(medians[each.name][name]):,.1f}" for each in who),
                         *verdict(ratio, wanted(name), higher=False)])
        common.table(rows)


def charge_cells(charges, ram_bytes):
    """The round with the largest sum speaks for all."""
    charge = max(charges, key=lambda each: each.sum_bytes())
    peaks = [each.peak_bytes for each in charges if each.peak_bytes is not None]
    return [f"{charge.limit_bytes / MIB:.0f}", f"{charge.pool_bytes / MIB:.0f}", f"{charge.sum_bytes() / MIB:.0f}",
            f"{ram_bytes / MIB:.0f}", f"{max(peaks) / MIB:.0f}" if peaks else ""]


def show_charges(cell, who, args):
    print()
    rows = [["MiB, at most in a round", "limit", "pool beside it", "together", "weir's --ram", "charged to the group"]]
    for contender in who:
        if contender.name == "native":
            continue
        rows.append([contender.title, *charge_cells(cell.charges[contender.name], args.budget * MIB)])
    common.table(rows)


def data_of(cell, contenders):
    return {
        "contents": cell.contents, "times": cell.times, "threads": cell.threads, "region_mib": cell.region_mib,
        "medians": cell.medians(), "rounds": cell.results, "unfit": cell.unfit,
        "charges": {who: [vars(charge) for charge in charges] for who, charges in cell.charges.items()},
        "against_linux": {name: {"best": best, "ratio": ratio, "wanted": wanted}
                          for name, (best, ratio, wanted) in compared(cell, contenders).items()},
    }



def rate_text(rate, unit):
    return f"{rate:,.{0 if rate >= 100 else 1}f} {unit}"


def draw(folder, cells, contenders):
    """A chart for each kind of workload: rates as ratios to the best of Linux's ways."""
    for cell in cells:
        medians, groups = cell.medians(), []
        series = [(each.name, each.title) for each in contenders.all
                  if each.name in medians and each.name != "native"]
        for name, (best, _, wanted) in compared(cell, contenders).items():
            if best:
                pattern = PATTERNS[name]
                base = pattern.rate(medians[best][name])
                rates = {who: pattern.rate(medians[who][name]) for who, _ in series}
                groups.append((pattern.title, {who: (rate / base, rate_text(rate, pattern.unit))
                                               for who, rate in rates.items()}, wanted))
        if groups:
            chart = charts.Chart(f"{cell.times:g} times the budget, {cell.threads} thread{'s' * (cell.threads > 1)}",
                                 f"{cell.title()}; the dashed line is what is wanted of weir",
                                 "rate, as a ratio to the best of Linux's ways", series, groups)
            chart.save(os.path.join(folder, f"paging-{cell.contents}-{cell.times:g}x-{cell.threads}.svg"))
