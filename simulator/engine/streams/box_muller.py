"""Standard normals in bulk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simulator.engine.streams.addresses import BLOCK_PATHS, columns, raw_words

SingleArray: TypeAlias = NDArray[np.float32]


class BoxMullerNormals:
    """Normals of several streams, by Box and Muller: the words of two steps make a point in the plane.

    The first 1,024 of a pair's 2,048 half words are its radius, the rest its angle; the earlier step
    gets the cosine. 32 bits reach to 6.8 standard deviations, and cost a third of a ziggurat.

    Parameters
    ----------
    streams
        For each row its generators, one a block.
    """

    _AHEAD = 8  # steps drawn at once, even; it changes no number

    def __init__(self, streams: Sequence[Sequence[np.random.SFC64]]) -> None:
        self._streams = streams
        shape = (len(streams), len(streams[0]) * BLOCK_PATHS if streams else 0)
        self._radius, self._angle = np.empty((2, self._AHEAD // 2, *shape), np.float32)
        self._pair = np.empty((2, *shape), np.float32)
        self._drawn = 0

    def step(self) -> SingleArray:
        """Draw the next step, ``(row, path)``: a buffer, valid until the next call."""
        ahead, half = divmod(self._drawn % self._AHEAD, 2)
        if not half:
            if not ahead:
                self._draw()
            self._turn(self._radius[ahead], self._angle[ahead])
        self._drawn += 1
        return np.asarray(self._pair[half])

    def _draw(self) -> None:
        for row, blocks in enumerate(self._streams):
            for i, bits in enumerate(blocks):
                words = raw_words(bits, self._AHEAD * BLOCK_PATHS // 2)
                halves = words.view("<u4").reshape(-1, 2, BLOCK_PATHS)
                self._radius[:, row, columns(i)] = halves[:, 0]
                self._angle[:, row, columns(i)] = halves.view("<i4")[:, 1]  # between -pi and pi

    def _turn(self, radius: SingleArray, angle: SingleArray) -> None:
        """Whole numbers of 32 bits become a radius and an angle, these a pair; in place."""
        single = np.float32
        radius += single(0.5)
        radius *= single(2.0**-32)
        np.log(radius, out=radius)
        radius *= single(-2.0)
        np.sqrt(radius, out=radius)
        angle *= single(2.0**-31 * np.pi)
        for half, turn in zip(self._pair, (np.cos, np.sin), strict=True):
            np.multiply(turn(angle, out=half), radius, out=half)
