#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who needs more than there is dies and says why, or is told beforehand, as its user chose."""

import os
import re

import harness
from harness import MIB

RAM = 32 * MIB
GROW = """
import os
kept = []
for i in range(400):
    kept.append(os.urandom(1 << 20))
print("finished", len(kept))
"""
# The same in another thread, when the main thread has ended.
GROW_WITHOUT_MAIN = f"""
import ctypes, threading, time
def grow():
    time.sleep(0.2)
    exec({GROW!r})
threading.Thread(target=grow).start()
ctypes.CDLL(None).syscall(60, 0)
"""
# Asks for more than can be committed, is refused, and goes on with what it has.
GROW_UNTIL_REFUSED = """
import hashlib, os
kept, digests = [], []
try:
    for i in range(4000):
        block = os.urandom(1 << 20)
        kept.append(block)
        digests.append(hashlib.sha256(block).digest())
except MemoryError:
    kept.pop()
    digests = digests[:len(kept)]
    right = all(hashlib.sha256(b).digest() == d for b, d in zip(kept, digests))
    print("refused", len(kept) > 5 and len(kept) < 3999, right)
else:
    print("never refused")
"""


def killed_with_reason(suite, options, swap, words, script=GROW):
    run = suite.run(suite.weir([harness.PYTHON, "-c", script], RAM, *options, swap=swap))
    text = run.stderr.decode("utf-8", "replace")
    harness.expect_end(run, 137)
    harness.expect(b"finished" not in run.stdout, "it says that it finished")
    lines = [line for line in text.splitlines() if line.startswith("weir")]
    harness.expect(lines, f"no line of weir's on stderr: {text[-300:]}")
    for word in words:
        harness.expect(re.search(word, text, re.I), f"nothing about '{word}' in: {text[-600:]}")
    return lines[0]


def refused(suite, options):
    run = suite.run(suite.weir([harness.PYTHON, "-c", GROW_UNTIL_REFUSED], RAM, "--oom=fail", *options, swap="none"))
    harness.expect_end(run)
    harness.expect(run.stdout.decode().split() == ["refused", "True", "True"], f"it printed {run.stdout!r}")


def malloc_gives_null(suite):
    run = suite.run(suite.weir([harness.PYTHON, "-c", """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
print(libc.malloc(1 << 30))
mapped = libc.mmap(None, 1 << 30, 3, 0x22, -1, 0)
print(mapped == ctypes.c_void_p(-1).value, errno.errorcode[ctypes.get_errno()])
# Without a commitment it may be reserved.
print(libc.mmap(None, 1 << 30, 3, 0x4022, -1, 0) != ctypes.c_void_p(-1).value)
print(libc.malloc(1 << 20) is not None)
"""], RAM, "--oom=fail", swap="none"))
    harness.expect_end(run)
    printed = run.stdout.decode().split()
    harness.expect(printed == ["None", "True", "ENOMEM", "True", "True"], f"it printed {printed}")


def lives_with_enough_swap(suite):
    run = suite.run(suite.weir([harness.PYTHON, "-c", GROW], RAM, "--swap-size", "1G"))
    harness.expect_end(run)
    harness.expect(run.stdout.split() == [b"finished", b"400"], f"it printed {run.stdout!r}")
    harness.expect(not run.stderr, f"on stderr: {run.stderr[-300:]!r}")


def locked_too_much(suite):
    """Locked pages cannot be reclaimed: with more of them than RAM the budget cannot be kept."""
    run = suite.run(suite.weir([harness.PYTHON, "-c", """
import contextlib, ctypes, resource
with contextlib.suppress(OSError, ValueError):
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (-1, -1))
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mlock.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
at = libc.mmap(None, 64 << 20, 3, 0x22, -1, 0)
print(libc.mlock(at, 64 << 20) != 0 and ctypes.get_errno() in (11, 12), flush=True)
"""], RAM))
    killed = run.status == 137 and re.search(r"pinned|locked", run.stderr.decode())
    harness.expect(killed or (run.status == 0 and run.stdout.split() == [b"True"]),
                   f"status {run.status}, it printed {run.stdout!r}, {run.tail()}")


def main():
    suite = harness.Suite("oom", native=False)
    who = [r"resident", r"swapped", r"pinned|locked", r"\d+ ?(M|K|pages)", r"budget|--ram", r"swap"]
    suite.check("without_swap_the_program_is_killed_and_the_line_names_the_option", killed_with_reason, suite, [],
                "none", who + [r"--ram", r"--swap"])
    suite.check("with_swap_too_small_the_program_is_killed_and_the_line_names_the_option", killed_with_reason, suite,
                ["--swap-size", "32M"], None, who + [r"--swap-size"])
    suite.check("the_line_is_there_when_the_main_thread_is_not", killed_with_reason, suite, [], "none", who,
                GROW_WITHOUT_MAIN)
    suite.check("with_enough_swap_it_lives_and_nothing_is_on_stderr", lives_with_enough_swap, suite)
    suite.check("oom_fail_refuses_memory_and_the_program_goes_on", refused, suite, [])
    suite.check("oom_fail_refuses_malloc_and_mmap_with_ENOMEM_but_not_a_reservation", malloc_gives_null, suite)
    suite.check("locking_more_than_the_budget_is_refused_or_explained", locked_too_much, suite)
    left = [name for name in os.listdir(suite.swap_dir())]
    suite.check("no_swap_file_is_left_behind", lambda: harness.expect(not left, f"left: {left}"))
    suite.finish()


main()
