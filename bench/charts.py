# SPDX-License-Identifier: MIT
"""Bar charts as SVG files: groups of bars that lie, each with its figure, and a mark for what is wanted."""

import itertools
import math
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 900, 190, 90
BAR, GAP, LINE = 11, 12, 16
INK, FAINT, RULE = "#222222", "#666666", "#d9d9d9"
# Told apart by those who do not see red and green as others do; weir's stands out.
COLOURS = {"native": "#b5b5b5", "file": "#9dbfe0", "zswap": "#2f5d8c", "weir": "#d95f02"}
OTHERS = ["#5b8fc4", "#77b5ab", "#e6ab02", "#7570b3", "#a6761d", "#666666"]


def coloured(series):
    """(name, title) of each series, with a colour that a contender has in all charts."""
    others = itertools.cycle(OTHERS)
    return [(name, title, COLOURS.get(name) or next(others)) for name, title in series]


class Chart:
    """Groups of bars in one unit.

    groups: [(label, {series: (length, text)}, mark or None)]; series: [(name, title)].
    """

    def __init__(self, title, subtitle, axis, series, groups):
        self.title, self.subtitle, self.axis, self.groups = title, subtitle, axis, groups
        self.series = coloured(series)
        lengths = sorted(bar[0] for _, bars, _ in groups for bar in bars.values())
        marks = [mark for _, _, mark in groups if mark]
        # What is many times longer than most is cut off; its figure tells.
        usual = lengths[int(len(lengths) * 0.75)] if lengths else 1
        self.most = max([1.1 * min(lengths[-1], 2.5 * usual) if lengths else 1, *(1.05 * mark for mark in marks), 0.1])
        self.parts = []

    def x(self, length):
        return LEFT + (WIDTH - LEFT - RIGHT) * min(length, self.most) / self.most

    def text(self, x, y, text, size=11, anchor="start", colour=INK, weight="normal"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" '
                          f'font-weight="{weight}">{escape(text)}</text>')

    def rectangle(self, x, y, width, height, colour):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height}" '
                          f'fill="{colour}"/>')

    def line(self, x1, y1, x2, y2, colour, dash=""):
        dash = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dash}/>')

    def step(self):
        """The distance of the rules: 1, 2 or 5 times a power of ten, so that there are about eight."""
        raw = self.most / 8
        power = 10 ** math.floor(math.log10(raw))
        return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)

    def draw_legend(self):
        x, y = LEFT, 58
        for _, title, colour in self.series:
            width = 22 + 6.3 * len(title)
            if x + width > WIDTH - 10 and x > LEFT:
                x, y = LEFT, y + LINE
            self.rectangle(x, y - 9, 11, 11, colour)
            self.text(x + 15, y, title)
            x += width
        return y + 22

    def draw(self):
        self.text(12, 24, self.title, 16, weight="bold")
        self.text(12, 41, self.subtitle, 11, colour=FAINT)
        top = self.draw_legend()
        heights = [max(len(bars), 1) * BAR + GAP for _, bars, _ in self.groups]
        bottom = top + sum(heights)
        step, value = self.step(), 0
        while value <= self.most:
            self.line(self.x(value), top, self.x(value), bottom, RULE)
            self.text(self.x(value), bottom + 14, f"{value:g}", 10, "middle", FAINT)
            value = round(value + step, 9)
        self.text(self.x(self.most / 2), bottom + 30, self.axis, 11, "middle", FAINT)
        y = top
        for (label, bars, mark), height in zip(self.groups, heights):
            self.draw_group(label, bars, mark, y, height)
            y += height
        return bottom + 42

    def draw_group(self, label, bars, mark, y, height):
        middle = y + height / 2
        self.text(LEFT - 8, middle + 4, label, 12, "end")
        at = y + GAP / 2
        for name, _, colour in self.series:
            if name not in bars:
                continue
            length, text = bars[name]
            self.rectangle(LEFT, at, self.x(length) - LEFT, BAR - 1, colour)
            cut = " »" if length > self.most else ""
            self.text(self.x(length) + 4, at + BAR - 2.5, text + cut, 9.5, colour=FAINT)
            at += BAR
        if mark:
            self.line(self.x(mark), y + 3, self.x(mark), y + height - 3, INK, "3,2")

    def save(self, path):
        height = self.draw()
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
                       f'viewBox="0 0 {WIDTH} {height:.0f}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif">\n'
                       f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(self.parts) + "\n</svg>\n")
