"""Correlations between uncertain assumptions, as one Gaussian copula.

`rho` is the correlation of the two normal scores; pairs that are not named are independent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from simulator.arrays import FloatArray
from simulator.complaints import nearest
from simulator.errors import Problem
from simulator.params import Params, quantity
from simulator.toml_file import TomlFile

# Below this smallest eigenvalue a Cholesky factor is mostly rounding.
_SMALLEST_EIGENVALUE = 1e-6


class Correlation(Params):
    """Two uncertain assumptions that go together."""

    between: tuple[str, str] = Field(description="keys of two uncertain assumptions")
    rho: float = quantity(
        ...,
        unit="1",
        low=-0.999,
        high=0.999,
        source="set by the scenario",
        strength="D",
        doc="correlation of their normal scores",
        uncertain=False,
    )


def correlation_matrix(keys: Sequence[str], correlations: Sequence[Correlation]) -> FloatArray:
    """Matrix (key, key) with ones on the diagonal."""
    position = {key: index for index, key in enumerate(keys)}
    matrix = np.eye(len(keys))
    for correlation in correlations:
        i, j = (position[key] for key in correlation.between)
        matrix[i, j] = matrix[j, i] = correlation.rho
    return matrix


def correlation_problems(
    file: TomlFile, correlations: Sequence[Correlation], uncertain: Sequence[str]
) -> list[Problem]:
    """Unknown or certain keys, pairs named twice, and pairs that contradict the ones before."""
    problems: list[Problem] = []
    sound: list[Correlation] = []
    seen: set[frozenset[str]] = set()
    for index, correlation in enumerate(correlations):
        path, pair = ("correlations", index, "between"), frozenset(correlation.between)
        wrong = [key for key in correlation.between if key not in uncertain]
        if wrong:
            hint = nearest(wrong[0], uncertain) or "give it a distribution first"
            message = f"`{wrong[0]}` is not an uncertain assumption of this scenario"
            problems.append(
                file.problem(path, message, expected=", ".join(uncertain) or "none is", hint=hint)
            )
        elif len(pair) < 2:
            problems.append(
                file.problem(path, "an assumption correlates with itself", expected="two keys")
            )
        elif pair in seen:
            problems.append(file.problem(path, "this pair is there twice", hint="keep one"))
        elif not _consistent([*sound, correlation], uncertain):
            limit = _limit(sound, correlation, uncertain)
            message = "no three numbers can be correlated like this: it contradicts the pairs above"
            problems.append(
                file.problem(
                    ("correlations", index, "rho"),
                    message,
                    expected="together with the pairs above, a positive definite matrix",
                    hint=f"rho = {limit:.2f} at most is possible here"
                    if limit >= 0.0
                    else f"rho = {limit:.2f} at least is possible here",
                )
            )
        else:
            sound.append(correlation)
        seen.add(pair)
    return problems


def _consistent(correlations: Sequence[Correlation], keys: Sequence[str]) -> bool:
    matrix = correlation_matrix(keys, correlations)
    return bool(np.linalg.eigvalsh(matrix)[0] >= _SMALLEST_EIGENVALUE)


def _limit(sound: list[Correlation], last: Correlation, keys: Sequence[str]) -> float:
    """Largest rho of the last pair, of its sign, that the others allow (0 always is, by halving)."""
    allowed, refused = 0.0, last.rho
    for _ in range(40):
        middle = 0.5 * (allowed + refused)
        trial = Correlation(between=last.between, rho=middle)
        if _consistent([*sound, trial], keys):
            allowed = middle
        else:
            refused = middle
    return float(np.trunc(allowed * 100.0) / 100.0)
