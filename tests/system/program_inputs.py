# SPDX-License-Identifier: MIT
"""What well-known programs are given to do: computed, so that every run anywhere sees the same."""

import random

PYTHON_JOB = """
import hashlib
rows = {}
for i in range(150000):
    key = "key-%d" % (i * 7919 % 150000)
    rows[key] = [i, i * 3 % 500, (key[::-1] + " %d " % (i * i)) * 12]
by_group = {}
for key, row in rows.items():
    by_group.setdefault(row[1], []).append(key)
digest = hashlib.sha256()
for group in sorted(by_group):
    for key in sorted(by_group[group])[:100]:
        digest.update(rows[key][2].encode())
        rows[key][0] += 1
for key, row in rows.items():
    digest.update(key.encode() + row[2].encode())
print(len(rows), sum(row[0] for row in rows.values()), digest.hexdigest())
raise SystemExit(3)
"""

SQL = """
CREATE TABLE items(id INTEGER PRIMARY KEY, name TEXT, amount INTEGER, note TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
INSERT INTO items SELECT i, printf('item-%08x', i * 2654435761 % 4294967296), i * 7919 % 1000,
    printf('%d %d %d', i * 31, i * 37, i * 41) || printf('%.*c', 300 + i % 60, 'x') || hex(i * 2654435761)
    FROM n;
CREATE INDEX by_name ON items(name);
SELECT count(*), min(name), max(name) FROM items;
SELECT amount, count(*), sum(length(note)) FROM items GROUP BY amount ORDER BY amount;
UPDATE items SET amount = amount + 1 WHERE id % 3 = 0;
SELECT a.id, b.name FROM items a JOIN items b ON b.name = printf('item-%08x', a.id * 2654435761 % 4294967296)
    WHERE a.amount < 20 ORDER BY a.id;
SELECT sum(id * amount) FROM items WHERE name BETWEEN 'item-40000000' AND 'item-44000000';
DELETE FROM items WHERE amount < 200;
SELECT count(*), sum(amount), sum(length(note)) FROM items;
PRAGMA integrity_check;
"""

NODE_JOB = """
const crypto = require('crypto');
const rows = new Map();
for (let i = 0; i < 100000; i++)
    rows.set('k' + (i * 7919 % 100000), {id: i, tags: ['t' + i % 97, 't' + i % 89], text: 'row ' + i + ' ' + i * i});
const blocks = [];
for (let i = 0; i < 500; i++) {
    const block = Buffer.alloc(100000);
    for (let at = 0; at < block.length; at += 4) block.writeUInt32LE((at * 2654435761 + i) >>> 0, at);
    blocks.push(block);
}
const groups = {};
for (const [key, row] of rows) for (const tag of row.tags) (groups[tag] ||= []).push(key);
const hash = crypto.createHash('sha256');
for (const tag of Object.keys(groups).sort().slice(0, 20))
    for (const key of groups[tag].sort()) hash.update(JSON.stringify(rows.get(key)));
for (const block of blocks) hash.update(block);
console.log(rows.size, Object.keys(groups).length, hash.digest('hex'));
process.exitCode = 4;
"""


def make_lines(path, nr):
    draw = random.Random(1)
    with open(path, "w", encoding="ascii") as file:
        for i in range(nr):
            text = "the quick brown fox " * (i % 9)
            file.write(f"{draw.getrandbits(64):016x} {i} {draw.getrandbits(1600):x} {text}\n")


def make_c_source(path, nr_functions):
    """One translation unit of many functions that call each other."""
    with open(path, "w", encoding="ascii") as file:
        file.write("static unsigned table[4096];\n")
        for i in range(nr_functions):
            file.write(f"unsigned f{i}(unsigned a, unsigned b)\n{{\n    unsigned c = a * {i * 7 + 1}u + b;\n"
                       f"    for (unsigned k = 0; k < {i % 13 + 3}; k++) {{\n"
                       f"        table[(c + k) % 4096] += a ^ (b << {i % 7});\n"
                       f"        if (table[k] > {i}u) c += table[(k * {i % 31 + 3}u) % 4096]; else c ^= b + k;\n"
                       f"        switch (c % 5) {{ case 0: a += c; break; case 1: b -= a; break; case 3: c *= 3u; }}\n"
                       f"    }}\n    return c{f' + f{i - 1}(b, c)' if i % 9 else ''};\n}}\n")
