# SPDX-License-Identifier: MIT
"""Sorts, gathers and multiplies with numpy: numpy_job.py MIB."""

import hashlib
import sys

import numpy

draw = numpy.random.default_rng(1)
nr = int(sys.argv[1]) * (1 << 20) // 40
keys = draw.integers(0, 1 << 40, nr)
order = numpy.argsort(keys, kind="stable")
gathered = keys[order]
places = numpy.searchsorted(gathered, draw.integers(0, 1 << 40, nr // 50))
sums = numpy.cumsum(gathered & 0xffff)
side = int((nr / 4) ** 0.5) // 8 * 8
matrix = (keys[: side * side].reshape(side, side) & 0xff).astype(numpy.float64)
product = matrix[:256] @ matrix
transposed = numpy.ascontiguousarray(matrix.T)
digest = hashlib.sha256()
for array in (gathered[::97], places, sums[::89], product.astype(numpy.int64), transposed[::31]):
    digest.update(numpy.ascontiguousarray(array).tobytes())
print(nr, side, digest.hexdigest())
