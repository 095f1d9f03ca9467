# SPDX-License-Identifier: MIT
"""Memory cgroups, of version 1 or 2, whichever has the memory controller here."""

import contextlib
import itertools
import os

from undo import read_text, write_text


def mounts(kind):
    with open("/proc/mounts", encoding="utf-8") as file:
        for line in file:
            _, place, fstype, options = line.split()[:4]
            if fstype == kind:
                yield place, options.split(",")


class Group:
    """One memory cgroup."""

    def __init__(self, path, version):
        self.path = path
        self.version = version

    def set_limit(self, nr_bytes):
        write_text(os.path.join(self.path, "memory.limit_in_bytes" if self.version == 1 else "memory.max"),
                   str(nr_bytes))

    def inside(self, command):
        """The command line that runs the command in the group."""
        return ["/bin/sh", "-c", 'echo $$ >"$0" && exec "$@"', os.path.join(self.path, "cgroup.procs"), *command]

    def peak_bytes(self):
        """The most that was charged; None where Linux does not tell."""
        name = "memory.max_usage_in_bytes" if self.version == 1 else "memory.peak"
        with contextlib.suppress(OSError):
            return int(read_text(os.path.join(self.path, name)))
        return None

    def killed(self):
        """Has Linux killed something in it, because it could not get below its limit?"""
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        words = read_text(os.path.join(self.path, name)).split()
        return "oom_kill" in words and words[words.index("oom_kill") + 1] != "0"


class Controller:
    """Makes memory cgroups. `reason` says why it cannot, where it cannot."""

    def __init__(self, undo):
        self.undo = undo
        self.numbers = itertools.count()
        self.version, self.place = self.find()
        self.reason = None if self.version else "there is no memory cgroup: neither version 1 nor 2 is mounted with it"

    @staticmethod
    def find():
        for place, options in mounts("cgroup"):
            if "memory" in options:
                return 1, place
        for place, _ in mounts("cgroup2"):
            if "memory" in read_text(os.path.join(place, "cgroup.controllers")).split():
                return 2, place
        return None, None

    def charges_zswap(self):
        """Version 2 charges zswap's pool to the group whose pages it holds."""
        return self.version == 2

    @contextlib.contextmanager
    def group(self, limit_bytes=None):
        with contextlib.ExitStack() as stack:
            if self.version == 2:
                control = os.path.join(self.place, "cgroup.subtree_control")
                if "memory" not in read_text(control).split():
                    stack.enter_context(self.undo.noted("text", control, "-memory"))
                    write_text(control, "+memory")
            path = os.path.join(self.place, f"weir-bench-{os.getpid()}-{next(self.numbers)}")
            stack.enter_context(self.undo.noted("group", path))
            os.mkdir(path)
            group = Group(path, self.version)
            if limit_bytes:
                group.set_limit(limit_bytes)
            yield group
