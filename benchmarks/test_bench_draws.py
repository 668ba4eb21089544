"""How the generator, the draw method and the block size were chosen; docs/performance.md.

They are part of the result format: these figures explain the choice, they cannot change it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from timing import in_turn

from simulator.engine.streams import BLOCK_PATHS, BlockShocks

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


def firm_shocks(blocks: int) -> BlockShocks:
    """As many rows of normals as the floor draws."""
    return BlockShocks(1, 0, tuple(f"T{i}" for i in range(ROWS)), np.zeros(ROWS, np.bool_), blocks)


def test_single_precision(capsys) -> None:
    """What a run draws: Box and Muller's method in 32 bits, one stream a firm."""
    stream, normal = np.random.Generator(np.random.SFC64(1)), np.empty((ROWS, BLOCK_PATHS))
    work: dict[str, Callable[[], object]] = {
        "ziggurat, whole array": lambda: stream.standard_normal(out=normal)
    }
    sizes = {"ziggurat, whole array": normal.size}
    for blocks in (1, 2):
        shocks = firm_shocks(blocks)
        name = f"32 bits, {blocks} blocks together"
        sizes[name] = 8 * ROWS * shocks.paths

        def draw(shocks=shocks) -> None:
            for _ in range(8):  # as many as are drawn at once
                shocks.firms()

        work[name] = draw
    times = in_turn(work, repetitions=60)
    with capsys.disabled():
        print(f"\n{'ns per normal':34s}")
        for name in work:
            print(f"{name:34s}{times[name].best / sizes[name] * 1e9:8.2f}")


def test_tails(capsys) -> None:
    """Counts of 32-bit normals beyond each size, against the normal law, out of a thousand million."""
    from scipy.special import ndtr

    sizes = (1.0, 2.0, 3.0, 4.0, 4.5, 5.0, 5.5, 6.0)
    shocks = firm_shocks(8)
    counts, n = np.zeros((2, len(sizes)), np.int64), 0
    while n < 1_000_000_000:
        drawn = shocks.firms()
        n += drawn.size
        for i, size in enumerate(sizes):
            counts[0, i] += np.count_nonzero(drawn > size)
            counts[1, i] += np.count_nonzero(drawn < -size)
    due = n * ndtr(-np.array(sizes))
    z = (counts - due) / np.sqrt(due)
    with capsys.disabled():
        print(f"\n{'beyond':>8s}{'due':>16s}{'above':>14s}{'below':>14s}{'z':>8s}{'z':>8s}")
        for i, size in enumerate(sizes):
            print(
                f"{size:8.1f}{due[i]:16,.1f}{counts[0, i]:14,d}{counts[1, i]:14,d}{z[0, i]:8.2f}{z[1, i]:8.2f}"
            )
    assert np.abs(z).max() < 5.0
