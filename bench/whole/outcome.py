# SPDX-License-Identifier: MIT
"""Tables, JSON and charts of what bench/whole measured."""

import os

import charts
import common
from common import MIB

# Of the ratios of run times to the best of Linux's ways: geometric mean, and the worst.
WANTED = {50: (0.7, 1.0), 25: (0.6, 1.1)}
FITS_WANTED = 1.02  # at 100 %, to the native run


def wall_s(timings, share, name):
    runs = timings.shares.get(share, {}).get(name)
    return common.median([run["wall_s"] for run in runs]) if runs else None


def native_s(timings):
    return common.median(timings.native)


def best_s(timings, share, contenders):
    times = [wall_s(timings, share, contender.name) for contender in contenders.linux]
    return min((seconds for seconds in times if seconds), default=None)


def ratio(value, base, digits=2):
    return "" if value is None or base is None else f"{value / base:.{digits}f}"


def show_program(timings, contenders):
    """Seconds in each share, and how each was charged."""
    who = [each for each in contenders.here if each.name != "native"]
    print(f"\n{timings.job.name}: {timings.peak_bytes / MIB:.0f} MiB and {native_s(timings):.1f} s by itself")
    rows = [["s", *(each.title for each in who), "weir / best of Linux", "weir / native"]]
    for share in timings.shares:
        weir = wall_s(timings, share, "weir")
        cells = [wall_s(timings, share, each.name) for each in who]
        rows.append([f"{share} %", *("" if cell is None else f"{cell:.1f}" for cell in cells),
                     ratio(weir, best_s(timings, share, contenders)), ratio(weir, native_s(timings))])
    common.table(rows)
    for share, unfit in timings.unfit.items():
        for name, why in unfit.items():
            print(f"  left out at {share} %: {name}: {why}")
    rows = [["MiB, limit + pool = together", *(each.title for each in who)]]
    for share, charges in timings.charges.items():
        cells = []
        for each in who:
            charge = max(charges.get(each.name, ()), key=lambda charge: charge.sum_bytes(), default=None)
            cells.append("" if charge is None else f"{charge.limit_bytes / MIB:.0f} + {charge.pool_bytes / MIB:.0f} = "
                                                   f"{charge.sum_bytes() / MIB:.0f}")
        rows.append([f"{share} %", *cells])
    common.table(rows)


def verdict(value, wanted):
    return [f"{value:.2f}", f"{wanted:g}" if wanted else "", "short" if wanted and value > wanted else ""]


def show_share(finished, share, contenders):
    """All programs together."""
    pairs = [(wall_s(each, share, "weir"), best_s(each, share, contenders), native_s(each), each) for each in finished]
    against = {each.job.name: weir / best for weir, best, _, each in pairs if weir and best}
    natives = {each.job.name: weir / native for weir, _, native, each in pairs if weir}
    if not natives:
        return
    print()
    rows = [[f"weir's run times at {share} %", "ratio", "wanted", ""]]
    mean_wanted, worst_wanted = WANTED.get(share, (None, None))
    for title, ratios, mean, most in (("best of Linux's ways", against, mean_wanted, worst_wanted),
                                      ("native run", natives, FITS_WANTED if share == 100 else None,
                                       FITS_WANTED if share == 100 else None)):
        if ratios:
            worst = max(ratios, key=ratios.get)
            rows.append([f"to the {title}, geometric mean", *verdict(common.geometric_mean(ratios.values()), mean)])
            rows.append([f"to the {title}, worst: {worst}", *verdict(ratios[worst], most)])
    common.table(rows)


def data_of(timings):
    return {
        "peak_bytes": timings.peak_bytes, "native_s": timings.native, "shares": timings.shares,
        "unfit": timings.unfit,
        "charges": {share: {who: [vars(charge) for charge in charges] for who, charges in by.items()}
                    for share, by in timings.charges.items()},
    }


def draw(folder, finished, shares, contenders):
    """A chart for each share: run times as ratios to the native ones; less is better."""
    series = [(each.name, each.title) for each in contenders.here if each.name != "native"]
    for share in shares:
        groups = []
        for timings in finished:
            times = {name: wall_s(timings, share, name) for name, _ in series}
            bars = {name: (seconds / native_s(timings), f"{seconds:.1f} s")
                    for name, seconds in times.items() if seconds}
            bars.update({name: (0, "left out") for name in timings.unfit.get(share, {})})
            if bars:
                groups.append((timings.job.name, bars, None))
        if groups:
            charts.Chart(f"Programs in {share} % of what they take",
                         "run times; 1 is the run without a limit; shorter is better", "times the native run", series,
                         groups).save(os.path.join(folder, f"whole-{share}.svg"))
