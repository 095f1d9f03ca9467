# SPDX-License-Identifier: MIT
"""Linux's own ways to swap, as contenders: a swap file, zram with a swap file behind it, zswap before a swap file.

They are charged as weir is: what a compressed pool takes beside the cgroup's limit is taken off that limit, until limit
and peak pool together are no more than weir's --ram. Both are measured in each run, and a run where they are more does
not count.
"""

import contextlib
import glob
import os
import shutil
import subprocess
import threading

from undo import read_text, uninterrupted, write_text

MIB = 1 << 20
PAGE = 4096
HIGH, LOW = 32767, 32766  # priorities
WHOLE = 0.99  # limit and pool are to take so much of the budget: pools grow while pages are rewritten
ENOUGH = 0.93  # and less than this is given more
LEAST = 16  # a limit is no less than so many parts of the budget


class Plan:
    """What a contender gets in one kind of workload: the cgroup's limit and the room of its pool."""

    def __init__(self, limit_bytes, pool_bytes=0, device_bytes=0, percent=0):
        self.limit_bytes = limit_bytes
        self.pool_bytes = pool_bytes  # the pool is not meant to take more
        self.device_bytes = device_bytes  # zram: so many bytes of pages may go in
        self.percent = percent  # zswap: the pool's share of the machine's RAM
        self.settled = False


def shared(ram, total, ratio, most):
    """(limit, pool) that take the budget together, for so many bytes that compress to ratio.

    The pool takes most at most. What is not within the limit is in the pool: limit + ratio * (total - limit) = budget.
    """
    whole = int(ram * WHOLE)
    ratio = min(ratio, 0.95)
    limit = (whole - ratio * total) / (1 - ratio)
    if limit < whole - most:
        return whole - most, most
    return min(int(limit), whole), max(whole - int(limit), 0)


class Pool:
    """What a pool took at most, and what it held then."""

    def __init__(self, read):
        self.read = read
        self.used = self.held = 0

    def sample(self):
        used, held = self.read()
        if used > self.used:
            self.used, self.held = used, held

    def ratio(self):
        """Bytes in the pool for each byte of a page."""
        return self.used / self.held if self.held else 0


class SwapFile:
    """A swap file on the disk to be measured, made once, in use only while its contender runs."""

    def __init__(self, undo, folder, nr_bytes):
        self.undo = undo
        self.path = os.path.join(folder, "swapfile")
        with open(self.path, "wb") as file:
            os.chmod(self.path, 0o600)
            os.posix_fallocate(file.fileno(), 0, nr_bytes)
        subprocess.run(["mkswap", self.path], check=True, stdout=subprocess.DEVNULL)

    @contextlib.contextmanager
    def on(self, priority=HIGH):
        with swapped_on(self.undo, self.path, priority):
            yield


@contextlib.contextmanager
def swapped_on(undo, path, priority):
    with undo.noted("swap", path):
        done = subprocess.run(["swapon", "--priority", str(priority), path], capture_output=True, check=False)
        if done.returncode:
            raise OSError("swapon: " + done.stderr.decode().strip())
        yield


class FileContender:
    """A swap file alone. Everything is charged."""

    name = "file"
    title = "swap file"
    reason = None
    charged = True
    hint = ""

    def __init__(self, swap_file):
        self.swap_file = swap_file

    def first_plan(self, ram, _total, _ratio):
        return Plan(ram)

    @contextlib.contextmanager
    def ready(self, _plan):
        with self.swap_file.on():
            yield Pool(lambda: (0, 0))


class ZramContender:
    """A zram device, and the swap file for what it has no room for."""

    charged = False
    hint = ""

    def __init__(self, swap_file, share):
        self.swap_file = swap_file
        self.share = share
        self.name = f"zram{share}"
        self.title = f"zram {share} % + file"
        self.algorithm = None
        self.reason = self.refusal()

    def refusal(self):
        if not glob.glob("/sys/block/zram*") and not os.path.exists("/sys/class/zram-control"):
            if shutil.which("modprobe"):
                subprocess.run(["modprobe", "zram"], check=False, capture_output=True)
            if not os.path.exists("/sys/class/zram-control") and not glob.glob("/sys/block/zram*"):
                return "the kernel has no zram, built in or as a module"
        return None

    def take_device(self, undo):
        """The number of a device that nobody uses, and the note that gives it back."""
        with uninterrupted():
            if os.path.exists("/sys/class/zram-control/hot_add"):
                number = int(read_text("/sys/class/zram-control/hot_add"))
                return number, undo.note("zram", number, True)
            for path in sorted(glob.glob("/sys/block/zram*")):
                if read_text(path + "/disksize").strip() == "0":
                    number = int(path.rsplit("zram", 1)[1])
                    return number, undo.note("zram", number, False)
        raise OSError("every zram device is in use, and none can be added")

    def node(self, number):
        path = f"/dev/zram{number}"
        if not os.path.exists(path):
            major, minor = map(int, read_text(f"/sys/block/zram{number}/dev").split(":"))
            path = os.path.join(os.path.dirname(self.swap_file.path), f"zram{number}")
            with contextlib.suppress(FileExistsError):
                os.mknod(path, 0o600 | 0o060000, os.makedev(major, minor))
        return path

    def first_plan(self, ram, total, ratio):
        limit, pool = shared(ram, total, ratio, ram * self.share // 100)
        return Plan(limit, pool, int(min(pool / ratio, total)))

    @contextlib.contextmanager
    def ready(self, plan):
        undo = self.swap_file.undo
        number, entry = self.take_device(undo)
        try:
            base = f"/sys/block/zram{number}/"
            offered = read_text(base + "comp_algorithm").replace("[", "").replace("]", "").split()
            self.algorithm = next(name for name in ("lz4", "lzo-rle", *offered) if name in offered)
            write_text(base + "comp_algorithm", self.algorithm)
            write_text(base + "disksize", str(max(plan.device_bytes // PAGE * PAGE, MIB)))
            node = self.node(number)
            subprocess.run(["mkswap", node], check=True, stdout=subprocess.DEVNULL)

            def read():
                words = read_text(base + "mm_stat").split()
                return int(words[4]), int(words[0])  # the most it ever took, what it holds

            with swapped_on(undo, node, HIGH), self.swap_file.on(LOW):
                yield Pool(read)
        finally:
            undo.undo(entry)


class ZswapContender:
    """zswap before the swap file. Version 1 of cgroups does not charge its pool, version 2 does."""

    name = "zswap"
    hint = ": its smallest pool is 1 % of the machine's RAM"
    place = "/sys/module/zswap/parameters/"

    def __init__(self, swap_file, charged, share):
        self.swap_file = swap_file
        self.charged = charged
        self.share = share
        self.compressor = None
        self.reason = None if os.path.isdir(self.place) else "the kernel is built without zswap"
        self.title = "zswap + file"

    @staticmethod
    def meminfo(name):
        for line in read_text("/proc/meminfo").splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
        return 0

    def first_plan(self, ram, total, ratio):
        if self.charged:
            return Plan(ram, percent=20)
        one = self.meminfo("MemTotal") // 100
        percent = max(1, ram * self.share // 100 // one)
        limit, pool = shared(ram, total, ratio, one * percent)
        return Plan(limit, pool, percent=percent) if limit >= ram // LEAST else None

    def choose_compressor(self):
        """The fastest that this kernel has."""
        for name in ("lz4", "lzo-rle", "lzo"):
            with contextlib.suppress(OSError):
                write_text(self.place + "compressor", name)
                return name
        return read_text(self.place + "compressor").strip()

    @contextlib.contextmanager
    def ready(self, plan):
        undo = self.swap_file.undo
        with contextlib.ExitStack() as stack:
            compressor = self.place + "compressor"
            stack.enter_context(undo.noted("text", compressor, read_text(compressor).strip()))
            self.compressor = self.choose_compressor()
            if os.path.exists(self.place + "shrinker_enabled"):
                stack.enter_context(undo.changed(self.place + "shrinker_enabled", "N"))
            stack.enter_context(undo.changed(self.place + "max_pool_percent", str(plan.percent)))
            stack.enter_context(undo.changed(self.place + "enabled", "Y"))
            stack.enter_context(self.swap_file.on())
            yield Pool(lambda: (self.meminfo("Zswap"), self.meminfo("Zswapped")))


@contextlib.contextmanager
def sampled(pool, group, every_s=0.02):
    """Reads the pool all the time, and the group's statistics.

    Reading them brings them up to date. Linux itself does so every few seconds only, and reclaim that goes by counts as
    old as that finds nothing to reclaim and kills, in a group that is small or filled quickly (seen with Linux 6.18).
    """
    done = threading.Event()

    def sample():
        while not done.wait(every_s):
            pool.sample()
            with contextlib.suppress(OSError):
                read_text(os.path.join(group.path, "memory.stat"))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        pool.sample()


def adjusted(contender, plan, pool, demand):
    """The plan for the next run, from what this one took; None if nothing can make it fit."""
    ram, total, _ = demand
    whole = int(ram * WHOLE)
    ratio = min(pool.ratio(), 0.95)
    if plan.device_bytes and pool.held >= 0.95 * plan.device_bytes and plan.device_bytes < total:
        # zram had no more room, so what it can have follows from how well it compresses.
        return contender.first_plan(ram, total, pool.ratio())
    new = Plan(plan.limit_bytes, plan.pool_bytes, plan.device_bytes, plan.percent)
    if plan.percent and pool.used >= 0.9 * plan.pool_bytes:
        # zswap keeps its pool at its share, whatever the limit is.
        new.limit_bytes = whole - pool.used
    else:
        # What the limit loses goes into the pool, compressed.
        new.limit_bytes += int((whole - plan.limit_bytes - pool.used) / (1 - ratio))
    new.limit_bytes = min(new.limit_bytes, ram)
    return new if new.limit_bytes >= ram // LEAST else None
