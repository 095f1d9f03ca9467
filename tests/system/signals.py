#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Signals, stops and ends behave as without weir, and nothing is left behind."""

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import termios
import time

import harness
from harness import MIB, PYTHON

RAM = 32 * MIB
MARK = "WEIR_TEST_MARK"

# Fills more memory than the budget, says so, then reads it all over and over, telling each signal that it gets.
BUSY = """
import os, signal, sys
# One byte a signal, however fast they follow on each other: a handler in Python may be called once for two.
told, tell = os.pipe()
os.set_blocking(told, False)
os.set_blocking(tell, False)
signal.set_wakeup_fd(tell)
counts = {}
for word in sys.argv[1:]:
    signal.signal(int(word), lambda number, frame: None)
memory = bytearray(64 << 20)
for at in range(0, len(memory), 4096):
    memory[at] = at // 4096 % 251
print("READY", os.getpid(), flush=True)
while True:
    for at in range(0, len(memory), 4096):
        if memory[at] != at // 4096 % 251:
            print("WRONG", flush=True)
            os._exit(1)
    try:
        numbers = os.read(told, 4096)
    except BlockingIOError:
        continue
    for number in numbers:
        counts[number] = counts.get(number, 0) + 1
        print("got", number, counts[number], flush=True)
        if number in (signal.SIGTERM, signal.SIGINT):
            sys.exit(40 + number)
"""


def state_of(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    return None


# Fills more than the budget, then breaks down; the mark lies in memory that was touched last.
CRASH = """
import ctypes
memory = [bytes([i % 251]) * 4096 for i in range(16384)]
mark = bytearray(reversed(b"riew yb detsurt ")) * 100000
ctypes.string_at(0)
"""
CRASH_MARK = " trusted by weir" * 4


def wait_for(condition, what, timeout_s=15):
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.01)
    raise harness.Failed(f"not within {timeout_s} s: {what}")


def marked(mark):
    """The processes of this run that still exist, zombies aside."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            with contextlib.suppress(OSError):
                with open(f"/proc/{name}/environ", "rb") as file:
                    if f"{MARK}={mark}".encode() in file.read().split(b"\0"):
                        found.append(int(name))
    return found


class Busy:
    """The busy program under weir, brought to the point where part of its memory is out."""

    def __init__(self, suite, *signals, terminal=False):
        self.suite = suite
        self.mark = f"{os.getpid()}-{time.monotonic_ns()}"
        self.text = b""
        command = suite.weir([PYTHON, "-c", BUSY, *(str(int(number)) for number in signals)], RAM)
        env = dict(os.environ, **{MARK: self.mark})
        if terminal:
            pid, self.output = pty.fork()
            if pid == 0:
                os.execvpe(command[0], command, env)
            self.pid = pid
            settings = termios.tcgetattr(self.output)
            settings[3] &= ~termios.ECHO
            termios.tcsetattr(self.output, termios.TCSANOW, settings)
        else:
            reader, writer = os.pipe()
            child = suite.start(command, stdin=subprocess.DEVNULL, stdout=writer, env=env)
            os.close(writer)
            self.output, self.pid = reader, child.pid
            suite.children.remove(child)
            child.returncode = 0  # it is waited for here, not by subprocess
        suite.undo.callback(self.clean_up)
        self.program = int(self.read_line("READY").split()[1])

    def clean_up(self):
        for pid in marked(self.mark):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def read_line(self, word, timeout_s=30):
        """The next line that begins with word."""
        end = time.monotonic() + timeout_s
        while True:
            for line in self.text.decode().split("\n")[:-1]:
                if line.startswith(word):
                    return line.strip()
            ready, _, _ = select.select([self.output], [], [], max(0, end - time.monotonic()))
            harness.expect(ready, f"no line {word} came: {self.text!r}")
            try:
                data = os.read(self.output, 4096)
            except OSError:  # a terminal whose other end is closed
                data = b""
            harness.expect(data, f"ended before a line {word}: {self.text!r}")
            self.text += data

    def expect_once(self, number):
        """A line for the first signal of this number comes, and in half a second none for a second."""
        self.read_line(f"got {int(number)} 1")
        while select.select([self.output], [], [], 0.5)[0]:
            self.text += os.read(self.output, 4096)
        harness.expect(f"got {int(number)} 2" not in self.text.decode(), "the signal came twice")
        os.kill(self.pid, signal.SIGKILL)
        self.expect_killed(signal.SIGKILL)

    def wait(self, options=0, timeout_s=20):
        """The wait status of weir itself."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, options | os.WNOHANG)
            if pid:
                return status
            time.sleep(0.01)
        raise harness.Failed(f"weir did not end or stop within {timeout_s} s")

    def expect_killed(self, number):
        status = self.wait()
        harness.expect(os.WIFSIGNALED(status) and os.WTERMSIG(status) == number,
                       f"wait status {status:#x}, not death by signal {int(number)}")
        self.expect_nothing_left()

    def expect_exit(self, code):
        status = self.wait()
        harness.expect(os.WIFEXITED(status) and os.WEXITSTATUS(status) == code,
                       f"wait status {status:#x}, not exit with {code}: {self.text!r}")
        self.expect_nothing_left()

    def expect_nothing_left(self):
        wait_for(lambda: not marked(self.mark), "all processes of the run are gone", 5)
        left = [] if harness.NATIVE else os.listdir(self.suite.swap_dir())
        harness.expect(not left, f"left in the swap folder: {left}")


def sent_and_dies(suite, number):
    if signal.getsignal(number) == signal.SIG_IGN:
        raise harness.Skip("it is ignored here, as under nohup, and so it is by what is started")
    busy = Busy(suite)
    os.kill(busy.pid, number)
    busy.expect_killed(number)


def program_dies(suite, number):
    busy = Busy(suite)
    os.kill(busy.program, number)
    busy.expect_killed(number)


def sent_once(suite, number):
    busy = Busy(suite, number)
    os.kill(busy.pid, number)
    busy.expect_once(number)


def handled_term(suite):
    busy = Busy(suite, signal.SIGTERM)
    os.kill(busy.pid, signal.SIGTERM)
    busy.expect_exit(40 + signal.SIGTERM)


def terminal_interrupt(suite):
    busy = Busy(suite, terminal=True)
    os.write(busy.output, b"\x03")
    # Python turns it into an exception that nobody catches, and then dies of the signal.
    busy.expect_killed(signal.SIGINT)


def terminal_interrupt_handled(suite):
    busy = Busy(suite, signal.SIGINT, terminal=True)
    os.write(busy.output, b"\x03")
    busy.expect_exit(40 + signal.SIGINT)


def terminal_quit_handled(suite):
    busy = Busy(suite, signal.SIGQUIT, terminal=True)
    os.write(busy.output, b"\x1c")
    busy.expect_once(signal.SIGQUIT)


def terminal_quit(suite):
    busy = Busy(suite, terminal=True)
    os.write(busy.output, b"\x1c")
    busy.expect_killed(signal.SIGQUIT)


def stops_and_goes_on(busy, stop):
    """After stop(), weir shows as stopped and the program is; SIGCONT to weir makes both go on."""
    stop()
    status = busy.wait(os.WUNTRACED)
    harness.expect(os.WIFSTOPPED(status), f"wait status {status:#x}, not stopped")
    wait_for(lambda: state_of(busy.program) == "T", "the program has stopped")
    os.kill(busy.pid, signal.SIGCONT)
    wait_for(lambda: state_of(busy.program) in ("R", "S", "D"), "the program goes on")
    wait_for(lambda: state_of(busy.pid) in ("R", "S", "D"), "weir goes on")
    time.sleep(0.3)
    harness.expect(state_of(busy.program) != "T" and state_of(busy.pid) != "T", "stopped again by itself")
    return os.WSTOPSIG(status)


def stop_weir(suite):
    busy = Busy(suite)
    number = stops_and_goes_on(busy, lambda: os.kill(busy.pid, signal.SIGSTOP))
    harness.expect(number == signal.SIGSTOP, f"stopped by {number}")
    os.kill(busy.pid, signal.SIGTERM)
    busy.expect_killed(signal.SIGTERM)


def stop_program(suite):
    busy = Busy(suite)
    for _ in range(3):
        number = stops_and_goes_on(busy, lambda: os.kill(busy.program, signal.SIGSTOP))
        harness.expect(number == signal.SIGSTOP, f"stopped by {number}")
    os.kill(busy.pid, signal.SIGTERM)
    busy.expect_killed(signal.SIGTERM)


def terminal_stop(suite):
    """Ctrl-Z, as a shell with job control sees it: the job is a group of its own, and not an orphaned one."""
    pid, terminal = pty.fork()
    if pid == 0:
        # Keeps the terminal's session alive, and the job's group from being orphaned, as a shell does.
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        status = 1
        with contextlib.suppress(Exception):
            status = job_under_shell(suite)
        os._exit(status)
    text = b""
    sent = False
    end = time.monotonic() + 20
    with contextlib.suppress(OSError):
        while time.monotonic() < end:
            if select.select([terminal], [], [], 0.1)[0]:
                data = os.read(terminal, 4096)
                if not data:
                    break
                text += data
            if b"READY" in text and not sent:
                sent = True
                os.write(terminal, b"\x1a")
    for left in harness.descendants(pid) if time.monotonic() >= end else []:
        with contextlib.suppress(OSError):
            os.kill(left, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    harness.expect(b"STOPPED 20" in text and b"RUNNING" in text and b"KILLED 15" in text,
                   f"seen on the terminal: {text.decode()!r}")
    harness.expect(status == 0, f"status {status:#x}")


def job_under_shell(suite):
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        command = suite.weir([PYTHON, "-c", BUSY], RAM)
        os.execvp(command[0], command)
    with contextlib.suppress(OSError):
        os.setpgid(job, job)
    _, status = os.waitpid(job, os.WUNTRACED)
    print("STOPPED", os.WSTOPSIG(status) if os.WIFSTOPPED(status) else status, flush=True)
    os.killpg(job, signal.SIGCONT)
    time.sleep(0.5)
    stopped = [pid for pid in harness.descendants(job) if state_of(pid) == "T"]
    print("STILL STOPPED" if stopped else "RUNNING", flush=True)
    os.kill(job, signal.SIGTERM)
    _, status = os.waitpid(job, 0)
    print("KILLED", os.WTERMSIG(status) if os.WIFSIGNALED(status) else status, flush=True)
    return 0


def crash(suite, number):
    script = f"import os; x = bytearray(64 << 20); os.kill(os.getpid(), {int(number)})"
    run = suite.run(suite.weir([PYTHON, "-c", script], RAM))
    harness.expect_end(run, 128 + number)
    harness.expect(run.stdout == b"" and run.stderr == b"", f"it printed {run.stdout + run.stderr!r}")


def dumps_core(suite):
    with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as file:
        pattern = file.read().strip()
    if "/" in pattern or pattern.startswith("|"):
        raise harness.Skip(f"core dumps go elsewhere: {pattern}")
    folder = suite.path("core")
    os.makedirs(folder, exist_ok=True)
    run = suite.run(["sh", "-c", 'ulimit -c unlimited || exit 99; exec "$@"', "sh",
                     *suite.weir([PYTHON, "-c", CRASH], RAM)], cwd=folder, timeout_s=30)
    if run.status == 99:
        raise harness.Skip("core dumps are not allowed here")
    harness.expect_end(run, 128 + signal.SIGSEGV)
    cores = [os.path.join(folder, name) for name in os.listdir(folder)]
    harness.expect(len(cores) == 1, f"there are {cores}")
    size = os.stat(cores[0]).st_blocks * 512
    found = subprocess.run(["grep", "-q", CRASH_MARK, cores[0]], check=False).returncode
    os.remove(cores[0])
    harness.expect(found == 0, "what the program had in RAM is not in the core dump")
    harness.expect(size < 300 * MIB, f"the core dump takes {harness.mib(size)}")
    return harness.mib(size)


def killed_weir(suite):
    busy = Busy(suite)
    os.kill(busy.pid, signal.SIGKILL)
    busy.expect_killed(signal.SIGKILL)


def exit_statuses(suite):
    for code in (0, 1, 2, 77, 125, 126, 127, 128, 255):
        run = suite.run(suite.weir(["sh", "-c", f"exit {code}"], RAM))
        harness.expect_end(run, code)
        harness.expect(run.stderr == b"", f"status {code}: {run.stderr!r}")


# The only thread ends by system call; or is ended by Linux for one, in strict mode.
LEAVES = "import ctypes; x = bytearray(64 << 20); ctypes.CDLL(None).syscall(60, 7)"
IS_KILLED = "import ctypes; x = bytearray(64 << 20); c = ctypes.CDLL(None); c.prctl(22, 1, 0, 0, 0); c.syscall(110)"
# The main thread ends, and the other goes on.
LEAVES_ANOTHER = """
import ctypes, os, threading, time
def go_on():
    time.sleep(3)
    os.write(1, b"still here")
    os._exit(8)
threading.Thread(target=go_on).start()
ctypes.CDLL(None).syscall(60, 7)
"""


def ends_past_libc(suite, script, status, stdout=b""):
    run = suite.run(suite.weir([PYTHON, "-c", script], RAM), timeout_s=20)
    harness.expect_end(run, status)
    harness.expect(run.stdout == stdout and run.stderr == b"", f"it printed {run.stdout + run.stderr!r}")


def passes_bytes_through(suite):
    data = os.urandom(3 << 20)
    source = suite.path("bytes")
    with open(source, "wb") as file:
        file.write(data)
    with open(source, "rb") as file:
        run = suite.run(suite.weir(["cat"], RAM), stdin=file)
    harness.expect_end(run)
    harness.expect(run.stdout == data and run.stderr == b"", "other bytes came out")


def broken_pipe(suite):
    run = suite.run(["bash", "-c", '"$@" | head -n 1; echo ${PIPESTATUS[0]}', "bash", *suite.weir(["yes"], RAM)])
    harness.expect(run.stdout == b"y\n141\n", f"{run.stdout!r} {run.stderr!r}")


def lets_go_of_output(suite):
    """A program that closes its standard output shows end of file to the reader while it runs on."""
    child = suite.start(suite.weir([PYTHON, "-c", "import os, time; os.close(1); time.sleep(30)"], RAM),
                        stdout=subprocess.PIPE)
    ready, _, _ = select.select([child.stdout], [], [], 10)
    harness.expect(ready and child.stdout.read() == b"", "no end of file")
    harness.expect(child.poll() is None, "the program has ended")
    child.kill()
    child.wait()
    child.stdout.close()


def inherits_signals_and_files(suite):
    """Blocked and ignored signals, the parent's SIGCHLD too, and open files are as without weir."""
    shown = "import os; print([line for line in open('/proc/self/status') if line[:6] in ('SigBlk', 'SigIgn')], " \
            "sorted(os.listdir('/proc/self/fd')), os.umask(0), os.getcwd(), os.getpgrp() == os.getpgid(os.getppid()))"
    outputs = []
    for command in ([PYTHON, "-c", shown], suite.weir([PYTHON, "-c", shown], RAM)):
        with open(suite.path("extra"), "wb") as extra:
            child = subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[extra.fileno()], cwd=suite.dir,
                                     preexec_fn=block_and_ignore, restore_signals=False)
            outputs.append(child.communicate(timeout=30)[0])
            harness.expect(child.returncode == 0, f"status {child.returncode}")
    harness.expect(outputs[0] == outputs[1], f"{outputs[0]!r} without weir, {outputs[1]!r} with it")


def block_and_ignore():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGWINCH])


def report_after_kill(suite):
    """--report and --stats come even if the program is killed."""
    path = suite.path("killed.json")
    command = suite.weir([PYTHON, "-c", "import os; x = bytearray(64 << 20); os.kill(os.getpid(), 9)"], RAM, "--report",
                         "--stats", path)
    run = suite.run(command)
    harness.expect_end(run, 137)
    for words in (b"signal 9", b"first touch", b"reclaimed by kswapd"):
        harness.expect(words in run.stderr, f"{words} is not in {run.stderr!r}")
    with open(path, encoding="utf-8") as file:
        figures = json.load(file)
    harness.expect(figures["end"]["signal"] == 9, f"{figures['end']}")
    harness.expect(figures["processes"][0]["faults"]["fresh"]["count"] > 0, "no faults")


def main():
    suite = harness.Suite("signals")
    suite.check("a_signal_sent_to_weir_ends_the_program_and_weir_alike", sent_and_dies, suite, signal.SIGTERM)
    suite.check("hang_up_ends_the_program_and_weir_alike", sent_and_dies, suite, signal.SIGHUP)
    suite.check("a_signal_sent_to_weir_reaches_the_program_once", sent_once, suite, signal.SIGUSR1)
    suite.check("a_real_time_signal_reaches_the_program_once", sent_once, suite, signal.SIGRTMIN + 3)
    suite.check("a_program_that_handles_SIGTERM_exits_as_it_wants", handled_term, suite)
    suite.check("Ctrl_C_ends_the_program_and_weir_alike", terminal_interrupt, suite)
    suite.check("a_program_that_handles_Ctrl_C_exits_as_it_wants", terminal_interrupt_handled, suite)
    suite.check("Ctrl_backslash_reaches_a_handler_once", terminal_quit_handled, suite)
    suite.check("Ctrl_backslash_ends_the_program_and_weir_alike", terminal_quit, suite)
    if not harness.NATIVE:
        suite.check("SIGSTOP_to_weir_stops_the_program", stop_weir, suite)
        suite.check("a_program_that_stops_shows_as_stopped", stop_program, suite)
    suite.check("Ctrl_Z_stops_the_job_and_SIGCONT_continues_it", terminal_stop, suite)
    for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS):
        suite.check(f"a_crash_with_{number.name}_shows_as_such_and_prints_nothing", crash, suite, number)
    suite.check("a_crash_dumps_core_at_once", dumps_core, suite)
    suite.check("SIGKILL_of_the_program_shows_as_such", program_dies, suite, signal.SIGKILL)
    suite.check("SIGKILL_of_weir_ends_the_program_too", killed_weir, suite)
    suite.check("the_exit_status_is_the_programs", exit_statuses, suite)
    suite.check("a_program_whose_only_thread_leaves_ends", ends_past_libc, suite, LEAVES, 7)
    suite.check("a_program_whose_only_thread_is_killed_ends", ends_past_libc, suite, IS_KILLED, 128 + signal.SIGKILL)
    suite.check("a_program_whose_main_thread_leaves_another_goes_on", ends_past_libc, suite, LEAVES_ANOTHER, 8,
                b"still here")
    suite.check("bytes_pass_through_unchanged", passes_bytes_through, suite)
    suite.check("a_broken_pipe_ends_the_program_with_SIGPIPE", broken_pipe, suite)
    suite.check("output_closed_by_the_program_is_closed", lets_go_of_output, suite)
    suite.check("signals_and_files_are_inherited_as_without_weir", inherits_signals_and_files, suite)
    if not harness.NATIVE:
        suite.check("the_report_comes_after_SIGKILL_too", report_after_kill, suite)
    suite.finish()


main()
