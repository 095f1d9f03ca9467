#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What cannot work is refused with one clear line and the right status, before anything is started or made."""

import contextlib
import json
import os
import resource
import shutil
import stat
import subprocess

import harness
from harness import MIB, WEIR

USAGE, FAILED, NOT_RUNNABLE, NOT_FOUND = 2, 125, 126, 127
NOBODY = 65534


def refused(command, status, *words, prefix=(), weir=WEIR, **kwargs):
    """The command ends with the status and one line that holds each of the words; nothing on standard output."""
    run = subprocess.run([*prefix, weir, "run", *command], capture_output=True, text=True, timeout=60, check=False,
                         stdin=subprocess.DEVNULL, **kwargs)
    lines = run.stderr.splitlines()
    harness.expect(run.returncode == status, f"status {run.returncode}, not {status}: {run.stderr}")
    harness.expect(len(lines) == 1, f"{len(lines)} lines: {run.stderr}")
    harness.expect(lines[0].startswith("weir: "), lines[0])
    for word in words:
        harness.expect(word in lines[0], f"'{word}' is not in: {lines[0]}")
    harness.expect(run.stdout == "", f"on standard output: {run.stdout}")
    return lines[0]


def usage_refused(*command):
    """What argp refuses it explains in its own two lines."""
    run = subprocess.run([WEIR, *command], capture_output=True, text=True, timeout=60, check=False)
    harness.expect(run.returncode == USAGE, f"status {run.returncode}: {run.stderr}")
    harness.expect(command[-1].split("=")[0] in run.stderr and "--help" in run.stderr, run.stderr)
    harness.expect(run.stdout == "", run.stdout)


def sizes(suite):
    suite.check("an_unknown_unit_is_refused", refused, ["--ram", "256X", "--", "true"], USAGE, "256X", "K, M or G")
    suite.check("a_fraction_is_refused", refused, ["--ram", "1.5G", "--", "true"], USAGE, "1.5G")
    suite.check("a_negative_size_is_refused", refused, ["--ram", "-5M", "--", "true"], USAGE, "-5M")
    suite.check("an_empty_size_is_refused", refused, ["--ram", "", "--", "true"], USAGE, "''")
    suite.check("less_than_the_least_is_refused_and_says_the_least", refused, ["--ram", "15M", "--", "true"], USAGE,
                "least", "16M")
    suite.check("more_than_the_machine_has_is_refused", refused, ["--ram", "64000G", "--", "true"], USAGE, "at most")
    suite.check("more_than_100_percent_is_refused", refused, ["--ram", "101%", "--", "true"], USAGE, "100%")
    suite.check("a_size_beyond_64_bits_is_refused", refused, ["--ram", "99999999999999999999", "--", "true"], USAGE)
    # 2^64 + 32 MiB: what is left of it in 64 bits would be taken.
    suite.check("a_size_that_wraps_64_bits_is_refused", refused, ["--ram", "18014398509514752K", "--", "true"], USAGE)
    # 2^32 + 32 MiB: what is left of it in 32 bits would be taken.
    suite.check("a_size_that_wraps_32_bits_is_taken_whole", wraps_32_bits, suite)
    suite.check("a_swap_size_with_an_unknown_unit_is_refused", refused, ["--swap-size", "3Q", "--", "true"], USAGE,
                "--swap-size", "3Q")
    for size in ("0", "1", "4K"):
        suite.check(f"a_swap_size_of_{size}_is_refused_and_says_the_least", refused,
                    ["--swap-size", size, "--", "true"], USAGE, "1M", "--swap none")
    suite.check("a_swap_size_no_area_can_have_is_refused", refused, ["--swap-size", "2000G", "--", "true"], USAGE,
                "512G")
    for option, value in (("--zpool", "81"), ("--zpool", "x"), ("--swappiness", "101"), ("--swappiness", "-1"),
                          ("--oom", "wait")):
        suite.check(f"{option[2:]}_{value}_is_refused", refused, [option, value, "--", "true"], USAGE, option, value)


def wraps_32_bits(suite):
    path = suite.path("wrap.json")
    wanted = 4096 * MIB + 32 * MIB
    run = suite.run(suite.weir(["true"], wanted, "--stats", path))
    if b"at most" in run.stderr:
        raise harness.Skip("this machine has less than 4 GiB")
    harness.expect_end(run)
    with open(path, encoding="utf-8") as file:
        harness.expect(json.load(file)["config"]["ram_bytes"] == wanted, "it is another number of bytes")


def swap_paths(suite):
    suite.check("a_swap_path_that_does_not_exist_is_refused", refused,
                ["--swap", suite.path("nowhere"), "--", "true"], USAGE, "does not exist")
    suite.check("a_swap_path_that_is_a_file_is_refused_and_left_as_it_was", swap_is_file, suite)
    suite.check("a_swap_path_that_cannot_be_written_is_refused", swap_unwritable, suite)
    suite.check("a_swap_file_system_that_takes_no_files_is_refused", refused, ["--swap", "/proc", "--", "true"], USAGE,
                "/proc", "--swap none")
    suite.check("swap_none_with_a_size_is_refused", refused,
                ["--swap", "none", "--swap-size", "1G", "--", "true"], USAGE, "contradict")


def swap_is_file(suite):
    path = suite.path("precious")
    with open(path, "w", encoding="ascii") as file:
        file.write("do not touch")
    before = os.stat(path)
    refused(["--swap", path, "--", "true"], USAGE, "not a directory", "left as it is")
    after = os.stat(path)
    with open(path, encoding="ascii") as file:
        harness.expect(file.read() == "do not touch", "its content has changed")
    harness.expect((before.st_ino, before.st_mtime_ns, before.st_mode) == (after.st_ino, after.st_mtime_ns,
                                                                          after.st_mode), "it has changed")


def swap_unwritable(suite):
    path = suite.path("closed")
    os.makedirs(path, exist_ok=True)
    os.chmod(path, 0o555)
    os.chmod(suite.dir, 0o755)
    # Somebody else may not be able to get at this tree at all.
    for name in ("weir", "libweir-preload.so"):
        shutil.copy(os.path.join(os.path.dirname(WEIR), name), suite.dir)
    refused(["--swap", path, "--", "true"], USAGE, "Permission denied", weir=suite.path("weir"), **as_nobody())


def as_nobody():
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def commands(suite):
    text = suite.path("text")
    with open(text, "w", encoding="ascii") as file:
        file.write("not a program\n")
    script = suite.path("script")
    with open(script, "w", encoding="ascii") as file:
        file.write("#!/no/such/interpreter\n")
    os.chmod(script, 0o755)
    suite.check("no_command_is_refused", refused, [], USAGE, "COMMAND")
    suite.check("a_command_that_is_not_there_is_127", refused, ["no-such-command"], NOT_FOUND, "not found")
    suite.check("a_path_that_is_not_there_is_127", refused, ["/no/such/command"], NOT_FOUND, "does not exist")
    suite.check("a_file_that_is_not_executable_is_126", refused, [text], NOT_RUNNABLE, "not executable")
    suite.check("a_directory_is_126", refused, [suite.dir], NOT_RUNNABLE, "directory")
    suite.check("a_script_without_its_interpreter_is_126", refused, [script], NOT_RUNNABLE, "/no/such/interpreter")
    suite.check("a_static_binary_is_refused", static_binary, suite)
    suite.check("a_set_user_id_binary_is_refused", set_user_id_binary, suite)
    suite.check("a_32_bit_binary_is_refused", patched_binary, suite, "narrow", 4, 1, "32-bit")
    suite.check("a_binary_of_another_machine_is_refused", patched_binary, suite, "other", 18, 0xf3, "another kind")
    suite.check("an_unknown_option_is_refused", usage_refused, "run", "--fast")
    suite.check("an_option_without_its_value_is_refused", usage_refused, "run", "--ram")
    suite.check("a_stats_file_that_cannot_be_written_is_refused", refused,
                ["--stats", suite.path("nowhere/stats.json"), "--", "true"], USAGE, "--stats")


def static_binary(suite):
    binary = suite.path("static")
    source = suite.path("static.c")
    with open(source, "w", encoding="ascii") as file:
        file.write("int main(void) { return 0; }\n")
    built = subprocess.run([os.environ.get("CC", "cc"), "-static", "-o", binary, source], capture_output=True,
                           check=False)
    if built.returncode != 0:
        raise harness.Skip("no static C library is installed")
    refused([binary], NOT_RUNNABLE, "statically linked")


def set_user_id_binary(suite):
    binary = suite.path("suid")
    shutil.copy(shutil.which("true"), binary)
    os.chmod(binary, 0o4755)
    if not os.stat(binary).st_mode & stat.S_ISUID:
        raise harness.Skip("this file system keeps no set-user-id bit")
    refused([binary], NOT_RUNNABLE, "set-user-id")


def patched_binary(suite, name, offset, value, word):
    binary = suite.path(name)
    shutil.copy(shutil.which("true"), binary)
    with open(binary, "r+b") as file:
        file.seek(offset)
        file.write(bytes([value]))
    refused([binary], NOT_RUNNABLE, word)


def machines(suite):
    suite.check("a_sandbox_that_refuses_userfaultfd_is_named", no_userfaultfd, suite)
    suite.check("a_child_that_userfaultfd_is_refused_runs_without_weir", child_without_userfaultfd, suite)
    suite.check("a_child_without_room_for_a_swap_file_runs_under_weir", child_without_swap, suite)
    suite.check("doctor_says_what_to_do_about_the_sandbox", doctor_without_userfaultfd, suite)
    suite.check("strict_overcommit_is_refused_with_what_to_type", strict_overcommit, suite)
    suite.check("a_limited_address_space_is_refused_with_what_to_type", limited, resource.RLIMIT_AS, "ulimit -v")
    suite.check("a_limited_data_size_is_refused_with_what_to_type", limited, resource.RLIMIT_DATA, "ulimit -d")
    suite.check("a_missing_allocator_is_named", missing_allocator)
    suite.check("doctor_is_content_where_runs_work", doctor_is_content)
    suite.check("doctor_notices_that_nobody_can_read_it", doctor_without_output)


def limited(what, words):
    limits = (1 << 32, resource.RLIM_INFINITY)
    return refused(["true"], FAILED, words, "unlimited", preexec_fn=lambda: resource.setrlimit(what, limits))


def missing_allocator():
    return refused(["true"], FAILED, "/no/such/malloc.so", env=dict(os.environ, WEIR_ALLOCATOR="/no/such/malloc.so"))


def no_userfaultfd(suite):
    return refused(["true"], FAILED, "userfaultfd", "seccomp", prefix=[suite.helper("refuse_uffd")])


def child_without_userfaultfd(suite):
    """What the program starts runs all the same, and a line says how."""
    run = suite.run(suite.weir(["sh", "-c", '"$1" echo fine; exit 3', "sh", suite.helper("refuse_uffd")], 32 * MIB))
    harness.expect_end(run, 3)
    harness.expect(run.stdout == b"fine\n", f"it printed {run.stdout!r}")
    harness.expect(b"runs without weir" in run.stderr, f"on standard error: {run.stderr!r}")


def child_without_swap(suite):
    """Files may not grow beyond what the least swap file takes: the children have the compressed pool only."""
    script = 'ulimit -f 100; "$1" -c "x = [bytes([i % 256]) * 4096 for i in range(20000)]; print(len(x))"; echo $?'
    run = suite.run(["sh", "-c", '"$@" | cat', "sh",
                     *suite.weir(["bash", "-c", script, "bash", harness.PYTHON], 32 * MIB)])
    harness.expect(run.stdout == b"20000\n0\n", f"it printed {run.stdout!r}, {run.tail()}")
    harness.expect(b"no room for a swap file" in run.stderr and b"without weir" not in run.stderr, f"{run.stderr!r}")


def doctor_without_userfaultfd(suite):
    run = subprocess.run([suite.helper("refuse_uffd"), WEIR, "doctor"], capture_output=True, text=True, check=False)
    harness.expect(run.returncode == 1, f"status {run.returncode}: {run.stdout}")
    bad = [line for line in run.stdout.splitlines() if line.startswith("BAD")]
    harness.expect(len(bad) == 1 and "userfaultfd" in bad[0], run.stdout)
    harness.expect("seccomp" in run.stdout, run.stdout)


def doctor_is_content():
    run = subprocess.run([WEIR, "doctor"], capture_output=True, text=True, check=False)
    harness.expect(run.returncode == 0 and "BAD" not in run.stdout, run.stdout)
    for word in ("kernel", "userfaultfd", "UFFDIO_MOVE", "io_uring", "overcommit", "allocator", "disk"):
        harness.expect(word in run.stdout, f"no word of {word}: {run.stdout}")


def doctor_without_output():
    closed = subprocess.run(["sh", "-c", '"$1" doctor >&-', "sh", WEIR], capture_output=True, text=True, check=False)
    full = subprocess.run(["sh", "-c", '"$1" doctor >/dev/full', "sh", WEIR], capture_output=True, text=True,
                          check=False)
    for run in (closed, full):
        harness.expect(run.returncode == 1, f"status {run.returncode}: {run.stderr}")
        harness.expect("standard output cannot be written" in run.stderr, run.stderr)


def strict_overcommit(suite):
    """In a mount namespace of its own, where the file that tells the mode is another: the machine keeps its mode."""
    mode = suite.path("overcommit_memory")
    with open(mode, "w", encoding="ascii") as file:
        file.write("2\n")
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    shell = 'mount --bind "$1" /proc/sys/vm/overcommit_memory && shift && exec "$@"'
    prefix = [*unshare, "sh", "-c", shell, "sh", mode]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        raise harness.Skip("no mount namespace can be had")
    return refused(["true"], FAILED, "overcommit_memory", "sysctl", prefix=prefix)


def main():
    suite = harness.Suite("cli_bad_input", native=False)
    with contextlib.suppress(KeyError):
        del os.environ["WEIR_ALLOCATOR"]
    sizes(suite)
    swap_paths(suite)
    commands(suite)
    machines(suite)
    suite.finish()


main()
