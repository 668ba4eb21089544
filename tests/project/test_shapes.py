"""Axes, checked when called: the shapes that docstrings promise, as jaxtyping annotations."""

import numpy as np
from beartype import beartype
from jaxtyping import Float, Integer, jaxtyped

from simulator.statistics import drawdown

shaped = jaxtyped(typechecker=beartype)
LEVELS = np.array(
    [[[1.0, 2.0, 3.0]] * 2, [[0.5, 2.5, 3.0]] * 2, [[2.0, 1.0, 3.0]] * 2, [[1.0] * 3] * 2]
)


@shaped
def max_drawdown(
    levels: Float[np.ndarray, "time *columns"],
) -> Float[np.ndarray, "*columns"]:
    return drawdown.max_drawdown(levels, axis=0)


@shaped
def trough_step(
    levels: Float[np.ndarray, "time *columns"],
) -> Integer[np.ndarray, "*columns"]:
    return drawdown.measure_drawdowns(levels).trough_step


@shaped
def worst_return(
    levels: Float[np.ndarray, "time *columns"], steps: int
) -> Float[np.ndarray, "*columns"]:
    return drawdown.worst_return(levels, steps)


def test_measures_drop_the_time_axis_and_keep_the_others() -> None:
    assert LEVELS.shape == (4, 2, 3)
    max_drawdown(LEVELS)
    trough_step(LEVELS)
    worst_return(LEVELS, 1)
