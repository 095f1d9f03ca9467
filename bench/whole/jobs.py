# SPDX-License-Identifier: MIT
"""The programs of bench/whole. Each works on inputs that are computed, and says what its output is."""

import os
import random
import shutil
import subprocess
import sys

import common

sys.path.insert(0, os.path.join(common.ROOT, "tests/system"))
import program_inputs  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"

SQL = """
CREATE TABLE events(id INTEGER PRIMARY KEY, customer INTEGER, at INTEGER, note TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
INSERT INTO events SELECT i, i * 2654435761 % {customers}, i * 40503 % 86400000,
    hex(i * 2654435761) || printf(' event %d of kind %d ', i, i % 37) || printf('%.*c', 200 + i % 97, '.') ||
    hex(i * 40503 * 2654435761) FROM n;
CREATE INDEX by_customer ON events(customer, at);
SELECT count(*), sum(length(note)) FROM events;
SELECT customer, count(*), min(at), max(at) FROM events WHERE customer < 2000 GROUP BY customer;
SELECT sum(length(note)) FROM events WHERE customer BETWEEN 100 AND {some};
SELECT id % 1000, sum(at) FROM events GROUP BY id % 1000 ORDER BY 2 LIMIT 50;
UPDATE events SET at = at + 1 WHERE customer % 50 = 7;
SELECT sum(at) FROM events;
"""


class Job:
    """A program: how it is called, what it reads, and which files belong to its output."""

    def __init__(self, name, command, stdin=None, outputs=(), status=0):
        self.name = name
        self.command = command
        self.stdin = stdin
        self.outputs = outputs
        self.status = status


def text_file(path, nr_mib):
    """Text as logs have it: words that come again and again, and numbers that do not."""
    draw = random.Random(3)
    words = ["".join(draw.choices("etaoinshrdlu", k=draw.randint(2, 9))) for _ in range(5000)]
    with open(path, "w", encoding="ascii") as file:
        while file.tell() < nr_mib << 20:
            for _ in range(2000):
                file.write(f"{draw.getrandbits(40):x} {' '.join(draw.choices(words, k=9))} {draw.random():.6f}\n")


def cpp_file(path, nr):
    """One translation unit of many templates over standard containers."""
    with open(path, "w", encoding="ascii") as file:
        file.writelines(f"#include <{name}>\n" for name in ("algorithm", "functional", "iostream", "map", "regex",
                                                            "string", "unordered_map", "variant", "vector"))
        for i in range(nr):
            file.write(f"struct K{i} {{\n    int a, b;\n"
                       f"    bool operator<(const K{i} &o) const {{ return a * {i + 1} < o.b; }}\n}};\n"
                       f"int f{i}(int n) {{\n    std::map<K{i}, std::vector<std::string>> m;\n"
                       f"    std::variant<K{i}, std::string, std::map<int, K{i}>> v = std::string(\"{i}\");\n"
                       f"    for (int k = 0; k < n; k++) m[K{i}{{k, k % {i + 3}}}].push_back(std::to_string(k));\n"
                       f"    std::vector<K{i}> s; for (auto &e : m) s.push_back(e.first);\n"
                       f"    std::stable_sort(s.begin(), s.end(), [](auto &x, auto &y) {{ return y < x; }});\n"
                       f"    return std::visit([&](auto &x) {{ return (int)sizeof(x); }}, v) + (int)s.size();\n}}\n")
        file.write("int main() { return 0" + "".join(f" + f{i}(3)" for i in range(nr)) + "; }\n")


def table(bench, scale):
    """name: (programs that it needs, modules of Python that it needs, what makes the Job)."""
    def path(name):
        return os.path.join(bench.dir, name)

    def written(name, text):
        with open(path(name), "w", encoding="ascii") as file:
            file.write(text)
        return path(name)

    def sized(mib):
        return max(int(mib * scale), 2)

    def made(make, name, size):
        make(path(name), size)
        return path(name)

    rows = sized(1150) * 1000
    return {
        "python3": ([PYTHON], (), lambda: Job("python3", [PYTHON, "-c", program_inputs.PYTHON_JOB], status=3)),
        "sort": (["sort"], (), lambda: Job(
            "sort", ["env", "LC_ALL=C", "sort", "-S", "1G", "--parallel=2", "-o", path("sorted"),
                     made(program_inputs.make_lines, "lines", int(480000 * scale))], outputs=[path("sorted")])),
        "node": (["node"], (), lambda: Job("node", ["node", "-e", program_inputs.NODE_JOB], status=4)),
        "gcc": (["gcc"], (), lambda: Job(
            "gcc", ["gcc", "-O1", "-c", made(program_inputs.make_c_source, "large.c", 1600), "-o", path("large.o")],
            outputs=[path("large.o")])),
        "pagerank": ([], (), lambda: Job("pagerank", [bench.compile("bench/whole/pagerank.c"), str(sized(1024)), "3"])),
        "hashjoin": ([], (), lambda: Job("hashjoin", [bench.compile("bench/whole/hashjoin.c"), str(sized(256))])),
        "numpy": ([PYTHON], ("numpy",), lambda: Job(
            "numpy", [PYTHON, os.path.join(HERE, "numpy_job.py"), str(sized(700))])),
        "pandas": ([PYTHON], ("pandas",), lambda: Job(
            "pandas", [PYTHON, os.path.join(HERE, "pandas_job.py"), str(sized(700))])),
        "sqlite3": (["sqlite3"], (), lambda: Job(
            "sqlite3", ["sqlite3", "-batch", ":memory:"],
            stdin=written("sql", SQL.format(rows=rows, customers=rows // 12, some=rows // 60)))),
        "redis": (["redis-server", "redis-benchmark", "redis-cli"], (), lambda: Job(
            "redis", [os.path.join(HERE, "redis_job.sh"), str(sized(500) * 1000), bench.dir])),
        "xz": (["xz"], (), lambda: Job("xz", ["xz", "-9", "-T1", "-c"], stdin=made(text_file, "text-xz", sized(16)))),
        # Of an unknown size, as standard input is, it takes all the memory that its level asks for.
        "zstd": (["zstd"], (), lambda: Job(
            "zstd", ["zstd", "--ultra", "-22", "--long=27", "-T1", "-q", "-c"],
            stdin=made(text_file, "text-zstd", sized(8)))),
        "c++": (["g++"], (), lambda: Job(
            "c++", ["g++", "-std=c++17", "-O1", "-c", made(cpp_file, "heavy.cpp", max(int(30 * scale), 10)), "-o",
                    path("heavy.o")], outputs=[path("heavy.o")])),
    }


def refusal(programs, modules):
    """Why a job cannot be had here, or None."""
    for program in programs:
        if not shutil.which(program):
            return f"{program} is not installed"
    for module in modules:
        if subprocess.run([PYTHON, "-c", f"import {module}"], capture_output=True, check=False).returncode:
            return f"{PYTHON} has no {module}"
    return None
