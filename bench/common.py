# SPDX-License-Identifier: MIT
"""What the benches share: compiling their programs, running them, medians, tables and progress."""

import argparse
import atexit
import contextlib
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MIB = 1 << 20


class Options(argparse.ArgumentParser):
    """What is wrong with the options is said in one line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}; --help tells more\n")

    def only(self, values, known, what):
        """The values, which must be known ones; all that are known if none are given."""
        for value in values or ():
            if value not in known:
                self.error(f"there is no {what} '{value}'; there are {', '.join(map(str, known))}")
        return [value for value in known if not values or value in values]


def words(kind=str):
    """An option's type: a list with commas between, each of this kind."""
    def read(text):
        try:
            return [kind(word) for word in text.split(",") if word]
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{text}' is no list") from None
    return read


def positive(kind=float):
    def read(text):
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < 1e9:
            raise argparse.ArgumentTypeError(f"'{text}' is no number above 0")
        return value
    return read


class ProgramFailed(Exception):
    """A program that is measured has failed, which ends the bench unless somebody knows better."""


class TooLate(ProgramFailed):
    """It was given enough time."""


class Ran:
    """How a program ran: it and all of its children."""

    def __init__(self, wall_s, output, usage):
        self.wall_s = wall_s
        self.output = output
        self.cpu_s = usage.ru_utime + usage.ru_stime
        self.peak_bytes = usage.ru_maxrss * 1024  # of the largest process


class Bench:
    """A bench: its working folder, what it must undo, and its results."""

    def __init__(self, name, weir, folder=None):
        self.name = name
        self.weir_path = weir
        self.undo = contextlib.ExitStack()
        self.dir = tempfile.mkdtemp(prefix=f"weir-bench-{name}-", dir=folder or os.environ.get("TMPDIR", "/var/tmp"))
        self.undo.callback(shutil.rmtree, self.dir, ignore_errors=True)
        atexit.register(self.undo.close)
        # Every way out but SIGKILL goes through exit handlers.
        for signo in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(signo, lambda number, _: sys.exit(128 + number))
        self.child = None
        self.undo.callback(self.kill_child)
        self.start = time.monotonic()

    def kill_child(self):
        if self.child and self.child.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()

    def compile(self, *sources):
        """A C program of these files, called after the first."""
        program = os.path.join(self.dir, os.path.basename(sources[0])[:-2])
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-O2", "-D_GNU_SOURCE", "-pthread", "-o", program,
                        *(os.path.join(ROOT, source) for source in sources), "-lm"], check=True)
        return program

    def weir(self, command, ram_bytes, *options):
        return [self.weir_path, "run", "--ram", str(ram_bytes), "--swap", self.dir, *options, "--", *command]

    def run(self, command, timeout_s, stdin=None, on_line=None, status=0):
        """Runs to the end. Returns how it ran. Raises ProgramFailed.

        The output goes to a file: a pipe would make the program wait for its reader. on_line is called, from another
        thread, for each line of it as it comes.
        """
        with contextlib.ExitStack() as stack:
            source = stack.enter_context(open(stdin, "rb")) if stdin else subprocess.DEVNULL
            out = stack.enter_context(tempfile.NamedTemporaryFile(dir=self.dir))
            err = stack.enter_context(tempfile.TemporaryFile(dir=self.dir))
            start = time.monotonic()
            self.child = subprocess.Popen(command, stdin=source, stdout=out, stderr=err,
                                          start_new_session=True, cwd=self.dir)
            done = threading.Event()
            watcher = threading.Thread(target=self.watch, args=(out.name, done, timeout_s, on_line), daemon=True)
            watcher.start()
            try:
                _, ended, usage = os.wait4(self.child.pid, 0)
                wall_s = time.monotonic() - start
                self.child.returncode = os.waitstatus_to_exitcode(ended)
            finally:
                done.set()
                watcher.join()
                self.kill_child()
            if self.child.returncode != status:
                err.seek(0)
                late = f", after {timeout_s:.0f} s" if wall_s >= timeout_s else ""
                said = err.read().decode("utf-8", "replace").strip()[-600:]
                raise (TooLate if late else ProgramFailed)(
                    f"{' '.join(command)[:400]}: status {self.child.returncode}{late}: {said}")
            out.seek(0)
            return Ran(wall_s, out.read(), usage)

    def run_quickly(self, command):
        """Runs what says nothing and ends at once, so that starting it is most of what it takes."""
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      start_new_session=True, cwd=self.dir)
        if self.child.wait() != 0:
            raise ProgramFailed(f"{' '.join(command)[:300]}: status {self.child.returncode}")

    def watch(self, path, done, timeout_s, on_line):
        end = time.monotonic() + timeout_s
        with open(path, "rb") as file:
            pending = b""
            while not done.wait(0.1):
                if time.monotonic() > end:
                    with contextlib.suppress(OSError):
                        os.killpg(self.child.pid, signal.SIGKILL)
                    return
                if on_line:
                    *lines, pending = (pending + file.read()).split(b"\n")
                    for line in lines:
                        on_line(line.decode())

    def fail(self, text):
        self.clear_progress()
        print(f"bench/{self.name}: {text}", file=sys.stderr)
        sys.exit(1)

    def progress(self, text):
        """What is under way: a line that is written over on a terminal."""
        elapsed = f"[{time.monotonic() - self.start:5.0f} s] "
        if sys.stderr.isatty():
            print(f"\r\033[K{elapsed}{text}"[:118], end="", file=sys.stderr, flush=True)
        else:
            print(f"{elapsed}{text}", file=sys.stderr, flush=True)

    def clear_progress(self):
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def elapsed_s(self):
        return time.monotonic() - self.start


@contextlib.contextmanager
def ending(name):
    """Ctrl-C ends a bench as it ends any command, a failure with one line; what it made is removed on the way out."""
    try:
        yield
    except ProgramFailed as failed:
        sys.exit(f"bench/{name}: {failed}")
    except KeyboardInterrupt:
        print(file=sys.stderr)
        sys.exit(130)


def machine():
    """Where the figures come from."""
    model = ""
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "")
    return {"kernel": platform.release(), "cpus": os.cpu_count(), "cpu": model, "load": os.getloadavg()[0],
            "ram_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")}


def warn_if_busy():
    """Who else runs takes part in what is measured, and not in the same way in all contenders."""
    if os.getloadavg()[0] > 0.7:
        print(f"the machine is busy: its load is {os.getloadavg()[0]:.1f}; quiet, it may show other figures")


def median(values):
    return statistics.median(values)


def geometric_mean(values):
    return statistics.geometric_mean(values)


def table(rows):
    """Prints rows of texts in columns, the first column to the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join([row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]))


def save_json(path, data):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(data, file, indent=2)
        file.write("\n")
