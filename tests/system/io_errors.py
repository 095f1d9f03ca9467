#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A swap device that fails is never read as data: the program gets SIGBUS and a line says why, or it goes on right."""

import contextlib
import os
import subprocess
import time

import harness
from harness import MIB

RAM = 32 * MIB
SIZE_MIB = 160
SIGBUS_STATUS = 128 + 7


def open_swap_files(pid, folder):
    """Paths under which the process's unlinked swap files can be opened: any thread may be the one that has them."""
    found = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/task/{task}/fd"):
                path = f"/proc/{pid}/task/{task}/fd/{fd}"
                with contextlib.suppress(OSError):
                    if os.readlink(path).startswith(folder) and os.path.isfile(path):
                        found.add(path)
    return sorted(found)


def start_holder(suite, case, *options, swap=None):
    command = suite.weir([suite.helper("evicted"), case, str(SIZE_MIB), suite.dir], RAM, "--zpool", "0", *options,
                         swap=swap)
    with open(suite.path("err"), "wb") as err:
        child = suite.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err)
    return child


def stderr_of(suite):
    with open(suite.path("err"), encoding="utf-8", errors="replace") as file:
        return file.read()


def go_on(child, suite):
    """Lets the program check its memory. Returns (status, did it find all of it right, stderr)."""
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(b"go\n")
        child.stdin.close()
    try:
        rest = child.stdout.read()
        child.wait(timeout=90)
    except subprocess.TimeoutExpired:
        raise harness.Failed("hangs") from None
    status = child.returncode if child.returncode >= 0 else 128 - child.returncode
    return status, b"RIGHT" in rest, stderr_of(suite)


def truncated(suite, case, keep_bytes):
    child = start_holder(suite, case)
    ready = child.stdout.readline()
    harness.expect(ready == b"READY\n", f"it printed {ready!r}: {stderr_of(suite)[-300:]}")
    pid = harness.find_program(child.pid, "evicted")
    files = open_swap_files(pid, suite.swap_dir())
    harness.expect(files, "no open file in the swap folder was found")
    size = os.stat(files[0]).st_size
    harness.expect(size > RAM, f"the swap file has only {size} bytes")
    os.truncate(files[0], int(size * keep_bytes))
    status, right, text = go_on(child, suite)
    harness.expect("wrong" not in text, f"wrong data: {text[-400:]}")
    harness.expect(not right, "a page was read that is gone")
    harness.expect(status == SIGBUS_STATUS, f"status {status}, not {SIGBUS_STATUS} of SIGBUS: {text[-400:]}")
    lines = [line for line in text.splitlines() if line.startswith("weir")]
    harness.expect(lines, "no line of weir's on stderr")
    return lines[0]


def small_disk(suite, size, filled):
    """A tmpfs too small for what must be swapped: finishes, or is killed with the reason; never wrong."""
    if os.geteuid() != 0:
        raise harness.Skip("only root can mount a tmpfs")
    folder = suite.path("tmpfs")
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=True)
    try:
        if filled:
            with contextlib.suppress(OSError), open(os.path.join(folder, "filler"), "wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        child = start_holder(suite, "hold", swap=folder)
        if child.stdout.readline() == b"READY\n":
            status, right, text = go_on(child, suite)
        else:
            child.wait(timeout=90)
            right, text = False, stderr_of(suite)
            status = child.returncode if child.returncode >= 0 else 128 - child.returncode
        harness.expect("wrong" not in text, f"wrong data: {text[-400:]}")
        harness.expect(right or status in (137, 125), f"status {status}: {text[-400:]}")
        lines = [line for line in text.splitlines() if line.startswith("weir")]
        harness.expect(right or lines, f"status {status} and no reason: {text[-400:]}")
        harness.expect(set(os.listdir(folder)) <= {"filler"}, f"left behind: {os.listdir(folder)}")
        return "finished" if right else lines[0]
    finally:
        for _ in range(50):
            if subprocess.run(["umount", folder], stderr=subprocess.DEVNULL, check=False).returncode == 0:
                break
            time.sleep(0.1)


def main():
    suite = harness.Suite("io_errors", native=False)
    suite.check("a_swap_file_cut_to_nothing_gives_SIGBUS_and_a_reason", truncated, suite, "hold", 0)
    suite.check("a_swap_file_cut_in_half_gives_SIGBUS_and_a_reason", truncated, suite, "hold", 0.5)
    suite.check("a_cut_swap_file_that_grows_again_is_not_read_as_zeros", truncated, suite, "rewrite", 0)
    suite.check("a_swap_folder_that_fills_up_ends_right_or_with_a_reason", small_disk, suite, "48M", False)
    suite.check("a_swap_folder_that_is_full_ends_right_or_with_a_reason", small_disk, suite, "8M", True)
    suite.finish()


main()
