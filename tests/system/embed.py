#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The core by itself: installed, found by pkg-config, linked into the example, and needing nothing of anybody."""

import glob
import os
import re
import shutil
import subprocess

import harness

BUILD = os.path.dirname(harness.WEIR)
HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLE = os.path.join(HERE, "..", "..", "examples", "embed_mm.c")
CALLS = sorted(glob.glob(os.path.join(HERE, "embed_*.c")))
MAY_CALL = {"memcpy", "memmove", "memset", "memcmp"}


def output(command, **kwargs):
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, **kwargs)
    harness.expect(run.returncode == 0, f"{' '.join(command)}: {run.stdout}")
    return run.stdout


class Installed:
    """What `meson install` leaves in a folder of its own."""

    def __init__(self, suite):
        self.root = suite.path("root")
        output(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", self.root])
        self.pc = os.path.dirname(self.find("weir-mm.pc"))
        self.archive = self.find("libweir-mm.a")

    def find(self, name):
        for where, _, names in os.walk(self.root):
            if name in names:
                return os.path.join(where, name)
        raise harness.Failed(f"{name} is not installed")

    def flags(self):
        env = dict(os.environ, PKG_CONFIG_PATH=self.pc, PKG_CONFIG_SYSROOT_DIR=self.root)
        return output(["pkg-config", "--cflags", "--libs", "weir-mm"], env=env).split()


def compiled(suite, installed, compiler, *sources):
    """A host, compiled against what is installed."""
    program = suite.path(f"{os.path.basename(sources[0])}-{compiler}")
    output([compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", *sources, "-o", program,
            *installed.flags()])
    return program


def example_runs(suite, installed, compiler):
    said = output([compiled(suite, installed, compiler, EXAMPLE)])
    harness.expect(said.endswith("all is well\n"), said)
    harness.expect(re.search(r"^out of memory: hog killed", said, re.M), said)
    harness.expect(re.search(r"^server: \d+ pages in memory, [1-9]\d* in swap$", said, re.M), said)
    found = re.findall(r"(\d+) of the server's (\d+) pages", said)
    harness.expect(len(found) >= 3 and all(good == of for good, of in found), said)


def symbols(installed):
    return [(words[-2], words[-1]) for words in map(str.split, output(["nm", installed.archive]).splitlines())
            if len(words) >= 2]


def calls_mem_functions_only(installed):
    undefined = {name for kind, name in symbols(installed) if kind == "U"}
    harness.expect(undefined and undefined <= MAY_CALL, f"calls {sorted(undefined - MAY_CALL)}")


def exports_weir_names_only(installed):
    exported = {name for kind, name in symbols(installed) if kind.isupper() and kind != "U"}
    harness.expect("weir_boot" in exported, f"{exported}")
    harness.expect(all(name.startswith("weir_") for name in exported), f"{sorted(exported)}")


def has_no_writable_global(installed):
    written = [name for kind, name in symbols(installed) if kind in "bBdDC"]
    harness.expect(not written, f"{written}")
    for name, size in re.findall(r"^ *\d+ (\.data\S*|\.bss\S*) +([0-9a-f]+)",
                                 output(["objdump", "-h", installed.archive]), re.M):
        harness.expect(int(size, 16) == 0, f"{size} bytes of {name}")


def every_declared_call_is_there(installed):
    declared = set()
    for header in ("mm.h", "files.h"):
        with open(installed.find(header), encoding="utf-8") as file:
            text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
        declared |= set(re.findall(r"\b(weir_\w+)\(", text))
    exported = {name for kind, name in symbols(installed) if kind == "T"}
    harness.expect(declared == exported, f"{declared ^ exported}")


def main():
    suite = harness.Suite("embed")
    installed = Installed(suite)
    for compiler in filter(shutil.which, ("gcc", "clang")):
        suite.check(f"the_example_compiles_with_{compiler}_against_what_is_installed_and_runs", example_runs, suite,
                    installed, compiler)
    calls = compiled(suite, installed, "cc", *CALLS)
    for fact in output([calls]).split():
        suite.check(fact, output, [calls, fact])
    suite.check("the_library_calls_memcpy_memmove_memset_and_memcmp_only", calls_mem_functions_only, installed)
    suite.check("the_library_exports_weir_names_only", exports_weir_names_only, installed)
    suite.check("the_library_has_no_writable_global", has_no_writable_global, installed)
    suite.check("the_library_has_every_call_of_its_headers", every_declared_call_is_there, installed)
    suite.finish()


main()
