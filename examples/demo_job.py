#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An ordinary job with more data than one would like: about 1 GiB of records, indexed in memory and asked about.

It knows nothing of weir. Whatever it prints follows from the numbers below alone, so that two runs can be compared.
"""

import array
import hashlib
import sys

RECORDS = 1_900_000
LOOKUPS = 40_000
GROUPS = 1000


def say(text):
    print(text, flush=True)


def numbers(seed):
    """Numbers that look random and are the same everywhere."""
    state = seed
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        yield state >> 33


def make_records(nr):
    """Each record: its name, where it was seen, and a line of text."""
    draw = numbers(1)
    by_name = {}
    for i in range(nr):
        name = f"{next(draw):08x}-{i:07d}"
        place = next(draw) % GROUPS
        by_name[name] = (place, i, f"record {i} was seen at {place} by {name[:8]} and {name[4:12]} " * 3)
    return by_name


def main():
    nr = int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS
    say(f"making {nr:,} records")
    by_name = make_records(nr)

    say("indexing them by place")
    by_place = [[] for _ in range(GROUPS)]
    for name, record in by_name.items():
        by_place[record[0]].append(name)
    largest = max(range(GROUPS), key=lambda place: (len(by_place[place]), place))
    say(f"  most were seen at place {largest}: {len(by_place[largest]):,}")

    recent = list(by_name)[-nr // 10:]
    say(f"sorting the {len(recent):,} names made last")
    names = sorted(recent)
    say(f"  from {names[0]} to {names[-1]}")

    say("adding up a table of numbers")
    table = array.array("d", (i * 0.5 for i in range(8_000_000)))
    say(f"  {sum(table):,.1f}")

    say(f"looking up {LOOKUPS:,} of them, and now and then one made long ago")
    draw = numbers(2)
    seen = 0
    for i in range(LOOKUPS):
        name = names[next(draw) % len(names)] if i % 50 else by_place[next(draw) % GROUPS][next(draw) % 100]
        seen += by_name[name][1]
    say(f"  their numbers add up to {seen:,}")

    say("reading everything once more")
    digest = hashlib.sha256()
    for name, (place, i, text) in by_name.items():
        digest.update(f"{name} {place} {i} {text}\n".encode())
    say(f"  sha256 {digest.hexdigest()}")


if __name__ == "__main__":
    main()
