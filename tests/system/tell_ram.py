#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a program is told of the machine's RAM and swap: the budget with --tell-ram, the machine's without."""

import json
import os

import harness
from harness import MIB, PYTHON

RAM, SWAP = 64 * MIB, 48 * MIB
# Asks in every way there is, holding as many MiB as its first argument says; prints JSON.
ASK = """
import ctypes, json, os, subprocess, sys
held = bytearray(int(sys.argv[1]) << 20)
for at in range(0, len(held), 4096):
    held[at] = 1
libc = ctypes.CDLL(None, use_errno=True)
for name in ("get_phys_pages", "get_avphys_pages"):
    getattr(libc, name).restype = ctypes.c_long
libc.fopen.restype = libc.fopen64.restype = ctypes.c_void_p

class Sysinfo(ctypes.Structure):
    _fields_ = [("uptime", ctypes.c_long), ("loads", ctypes.c_ulong * 3)] + [
        (name, ctypes.c_ulong) for name in "totalram freeram sharedram bufferram totalswap freeswap".split()] + [
        ("procs", ctypes.c_ushort), ("totalhigh", ctypes.c_ulong), ("freehigh", ctypes.c_ulong),
        ("mem_unit", ctypes.c_uint), ("room", ctypes.c_char * 64)]

def meminfo(text):
    lines = [line.split() for line in text.splitlines()]
    return {name.rstrip(":"): int(value) * 1024 for name, value, *unit in lines if unit == ["kB"]}

def by_fopen(function):
    file, text = function(b"/proc/meminfo", b"r"), ctypes.create_string_buffer(1 << 16)
    assert file, "not opened"
    libc.fread(text, 1, len(text) - 1, ctypes.c_void_p(file))
    libc.fclose(ctypes.c_void_p(file))
    return meminfo(text.value.decode())

def by_openat():
    with open(os.open("/proc/meminfo", os.O_RDONLY, dir_fd=os.open("/", os.O_RDONLY))) as file:
        return meminfo(file.read())

info = Sysinfo()
libc.sysinfo(ctypes.byref(info))
def by_c(function, *arguments):
    with open(function(*arguments)) as file:
        return meminfo(file.read())

name = b"/proc/meminfo"
files = [meminfo(open("/proc/meminfo").read()), by_openat(), by_fopen(libc.fopen), by_fopen(libc.fopen64),
         by_c(libc.open, name, 0), by_c(libc.openat, -100, name, 0), by_c(libc.__open_2, name, 0),
         by_c(libc.__open64_2, name, 0), by_c(libc.__openat_2, -100, name, 0), by_c(libc.__openat64_2, -100, name, 0),
         by_c(libc.syscall, 257 if os.uname().machine == "x86_64" else 56, -100, name, 0)]
print(json.dumps({
    "ram": [os.sysconf("SC_PHYS_PAGES") * 4096, libc.get_phys_pages() * 4096, info.totalram * info.mem_unit]
           + [file["MemTotal"] for file in files],
    "free": [os.sysconf("SC_AVPHYS_PAGES") * 4096, libc.get_avphys_pages() * 4096, info.freeram * info.mem_unit]
            + [file["MemFree"] for file in files],
    "swap": [info.totalswap * info.mem_unit] + [file["SwapTotal"] for file in files],
    "child": int(subprocess.run([sys.executable, "-c", "import os; print(os.sysconf('SC_PHYS_PAGES') * 4096)"],
                                stdout=subprocess.PIPE, check=True).stdout)}))
"""
# Other ways to open it, and other files, are Linux's own; status and text of each attempt.
OTHERS = """
import os
def attempt(flags, path="/proc/meminfo"):
    try:
        return os.read(os.open(path, flags), 20)
    except OSError as error:
        return error.errno
print(attempt(os.O_RDONLY | os.O_DIRECTORY), attempt(os.O_PATH), attempt(os.O_RDONLY, "/proc/version"),
      attempt(os.O_RDONLY, "/proc//meminfo"), attempt(os.O_RDONLY | os.O_CREAT | os.O_EXCL), attempt(os.O_WRONLY) == 9)
"""


def ask(suite, *options, held=1):
    run = suite.run(suite.weir([PYTHON, "-c", ASK, str(held)], RAM, *options, "--swap-size", str(SWAP)))
    harness.expect_end(run)
    return json.loads(run.stdout)


def told(suite):
    answers = ask(suite, "--tell-ram")
    harness.expect(set(answers["ram"]) == {RAM} and len(answers["ram"]) == 14, f"RAM: {answers['ram']}")
    harness.expect(set(answers["swap"]) == {SWAP}, f"swap: {answers['swap']}")
    harness.expect(answers["child"] == RAM, f"a child: {answers['child']}")


def free(suite):
    little, much = ask(suite, "--tell-ram")["free"], ask(suite, "--tell-ram", held=31)["free"]
    harness.expect(all(0 < each <= RAM for each in little + much), f"{little}, {much}")
    for before, after in zip(little, much):
        harness.expect(abs(before - after - 30 * MIB) < 4 * MIB, f"30 MiB more are held: {before} free, then {after}")
    full = ask(suite, "--tell-ram", held=90)["free"]
    harness.expect(all(0 <= each < 6 * MIB for each in full), f"more is held than there is, and free are {full}")


def not_told(suite):
    native = suite.run([PYTHON, "-c", ASK, "1"])
    harness.expect_end(native)
    native, answers = json.loads(native.stdout), ask(suite)
    for key in ("ram", "swap", "child"):
        harness.expect(answers[key] == native[key], f"{key}: {answers[key]}, natively {native[key]}")
    harness.expect(answers["ram"][0] > RAM, "this machine has too little RAM to tell")


def others(suite):
    command = [PYTHON, "-c", OTHERS]
    native, run = suite.run(command), suite.run(suite.weir(command, RAM, "--tell-ram"))
    harness.expect_end(run)
    harness.expect(native.stdout and run.stdout == native.stdout, f"{run.stdout!r}, natively {native.stdout!r}")


def recorded(suite):
    path = suite.path("stats.json")
    for options, expected in ((["--tell-ram"], True), ([], False)):
        harness.expect_end(suite.run(suite.weir([PYTHON, "-c", ""], RAM, "--stats", path, *options)))
        with open(path, encoding="utf-8") as file:
            harness.expect(json.load(file)["config"]["tell_ram"] is expected, f"with {options}")


def main():
    suite = harness.Suite("tell_ram", native=False)
    suite.check("a_program_and_its_child_are_told_the_budget_in_every_way", told, suite)
    suite.check("what_is_free_follows_what_the_program_holds", free, suite)
    suite.check("without_the_option_they_are_told_the_machines_own", not_told, suite)
    suite.check("other_files_and_ways_to_open_are_linuxs_own", others, suite)
    suite.check("the_json_says_whether_it_was_told", recorded, suite)
    suite.finish()


main()
