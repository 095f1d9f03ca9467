# SPDX-License-Identifier: MIT
"""What a bench changes on the machine, noted in a file before it is changed, so that it can always be undone.

Each change is a context manager: it is undone on the way out, whichever way that is. What a bench that was killed
outright has left behind is undone by the next one, from the notes.
"""

import contextlib
import fcntl
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time

LOCK = "/run/weir-bench.lock"
SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def write_text(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def read_text(path):
    with open(path, encoding="ascii") as file:
        return file.read()


@contextlib.contextmanager
def uninterrupted():
    """No signal ends what is done here, nor the commands that it starts."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def remove_group(path):
    """A cgroup, and whatever still runs in it."""
    for _ in range(400):
        with contextlib.suppress(FileNotFoundError, OSError):
            for pid in read_text(os.path.join(path, "cgroup.procs")).split():
                with contextlib.suppress(OSError):
                    os.kill(int(pid), signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.rmdir(path)
        if not os.path.exists(path):
            return
        time.sleep(0.02)
    print(f"bench: {path} is left behind: rmdir it", file=sys.stderr)


def swap_off(device):
    if any(line.split()[0] == device for line in read_text("/proc/swaps").splitlines()[1:]):
        if subprocess.run(["swapoff", device], check=False).returncode:
            print(f"bench: {device} is left behind: swapoff it", file=sys.stderr)


def remove_zram(number, added):
    """Empties the device; takes it away if the bench has added it."""
    with contextlib.suppress(FileNotFoundError):
        write_text(f"/sys/block/zram{number}/reset", "1")
        if added:
            write_text("/sys/class/zram-control/hot_remove", str(number))


def restore(path, text):
    with contextlib.suppress(OSError):
        write_text(path, text)


KINDS = {"group": remove_group, "swap": swap_off, "zram": remove_zram, "text": restore}


class Undo:
    """The notes of one bench, in its folder."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "undo.json")
        self.entries = []

    def save(self):
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            json.dump(self.entries, file)
        os.replace(self.path + ".new", self.path)

    def note(self, *entry):
        self.entries.append(entry)
        self.save()
        return entry

    def undo(self, entry):
        with uninterrupted():
            KINDS[entry[0]](*entry[1:])
            self.entries.remove(entry)
            self.save()

    @contextlib.contextmanager
    def noted(self, *entry):
        """What is made inside is undone at the end."""
        self.note(*entry)
        try:
            yield
        finally:
            self.undo(entry)

    @contextlib.contextmanager
    def changed(self, path, text):
        """A setting that has another value for a while."""
        before = read_text(path).strip()
        with self.noted("text", path, before):
            write_text(path, text)
            yield


def undo_leftovers(folders):
    """What benches left behind that did not come to their ends. Call it with the lock held: none of them runs."""
    for folder in folders:
        for path in glob.glob(os.path.join(folder, "weir-bench-*", "undo.json")):
            with open(path, encoding="utf-8") as file:
                for entry in reversed(json.load(file)):
                    KINDS[entry[0]](*entry[1:])
            shutil.rmtree(os.path.dirname(path), ignore_errors=True)


def take_lock():
    """Two benches at once would measure, and undo, each other's swap. Returns the open lock, or None if it is held."""
    lock = open(LOCK, "w", encoding="ascii")  # held as long as the bench lives
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock
