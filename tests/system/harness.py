# SPDX-License-Identifier: MIT
"""What the system tests share: running a program with and without weir, and telling what held.

A test file makes a Suite, checks facts with it and leaves through suite.finish(). Every fact is one line on standard
output: `ok - `, `not ok - ` or `skip - `, its name, how long it took, and why. The exit status is 1 if one failed, 77
if nothing could be tried, else 0. Arguments of a test file are patterns: only facts that match one are tried.

Environment: WEIR, the command to test (default build/weir of this tree); WEIR_PROGRAMS, the folder of the compiled C
programs (default: they are compiled on first use); WEIR_TEST_SECONDS, how long tests without an end of their own
last; WEIR_NATIVE=1, run everything without weir, to test the tests.
"""

import atexit
import contextlib
import ctypes
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WEIR = os.environ.get("WEIR", os.path.join(ROOT, "build", "weir"))
NATIVE = os.environ.get("WEIR_NATIVE") == "1"
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable

# A shell without job control starts what runs in the background with these ignored; and so would be what is tested.
for number in (signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)

MIB = 1 << 20
RAM_MIN = 16 * MIB  # the least that `weir run --ram` accepts

HELPERS = {
    "affinity": ["affinity.c"],
    "verify": ["verify.c", "pattern.c"],
    "memcalls": ["memcalls.c", "memcalls_advice.c", "memcalls_map.c", "memcalls_random.c", "pattern.c"],
    "evicted": ["evicted.c", "evicted_calls.c", "evicted_fork.c", "evicted_maps.c", "evicted_numbers.c",
                "evicted_process.c", "evicted_threads.c", "evicted_users.c", "pattern.c"],
    "refuse_uffd": ["refuse_uffd.c"],
}


class Skip(Exception):
    """This fact cannot be tried here; the text says why."""


class Failed(Exception):
    """This fact does not hold; the text says what was seen."""


def seconds(default=60.0):
    """How long a test without an end of its own lasts."""
    return float(os.environ.get("WEIR_TEST_SECONDS", default))


def userfaultfd_refusal():
    """Why userfaultfd cannot be had in this process, or None if it can."""
    with contextlib.suppress(OSError):
        os.close(os.open("/dev/userfaultfd", os.O_RDWR | os.O_CLOEXEC))
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(323 if os.uname().machine == "x86_64" else 282, os.O_CLOEXEC)
    if fd >= 0:
        os.close(fd)
        return None
    return (f"userfaultfd: {os.strerror(ctypes.get_errno())}, and /dev/userfaultfd cannot be opened")


class Run:
    """How one run of a program ended."""

    def __init__(self, status, stdout, stderr, wall_s, peak_bytes, timed_out):
        self.status = status  # as a shell shows it: 128 + signal number for a killed program
        self.stdout = stdout
        self.stderr = stderr
        self.wall_s = wall_s
        self.peak_bytes = peak_bytes  # of the largest process of its tree
        self.timed_out = timed_out

    def tail(self):
        text = self.stderr.decode("utf-8", "replace").strip() or self.stdout.decode("utf-8", "replace").strip()
        return " | ".join(text.splitlines()[-4:])[-600:]


class Suite:
    """The facts of one test file, and a folder of its own for their files. native: it can be tried without weir."""

    def __init__(self, name, native=True):
        self.name = name
        self.nr_ok = self.nr_failed = self.nr_skipped = 0
        self.only = sys.argv[1:]
        self.children = []
        self.dir = tempfile.mkdtemp(prefix=f"weir-{name}-", dir=os.environ.get("TMPDIR", "/tmp"))
        self.undo = contextlib.ExitStack()
        self.undo.callback(shutil.rmtree, self.dir, ignore_errors=True)
        atexit.register(self.close)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        sys.stdout.reconfigure(line_buffering=True)
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        if NATIVE and not native:
            print(f"skip - {name}: nothing to see without weir")
            sys.exit(77)
        if NATIVE:
            print(f"{name}: everything runs without weir, as WEIR_NATIVE says")
            return
        refusal = userfaultfd_refusal()
        if refusal:
            print(f"skip - {name}: {refusal}")
            sys.exit(77)
        if not os.access(WEIR, os.X_OK):
            print(f"not ok - {name}: there is no {WEIR}; run make first")
            sys.exit(1)

    def close(self):
        for child in self.children:
            if child.poll() is None:
                with contextlib.suppress(OSError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        self.children.clear()
        self.undo.close()

    def path(self, name):
        return os.path.join(self.dir, name)

    def swap_dir(self):
        path = self.path("swap")
        os.makedirs(path, exist_ok=True)
        return path

    def check(self, fact, function, *args):
        """Runs function(*args) and reports whether the fact holds. Facts named on the command line only, if any are."""
        if self.only and not any(re.search(pattern, fact) for pattern in self.only):
            return
        start = time.monotonic()
        try:
            note = function(*args)
        except Skip as why:
            self.nr_skipped += 1
            print(f"skip - {fact}: {why}")
        except Failed as why:
            self.nr_failed += 1
            print(f"not ok - {fact} ({time.monotonic() - start:.1f} s): {why}")
        except (OSError, ValueError, subprocess.SubprocessError) as why:
            self.nr_failed += 1
            print(f"not ok - {fact} ({time.monotonic() - start:.1f} s): {type(why).__name__}: {why}")
        else:
            self.nr_ok += 1
            print(f"ok - {fact} ({time.monotonic() - start:.1f} s){': ' + note if note else ''}")

    def finish(self):
        print(f"{self.name}: {self.nr_ok} passed, {self.nr_failed} failed, {self.nr_skipped} skipped")
        self.close()
        if self.nr_failed:
            sys.exit(1)
        sys.exit(0 if self.nr_ok else 77)

    def helper(self, name):
        """The path of a compiled C program."""
        built = os.path.join(os.environ.get("WEIR_PROGRAMS", self.dir), name)
        if not os.path.exists(built):
            built = self.path(name)
            sources = [os.path.join(HERE, source) for source in HELPERS[name]]
            subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-O2", "-D_GNU_SOURCE", "-pthread", "-o", built,
                            *sources], check=True)
        # A program that becomes another user must still be able to reach its own files.
        os.chmod(self.dir, 0o755)
        return built

    def weir(self, command, ram_bytes, *options, swap=None):
        """The command line that runs `command` under weir in ram_bytes."""
        if NATIVE:
            return list(command)
        return [WEIR, "run", "--ram", str(int(ram_bytes)), "--swap", swap or self.swap_dir(), *options, "--", *command]

    def start(self, command, session=True, **kwargs):
        """Starts a program in a process group of its own, which does not outlive this test. session: in a session of
        its own as well, whose CPU time Linux shares out apart from that of others."""
        child = subprocess.Popen(command, start_new_session=session, process_group=None if session else 0, **kwargs)
        self.children.append(child)
        return child

    def run(self, command, timeout_s=120, stdin=subprocess.DEVNULL, env=None, cwd=None):
        """Runs a program to its end, or for timeout_s."""
        with tempfile.TemporaryFile(dir=self.dir) as out, tempfile.TemporaryFile(dir=self.dir) as err:
            begin = time.monotonic()
            child = self.start(command, stdin=stdin, stdout=out, stderr=err, cwd=cwd,
                               env=dict(os.environ, **(env or {})))
            status, usage, timed_out = wait_with_usage(child, timeout_s)
            wall_s = time.monotonic() - begin
            self.children.remove(child)
            out.seek(0)
            err.seek(0)
            return Run(status, out.read(), err.read(), wall_s, usage.ru_maxrss * 1024 if usage else 0, timed_out)


def wait_with_usage(child, timeout_s):
    """Waits; returns (status as a shell has it, resource usage of it and its children, was it killed for time)."""
    end = time.monotonic() + timeout_s
    timed_out = False
    delay_s = 0.001
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > end and not timed_out:
            timed_out = True
            os.killpg(child.pid, signal.SIGKILL)
        time.sleep(delay_s)
        delay_s = min(delay_s * 2, 0.02)
    code = os.waitstatus_to_exitcode(status)
    child.returncode = code
    return (128 - code if code < 0 else code), usage, timed_out


def expect(condition, text):
    if not condition:
        raise Failed(text)


def stat(*words, status=0):
    """What `weir stat` prints; what it says on standard error if another status than 0 is expected."""
    run = subprocess.run([WEIR, "stat", *(str(word) for word in words)], capture_output=True, text=True, timeout=60,
                         check=False)
    expect(run.returncode == status, f"status {run.returncode}: {run.stderr}")
    return run.stdout if status == 0 else run.stderr


def expect_end(run, status=0):
    expect(not run.timed_out, f"did not end within {run.wall_s:.0f} s: {run.tail()}")
    expect(run.status == status, f"status {run.status}, not {status}: {run.tail()}")


def mib(nr_bytes):
    return f"{nr_bytes / MIB:.0f} MiB"


def descendants(pid):
    """The pids below pid, itself first."""
    found, todo = [], [pid]
    while todo:
        pid = todo.pop()
        found.append(pid)
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                    todo.extend(int(child) for child in file.read().split())
    return found


def find_program(pid, name, timeout_s=20):
    """The pid of the process below pid whose executable has this name; waits for it to appear."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        for candidate in descendants(pid):
            with contextlib.suppress(OSError):
                if os.path.basename(os.readlink(f"/proc/{candidate}/exe")) == name:
                    return candidate
        time.sleep(0.005)
    raise Failed(f"no process {name} appeared under {pid}")
