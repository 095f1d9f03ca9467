# SPDX-License-Identifier: MIT
"""Groups, joins and sorts tables with pandas: pandas_job.py MIB."""

import hashlib
import sys

import numpy
import pandas

draw = numpy.random.default_rng(2)
nr = int(sys.argv[1]) * (1 << 20) // 220
sales = pandas.DataFrame({
    "customer": draw.integers(0, nr // 20, nr),
    "product": draw.integers(0, 5000, nr),
    "amount": draw.integers(1, 100, nr),
    "day": draw.integers(0, 730, nr),
})
names = pandas.DataFrame({"customer": numpy.arange(nr // 20), "name": [f"name-{i:08d}" for i in range(nr // 20)]})
sales["value"] = sales["amount"] * (sales["product"] % 97)
joined = sales.merge(names, on="customer")
by_product = joined.groupby("product")[["amount", "value"]].sum()
by_name = joined.groupby("name")["value"].sum().sort_values(kind="stable")
latest = joined.sort_values(["day", "customer", "product", "amount"], kind="stable").head(nr // 100)
digest = hashlib.sha256()
for table in (by_product.reset_index(), by_name.reset_index(), latest):
    digest.update(pandas.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
print(nr, len(by_name), digest.hexdigest())
