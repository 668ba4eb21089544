"""Correlations between uncertain assumptions, as one Gaussian copula.

`rho` is the correlation of the two normal scores; pairs that are not named are independent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from simulator.arrays import FloatArray
from simulator.errors import Problem, plain
from simulator.schema import Params, TomlFile, override_path, quantity, suggestion

# Below this smallest eigenvalue a Cholesky factor is mostly rounding.
_SMALLEST_EIGENVALUE = 1e-6


class Correlation(Params):
    """Two uncertain assumptions that go together."""

    between: tuple[str, str] = Field(description="keys of two uncertain assumptions")
    rho: float = quantity(
        ..., "1", -0.999, 0.999, "correlation of their normal scores", "D", "set by the scenario"
    )


def correlation_matrix(keys: Sequence[str], correlations: Sequence[Correlation]) -> FloatArray:
    """Matrix (key, key) with ones on the diagonal."""
    position = {key: index for index, key in enumerate(keys)}
    matrix = np.eye(len(keys))
    for correlation in correlations:
        i, j = (position[key] for key in correlation.between)
        matrix[i, j] = matrix[j, i] = correlation.rho
    return matrix


def sound_correlations(
    file: TomlFile, correlations: Sequence[Correlation], uncertain: Sequence[str]
) -> tuple[tuple[Correlation, ...], list[Problem]]:
    """The correlations in force, and what is wrong with them.

    A pair is out of force when an override has replaced one of its distributions by a number.
    """
    problems: list[Problem] = []
    sound: dict[int, Correlation] = {}
    seen: set[frozenset[str]] = set()
    for index, correlation in enumerate(correlations):
        path, pair = ("correlations", index, "between"), frozenset(correlation.between)
        certain = [key for key in correlation.between if key not in uncertain]
        replaced = [key for key in certain if file.override_of(override_path(key)) is not None]
        if certain and certain == replaced:
            continue
        if certain:
            message = f"`{plain(certain[0], 80)}` is not an uncertain assumption of this scenario"
            expected = ", ".join(uncertain) or "none is uncertain"
            hint = suggestion(certain[0], uncertain) or "give it a distribution first"
            problems.append(file.problem(path, message, expected=expected, hint=hint))
        elif len(pair) < 2:
            message = "an assumption is correlated with itself"
            problems.append(file.problem(path, message, expected="two different keys"))
        elif pair in seen:
            problems.append(file.problem(path, "this pair appears twice", hint="keep one"))
        else:
            sound[index] = correlation
        seen.add(pair)
    if not problems and sound and not _consistent(list(sound.values())):
        problems.append(_contradiction(file, sound))
    return tuple(sound.values()), problems


def _keys(correlations: Sequence[Correlation]) -> tuple[str, ...]:
    return tuple(sorted({key for pair in correlations for key in pair.between}))


def _consistent(correlations: Sequence[Correlation]) -> bool:
    matrix = correlation_matrix(_keys(correlations), correlations)
    return bool(np.linalg.eigvalsh(matrix)[0] >= _SMALLEST_EIGENVALUE)


def _contradiction(file: TomlFile, sound: dict[int, Correlation]) -> Problem:
    """The pair that does most to make the matrix impossible, and the nearest value that mends it."""
    correlations = list(sound.values())
    keys = _keys(correlations)
    values, vectors = np.linalg.eigh(correlation_matrix(keys, correlations))
    worst = vectors[:, 0]

    def share(index: int) -> float:
        i, j = (keys.index(key) for key in sound[index].between)
        return float(sound[index].rho * worst[i] * worst[j])

    index = min(sound, key=share)
    given = sound[index].rho
    others = [pair for at, pair in sound.items() if at != index]
    trials = sorted(np.linspace(-0.99, 0.99, 199), key=lambda rho: abs(rho - given))
    mended = next(
        (
            rho
            for rho in trials
            if _consistent([*others, Correlation(between=sound[index].between, rho=float(rho))])
        ),
        None,
    )
    scale = 1.0 / (1.0 - float(values[0]))
    return file.problem(
        ("correlations", index, "rho"),
        "these correlations contradict each other; this one most",
        expected="a positive definite matrix; pairs that are not named have rho = 0",
        hint=f"rho = {mended:.2f} here"
        if mended is not None
        else f"multiply every rho by at most {np.trunc(scale * 100.0) / 100.0:g}",
    )
