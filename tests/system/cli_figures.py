#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What weir tells of a run: the report, the JSON, the progress line, weir stat, and silence otherwise."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import harness
from harness import MIB, PYTHON, WEIR, stat

RAM = 32 * MIB
# Reads and writes 64 MiB that a budget of 32 MiB cannot hold.
JOB = """
memory = bytearray(64 << 20)
for round in range(3):
    for at in range(0, len(memory), 4096):
        memory[at] = (at // 4096 + round) % 251
print("done")
"""
HOLD = JOB + """
import sys
sys.stdout.flush()
sys.stdin.read()
"""
# Maps memory past every library and touches it, for long enough to be seen.
RAW = """
import ctypes, sys, time
libc = ctypes.CDLL("libc.so.6")  # its own, not the preloaded library's
libc.syscall.restype = ctypes.c_void_p
size = int(sys.argv[1]) << 20
number = 9 if sys.maxsize > 2**32 and __import__("os").uname().machine == "x86_64" else 222
at = libc.syscall(ctypes.c_long(number), ctypes.c_void_p(None), ctypes.c_size_t(size), ctypes.c_long(3),
                  ctypes.c_long(0x22), ctypes.c_long(-1), ctypes.c_long(0))
ctypes.memset(at, 1, size)
time.sleep(2)
"""


def silent(suite):
    run = suite.run(suite.weir([PYTHON, "-c", JOB], RAM))
    harness.expect_end(run)
    harness.expect(run.stdout == b"done\n" and run.stderr == b"", f"{run.stdout!r} {run.stderr!r}")


def report(suite):
    run = suite.run(suite.weir([PYTHON, "-c", JOB], RAM, "--report"))
    harness.expect_end(run)
    harness.expect(run.stdout == b"done\n", f"{run.stdout!r}")
    text = run.stderr.decode()
    for words in ("exited with status 0", "RAM, at most", "of 32.0 MiB", "swapped out", "compressed", "ratio",
                  "swap file", "first touch", "parked", "decompressed", "read from file", "median", "99 %",
                  "stalled on faults", "reclaimed by kswapd", "reclaimed directly"):
        harness.expect(words in text, f"'{words}' is not in the report: {text}")
    harness.expect(all(len(line) <= 120 for line in text.splitlines()), "it is wider than 120 columns")


def as_json(suite):
    path = suite.path("stats.json")
    run = suite.run(suite.weir([PYTHON, "-c", JOB], RAM, "--stats", path))
    harness.expect_end(run)
    harness.expect(run.stderr == b"", f"{run.stderr!r}")
    with open(path, encoding="utf-8") as file:
        figures = json.load(file)
    process = figures["processes"][0]
    faults = process["faults"]
    harness.expect(figures["config"]["ram_bytes"] == RAM, "another budget")
    harness.expect(figures["end"]["status"] == 0 and figures["end"]["command"][0] == PYTHON, f"{figures['end']}")
    harness.expect(process["pid"] == figures["program_pid"], "the first process is not the program")
    harness.expect(process["ram_pages"] * 4096 <= RAM, f"{process['ram_pages']} pages")
    harness.expect(process["used_peak_pages"] <= process["ram_pages"], "more in use than there is")
    # 64 MiB pass three times through what 32 MiB leave.
    harness.expect(process["swapped_out_pages"] > 3 * 8192, f"{process['swapped_out_pages']} pages swapped out")
    harness.expect(process["pool_out_pages"] + process["file_out_pages"] > 8192, "nothing was stored")
    back = faults["pool"]["count"] + faults["file"]["count"]
    harness.expect(back > 1000, f"{back} faults brought pages back")
    for kind, latency in faults.items():
        harness.expect(latency["median_ns"] <= latency["p99_ns"] <= latency["max_ns"], f"{kind}: {latency}")
        harness.expect((latency["count"] == 0) == (latency["max_ns"] == 0), f"{kind}: {latency}")


def stats_replaces(suite):
    """An older file of that name is replaced whole, even if it was longer."""
    path = suite.path("old.json")
    with open(path, "w", encoding="ascii") as file:
        file.write("x" * 1000000)
    harness.expect_end(suite.run(suite.weir(["true"], RAM, "--stats", path)))
    with open(path, encoding="utf-8") as file:
        json.load(file)


def stats_to_pipe(suite):
    # Standard output is the program's alone, but the pipe behind another descriptor may be had by its name.
    run = suite.run(["sh", "-c", '"$@" 3>&1 >/dev/null | cat', "sh",
                     *suite.weir(["true"], RAM, "--stats", "/dev/fd/3")])
    harness.expect_end(run)
    harness.expect(json.loads(run.stdout)["end"]["status"] == 0, f"it wrote {run.stdout[:200]!r}")
    harness.expect(run.stderr == b"", f"it said {run.stderr!r}")


def verbose(suite):
    run = suite.run(suite.weir(["sh", "-c", "/bin/true; sleep 0.6; exit 3"], RAM, "-v"))
    harness.expect_end(run, 3)
    text = run.stderr.decode()
    for words in ("RAM 32.0 MiB", "swap file up to", suite.swap_dir(), "jemalloc", "has a machine of its own"):
        harness.expect(words in text, f"'{words}' is not in {text!r}")


def verbose_measured(suite):
    code = ("import os, random\nx = bytearray(80 << 20)\n"
            "for at in range(0, len(x), 4096): x[at:at + 2048] = os.urandom(2048)\n"
            "for _ in range(20000): x[random.randrange(len(x) >> 12) << 12]")
    run = suite.run(suite.weir([PYTHON, "-c", code], RAM, "-v"))
    harness.expect_end(run)
    text = run.stderr.decode()
    took = re.search(r"measured: the swap file takes ([\d.]+) us for a page", text)
    harness.expect(took and 0.5 < float(took[1]) < 100000, text)
    told = re.search(r"pages compress to (\d+) %; the pool took (\d+) % of RAM at most", text)
    # Half of each page is random; of the first touches' pages nothing is.
    harness.expect(told and 1 < int(told[1]) < 70 and 1 < int(told[2]) <= 81, text)
    return f"{took[1]} us, {told[1]} %"


def outside(suite, size_mib, warned):
    run = suite.run(suite.weir([PYTHON, "-c", RAW, str(size_mib)], RAM, "--report"))
    harness.expect_end(run)
    text = run.stderr.decode()
    harness.expect(("does not manage" in text) == warned, f"warned: {not warned}: {text}")
    told = re.search(r"outside weir +([\d.]+) MiB", text)
    harness.expect(told and float(told[1]) >= size_mib, f"not in the report: {text}")
    return told[0]


def progress_in_lines(suite):
    code = "import time\nx = bytearray(8 << 20)\ntime.sleep(4.5)"
    run = suite.run(suite.weir([PYTHON, "-c", code], RAM, "--progress"))
    harness.expect_end(run)
    lines = run.stderr.decode().splitlines()
    harness.expect(1 <= len(lines) <= 3, f"{len(lines)} lines in 4.5 s: {lines}")
    harness.expect(all(re.match(r"weir: \d+ s  RAM \d+/3\d MiB ", line) for line in lines), f"{lines}")


def progress_on_terminal(suite):
    pid, terminal = pty.fork()
    if pid == 0:
        command = suite.weir([PYTHON, "-c", "import time; time.sleep(1.8)"], RAM, "--progress")
        os.execvp(command[0], command)
    text = b""
    while select.select([terminal], [], [], 10)[0]:
        try:
            data = os.read(terminal, 4096)
        except OSError:
            break
        text += data
    os.waitpid(pid, 0)
    harness.expect(text.count(b"faults/s") >= 2 and b"\n" not in text, f"{text!r}")
    harness.expect(text.endswith(b"\r\x1b[K"), f"the line is not taken away: {text!r}")


class Held:
    """A program that has done its job under weir and waits."""

    def __init__(self, suite):
        self.child = suite.start(suite.weir([PYTHON, "-c", HOLD], RAM), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        harness.expect(self.child.stdout.readline() == b"done\n", "the program did not come so far")
        self.program = harness.find_program(self.child.pid, os.path.basename(os.path.realpath(PYTHON)))

    def end(self):
        self.child.stdin.close()
        self.child.stdout.close()
        harness.expect(self.child.wait(timeout=20) == 0, f"status {self.child.returncode}")


def stat_formats(suite):
    held = Held(suite)
    for pid in (held.child.pid, held.program):
        lines = stat(pid, 0.2, 3).splitlines()
        harness.expect(len(lines) == 5, f"{len(lines)} lines")
        harness.expect(len({len(line.split()) for line in lines[1:]}) == 1, "columns and titles differ in number")
        program_mib = int(lines[2].split()[1])
        harness.expect(5 < program_mib < 32, f"{program_mib} MiB of the program in RAM")
        harness.expect(lines[4].split()[6:12] == ["0"] * 6, f"a program that waits pages: {lines[4]}")
    figures = json.loads(stat(held.program, "--format", "json"))
    harness.expect(figures["program_pid"] == held.program and "end" not in figures, "JSON of another run")
    metrics = stat(held.program, "--format=openmetrics")
    harness.expect(metrics.endswith("# EOF\n"), "no end mark")
    harness.expect(re.search(rf'^weir_resident_pages{{pid="{held.program}",name="python3[^"]*"}} \d+$', metrics, re.M),
                   "no resident_pages")
    for line in metrics.splitlines():
        harness.expect(re.match(r'^(# (TYPE|HELP|EOF)|weir_\w+{.*} [\d.]+$)', line), f"malformed: {line}")
    held.end()


def stat_texts(suite):
    held = Held(suite)
    buddy = stat(held.program, "--format", "buddyinfo")
    harness.expect(re.fullmatch(r"(Node \d, zone +\w+( +\d+){11} *\n)+", buddy), f"{buddy!r}")
    zones = stat(held.program, "--format", "zoneinfo")
    free = re.search(r"pages free +(\d+)\n +min +(\d+)\n +low +(\d+)\n +high +(\d+)\n", zones)
    harness.expect(free and int(free[2]) < int(free[3]) < int(free[4]), f"{zones}")
    in_buddy = sum(int(count) << order for order, count in enumerate(buddy.split("Normal")[1].split()))
    harness.expect(abs(in_buddy - int(free[1])) < 512, f"{in_buddy} free pages in one, {free[1]} in the other")
    types = stat(held.program, "--format", "pagetypeinfo")
    rows = re.findall(r"^Node +0, zone +Normal, type +\w+ ([ \d]+)$", types, re.M)
    in_types = sum(int(count) << order for row in rows for order, count in enumerate(row.split()))
    harness.expect(len(rows) == 5 and abs(in_types - in_buddy) < 512, f"{types}")
    swaps = stat(held.program, "--format", "swaps").splitlines()
    harness.expect(swaps[0].split() == ["Filename", "Type", "Size", "Used", "Priority"], f"{swaps}")
    harness.expect(all(line.split()[1] == "file" and len(line.split()) == 5 for line in swaps[1:]), f"{swaps}")
    events = dict(line.split() for line in stat(held.program, "--format", "proc-vmstat").splitlines())
    harness.expect(int(events["pgfault"]) > 0 and "nr_free_pages" in events, f"{events}")
    os.kill(held.program, signal.SIGSTOP)
    harness.expect("does not answer" in stat(held.program, "--format", "zoneinfo", status=1), "another line")
    os.kill(held.child.pid, signal.SIGCONT)
    held.end()


def stat_ends_with_the_program(suite):
    held = Held(suite)
    watcher = suite.start([WEIR, "stat", str(held.program), "0.1"], stdout=subprocess.PIPE)
    time.sleep(0.5)
    held.end()
    harness.expect(watcher.wait(timeout=5) == 0, f"status {watcher.returncode}")
    harness.expect(len(watcher.stdout.read().splitlines()) > 4, "too few lines")
    watcher.stdout.close()


def stat_lists(suite):
    first, second = Held(suite), Held(suite)
    text = stat()
    for held in (first, second):
        harness.expect(re.search(rf"^ *{held.child.pid} +{held.program} +python3", text, re.M), f"not listed: {text}")
    first.end()
    second.end()


def stat_refuses(suite):
    harness.expect("does not run under weir" in stat(os.getpid(), status=1), "another line")
    harness.expect("no process id" in stat("x", status=2), "another line")
    harness.expect("interval" in stat(os.getpid(), "x", status=2), "another line")
    harness.expect("unknown" in stat("--format", "xml", status=2), "another line")
    del suite


def main():
    suite = harness.Suite("cli_figures", native=False)
    suite.check("a_run_prints_nothing_of_its_own", silent, suite)
    suite.check("the_report_tells_memory_faults_and_reclaim", report, suite)
    suite.check("the_json_agrees_with_what_the_program_did", as_json, suite)
    suite.check("the_json_replaces_an_older_file", stats_replaces, suite)
    suite.check("the_json_can_go_into_a_pipe", stats_to_pipe, suite)
    suite.check("verbose_tells_what_is_chosen_and_announces_processes", verbose, suite)
    suite.check("verbose_tells_what_was_measured", verbose_measured, suite)
    suite.check("memory_behind_the_librarys_back_is_warned_of", outside, suite, 100, True)
    suite.check("a_little_memory_behind_the_librarys_back_is_reported", outside, suite, 20, False)
    suite.check("progress_is_a_line_every_two_seconds", progress_in_lines, suite)
    suite.check("progress_is_redrawn_on_a_terminal", progress_on_terminal, suite)
    suite.check("stat_shows_a_running_program_in_each_format", stat_formats, suite)
    suite.check("stat_shows_the_kernels_files_and_they_agree", stat_texts, suite)
    suite.check("stat_with_an_interval_ends_with_the_program", stat_ends_with_the_program, suite)
    suite.check("stat_lists_several_runs", stat_lists, suite)
    suite.check("stat_refuses_what_it_cannot_find_or_read", stat_refuses, suite)
    suite.finish()


main()
