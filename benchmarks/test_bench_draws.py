"""How the generator, the draw method and the block size were chosen; docs/performance.md.

They are part of the result format: these figures explain the choice, they cannot change it.
"""

from __future__ import annotations

import numpy as np
from timing import in_turn

GENERATORS = ("SFC64", "PCG64", "PCG64DXSM", "Philox", "MT19937")
SIZES = (256, 512, 1024, 2048, 4096)
ROWS = 20


def test_generators_and_methods(capsys) -> None:
    normal = np.empty((ROWS, 1024))
    scratch = np.empty_like(normal)

    def ziggurat(stream):
        return lambda: stream.standard_normal(out=normal)

    def inversion(stream):
        from scipy.special import ndtri

        return lambda: ndtri(stream.random(out=scratch), out=normal)

    def box_muller(stream):
        half = ROWS // 2

        def draw() -> None:
            stream.random(out=scratch)
            radius = np.sqrt(-2.0 * np.log1p(-scratch[:half]))
            np.multiply(radius, np.cos(2.0 * np.pi * scratch[half:]), out=normal[:half])
            np.multiply(radius, np.sin(2.0 * np.pi * scratch[half:]), out=normal[half:])

        return draw

    methods = {"ziggurat": ziggurat, "Box-Muller": box_muller, "inversion": inversion}
    work = {
        f"{name} {method}": make(np.random.Generator(getattr(np.random, name)(1)))
        for name in GENERATORS
        for method, make in methods.items()
    }
    times = in_turn(work, repetitions=60)
    with capsys.disabled():
        print(f"\n{'ns per normal':14s}" + "".join(f"{method:>12s}" for method in methods))
        for name in GENERATORS:
            costs = [times[f"{name} {method}"].best / normal.size * 1e9 for method in methods]
            print(f"{name:14s}" + "".join(f"{cost:12.2f}" for cost in costs))


def test_block_sizes(capsys) -> None:
    """A stream per firm and factor: the calls cost little once a block is long enough."""
    work = {}
    for size in SIZES:
        streams = [np.random.Generator(np.random.SFC64(i)) for i in range(ROWS)]
        rows = list(zip(streams, np.empty((ROWS, size)), strict=True))

        def draw(rows=rows) -> None:
            for stream, row in rows:
                stream.standard_normal(out=row)

        work[str(size)] = draw
    times = in_turn(work, repetitions=100)
    with capsys.disabled():
        print(f"\n{'paths a block':>14s} {'ns per normal':>14s}")
        for size in SIZES:
            print(f"{size:14,d} {times[str(size)].best / ROWS / size * 1e9:14.2f}")
