#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Well-known programs give the same output in half and in a quarter of the memory that they take by themselves.

Each runs without weir first, which shows its peak resident size, its output and its exit status; then under weir with
--ram at 50 % and at 25 % of that peak. All inputs are computed, so that every run anywhere sees the same.
"""

import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import time

import harness
from harness import MIB
from program_inputs import NODE_JOB, PYTHON_JOB, SQL, make_c_source, make_lines

SHARES = (50, 25)


class Outcome:
    """What must be the same with and without weir, and what need not."""

    def __init__(self, status, output, peak_bytes, wall_s):
        self.status = status
        self.output = output  # bytes, or a digest of many
        self.peak_bytes = peak_bytes
        self.wall_s = wall_s


def file_digest(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.digest()


def run_plain(suite, command, status=0, stdin=None, outputs=()):
    """A program whose output is its standard output and these files."""
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(open(stdin, "rb")) if stdin else subprocess.DEVNULL
        run = suite.run(command, stdin=source, timeout_s=150, cwd=suite.dir)
    harness.expect_end(run, status)
    output = run.stdout + b"".join(file_digest(path) for path in outputs)
    for path in outputs:
        os.unlink(path)
    harness.expect(output, "no output")
    return Outcome(run.status, output, run.peak_bytes, run.wall_s)


class Redis:
    """A redis server on a socket of its own, and as much of its protocol as is needed."""

    KEYS = 200000

    def __init__(self, suite, wrap, folder):
        self.address = os.path.join(folder, "socket")
        command = ["redis-server", "--port", "0", "--unixsocket", self.address, "--dir", folder, "--save", "",
                   "--loglevel", "warning", "--dbfilename", "dump.rdb", "--maxmemory", "0"]
        with open(os.path.join(folder, "log"), "ab") as log:
            self.child = suite.start(wrap(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.log = os.path.join(folder, "log")
        end = time.monotonic() + 60
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            with contextlib.suppress(OSError):
                self.socket.connect(self.address)
                break
            self.socket.close()
            harness.expect(self.child.poll() is None and time.monotonic() < end, "redis does not start: " + self.tail())
            time.sleep(0.02)
        self.socket.settimeout(60)
        self.reader = self.socket.makefile("rb", buffering=1 << 16)
        end = time.monotonic() + 60
        while self.call("PING") != b"PONG":  # -LOADING
            harness.expect(time.monotonic() < end, "redis does not finish loading")
            time.sleep(0.05)
        self.pid = harness.find_program(self.child.pid, os.path.basename(os.path.realpath("/usr/bin/redis-server")))

    def tail(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()[-300:].strip()

    def send(self, *words):
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))

    def reply(self):
        line = self.reader.readline()
        harness.expect(line.endswith(b"\r\n"), "redis hung up: " + self.tail())
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            return None if rest == b"-1" else self.reader.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest

    def call(self, *words):
        self.send(*words)
        return self.reply()

    @staticmethod
    def value(i):
        return b"%d:" % i + b"%016x" % (i * 0x9E3779B97F4A7C15 % 2**64) * (4 + i % 17)

    def load(self, first, end):
        for start in range(first, end, 500):
            words = ["MSET"]
            for i in range(start, min(start + 500, end)):
                words += [f"key:{i}", self.value(i)]
            harness.expect(self.call(*words) == b"OK", "MSET failed: " + self.tail())

    def read_all(self, nr, digest):
        for start in range(0, nr, 500):
            values = self.call("MGET", *(f"key:{i}" for i in range(start, min(start + 500, nr))))
            for i, value in enumerate(values, start):
                harness.expect(value == self.value(i), f"key:{i} is {value!r}")
                digest.update(value)

    def info(self, field):
        for line in self.call("INFO").splitlines():
            if line.startswith(field.encode() + b":"):
                return line.split(b":", 1)[1].decode()
        raise harness.Failed(f"redis does not tell {field}")

    def await_save(self):
        end = time.monotonic() + 240
        while self.info("rdb_bgsave_in_progress") != "0":
            harness.expect(time.monotonic() < end, "BGSAVE does not end")
            time.sleep(0.05)
        harness.expect(self.info("rdb_last_bgsave_status") == "ok", "BGSAVE failed: " + self.tail())

    def peak_bytes(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))

    def shutdown(self):
        self.send("SHUTDOWN", "NOSAVE")
        self.socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(timeout=30)
        harness.expect(self.child.returncode == 0, f"redis ended with {self.child.returncode}: {self.tail()}")


def run_redis(suite, wrap):
    folder = suite.path("redis")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    begin = time.monotonic()
    digest = hashlib.sha256()
    nr = Redis.KEYS
    saved = nr * 9 // 10

    redis = Redis(suite, wrap, folder)
    redis.load(0, saved)
    harness.expect(redis.call("BGSAVE") == b"Background saving started", "no BGSAVE")
    redis.load(saved, nr)
    redis.read_all(nr, digest)
    redis.await_save()
    peak_bytes = redis.peak_bytes()
    redis.shutdown()

    # What the child wrote is what was there at the fork, and nothing of what came after it.
    redis = Redis(suite, wrap, folder)
    harness.expect(redis.call("DBSIZE") == saved, f"{redis.call('DBSIZE')} keys in the dump made while loading")
    redis.read_all(saved, digest)
    redis.shutdown()
    return Outcome(0, digest.digest(), peak_bytes, time.monotonic() - begin)


def same_at(share, run, native):
    ram = max(native.peak_bytes * share // 100 // 4096 * 4096, harness.RAM_MIN)
    outcome = run(ram)
    harness.expect(outcome.status == native.status, f"status {outcome.status}, not {native.status}")
    harness.expect(outcome.output == native.output, "the output is another")
    return f"{harness.mib(ram)}, {outcome.wall_s:.1f} s; without weir {harness.mib(native.peak_bytes)}, " \
           f"{native.wall_s:.1f} s"


def check_program(suite, name, program, run):
    """run(ram_bytes or None) runs the program and gives its Outcome."""
    native = None

    def measure():
        nonlocal native
        if not shutil.which(program):
            raise harness.Skip(f"{program} is not installed")
        native = run(None)
        harness.expect(native.peak_bytes >= 60 * MIB, f"takes only {harness.mib(native.peak_bytes)}: too small a test")
        return harness.mib(native.peak_bytes)

    suite.check(f"{name}_runs_without_weir", measure)
    for share in SHARES:
        if native:
            suite.check(f"{name}_at_{share}_percent_gives_the_same_output", same_at, share, run, native)


def plain(suite, command, **kwargs):
    return lambda ram: run_plain(suite, suite.weir(command, ram) if ram else command, **kwargs)


def python_job(suite):
    return plain(suite, [harness.PYTHON, "-c", PYTHON_JOB], status=3)


def sort_job(suite):
    make_lines(suite.path("lines"), 120000)
    return plain(suite, ["env", "LC_ALL=C", "sort", "-S", "1G", "--parallel=2", "-o", "sorted", "lines"],
                 outputs=[suite.path("sorted")])


def sqlite_job(suite):
    with open(suite.path("job.sql"), "w", encoding="ascii") as file:
        file.write(SQL)
    return plain(suite, ["sqlite3", "-batch", ":memory:"], stdin=suite.path("job.sql"))


def redis_job(suite):
    return lambda ram: run_redis(suite, lambda command: suite.weir(command, ram) if ram else command)


def node_job(suite):
    return plain(suite, ["node", "-e", NODE_JOB], status=4)


def gcc_job(suite):
    make_c_source(suite.path("large.c"), 1600)
    return plain(suite, ["gcc", "-O1", "-c", "large.c", "-o", "large.o"], outputs=[suite.path("large.o")])


PROGRAMS = (
    ("Python", harness.PYTHON, python_job),
    ("sort", "sort", sort_job),
    ("sqlite3", "sqlite3", sqlite_job),
    ("redis", "redis-server", redis_job),
    ("node", "node", node_job),
    ("gcc", "gcc", gcc_job),
)


def main():
    suite = harness.Suite("programs")
    for name, program, job in PROGRAMS:
        # Here an argument names a program: what is compared needs its run without weir.
        if not suite.only or name in suite.only:
            check_program(suite, name, program, job(suite))
    suite.finish()


main()
