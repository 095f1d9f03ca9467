# SPDX-License-Identifier: MIT
"""The patterns and contents of bench/paging, and the ratio to the best of Linux's ways that is wanted of weir."""

CONTENTS = {
    "half": "half of each page compresses",
    "none": "nothing compresses",
    "zero": "15/16 of each page is zero",
}
# How many bytes of pool a byte of these takes, about: where the search for a limit begins.
RATIOS = {"half": 0.56, "none": 1.01, "zero": 0.1}


class Pattern:
    def __init__(self, title, wanted, wanted_two, wanted_none, unit="k/s"):
        self.title = title
        self.wanted = {1: wanted, 2: wanted_two}
        self.wanted_none = wanted_none  # of contents that do not compress
        self.unit = unit

    def wanted_of(self, contents, threads):
        return self.wanted_none if contents == "none" else self.wanted[min(threads, 2)]

    def rate(self, figures):
        """What is compared: more is better."""
        if self.unit == "MB/s":
            return figures["bytes"] / figures["seconds"] / 1e6
        return figures["accesses"] / figures["seconds"] / 1e3


PATTERNS = {
    "fill": Pattern("sequential fill", 1.5, 1.5, 3, "MB/s"),
    "read": Pattern("sequential read", 3, 3, 3, "MB/s"),
    "rewrite": Pattern("sequential rewrite", 3, 3, 3, "MB/s"),
    "scan": Pattern("repeated scan", 4, 4, 3, "MB/s"),
    "strided": Pattern("strided, 17 pages", 2, 2, 1),
    "random_read": Pattern("random read", 1.5, 1.25, 1),
    "random_write": Pattern("random write", 1.5, 1.25, 1),
    "zipf": Pattern("Zipf 0.99", 2, 2, 1),
    "hot": Pattern("90 % to 25 %", 2, 2, 1),
    "shift": Pattern("shifting hot set", 2, 2, 1),
    "chase": Pattern("pointer chase", 1.25, 1.25, 1),
}
RANDOM = ("random_read", "random_write")
