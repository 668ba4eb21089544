"""The cells of a design on a scenario: which keys vary, and the values of every cell."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from simulator.arrays import FloatArray
from simulator.errors import Problem, ScenarioError, UsageError, plain
from simulator.scenario.correlations import correlation_matrix
from simulator.scenario.scenario import Scenario
from simulator.scenario.sweep_design import (
    MOST_CELLS,
    OAT_SHARES,
    UNIVERSE,
    Axis,
    Design,
    SweepTable,
    Value,
    tidy,
)
from simulator.schema import is_name, suggestion
from simulator.schema.toml_document import OVERRIDE
from simulator.universe import Universe, find_universe, load_universe

_CHECKED = 1000
"""Values of a key that are checked before any cell is simulated."""


def scenario_design(scenario: Scenario) -> Design | None:
    """The design of a scenario's `[sweep]` table, if it has one."""
    table = scenario.file.data.get("sweep")
    return None if table is None else SweepTable.model_validate(table).as_design()


def resolve_design(design: Design, scenario: Scenario) -> Design:
    """The design with what it takes from a scenario: its uncertain keys, and their quantiles.

    Raises
    ------
    UsageError
        If a key has no distribution to draw from, or nothing varies.
    ScenarioError
        With every value that the scenario's own checks refuse.
    """
    uncertain = scenario.uncertain()
    axes = design.axes or tuple(Axis(key) for key in uncertain)
    if not axes:
        raise UsageError(f"no assumption of {scenario.name} is uncertain: name a key with --vary")
    for axis in axes:
        if axis.values is None and axis.key not in uncertain:
            hint = suggestion(axis.key, uncertain)
            raise UsageError(
                f"{plain(axis.key)} has no distribution in {scenario.name} to take values from"
                f"{'; ' + hint if hint else ''}; give values, as {plain(axis.key)}=x,y,z"
            )
    if design.kind == "oat":
        axes = tuple(
            axis
            if axis.values is not None
            else Axis(axis.key, tidy(uncertain[axis.key].ppf(np.array(OAT_SHARES))))
            for axis in axes
        )
    whole = replace(design, axes=axes)
    if not 1 <= len(whole) <= MOST_CELLS:
        raise UsageError(f"{len(whole):,} cells; a sweep has 1 to {MOST_CELLS:,}")
    _check_values(whole, scenario)
    return whole


def design_cells(design: Design, scenario: Scenario) -> Iterator[dict[str, Value]]:
    """The overrides of every cell in design order; the design is one that :func:`resolve_design` returned."""
    keys = design.keys
    if design.kind in ("lhs", "sobol"):
        for row in _sampled(design, scenario):
            yield dict(zip(keys, tidy(row), strict=True))
    elif design.kind == "oat":
        for axis in design.axes:
            for value in axis.values or ():
                yield {axis.key: value}
    else:
        lists = [axis.values or () for axis in design.axes]
        rows = itertools.product(*lists) if design.kind == "grid" else zip(*lists, strict=True)
        for values in rows:
            yield dict(zip(keys, values, strict=True))


def _check_values(design: Design, scenario: Scenario) -> None:
    """Every value must be allowed: by itself, or in its cells where a text says what else is there.

    Raises ScenarioError with all that are not.
    """
    cells = (
        design_cells(design, scenario)
        if any(axis.is_text for axis in design.axes)
        else ({axis.key: v} for axis in design.axes for v in (axis.values or ())[:_CHECKED])
    )
    problems: list[Problem] = []
    for number, overrides in enumerate(itertools.islice(cells, len(design.axes) * _CHECKED)):
        try:
            scenario.overlaid(overrides)
        except ScenarioError as error:
            problems += [_placed(p, design, number, scenario) for p in error.problems]
    if problems:
        raise ScenarioError(list(dict.fromkeys(problems)))


def _placed(problem: Problem, design: Design, cell: int, scenario: Scenario) -> Problem:
    """The problem where the value was given: in a design file, in [sweep], or with --vary."""
    if problem.file != OVERRIDE:
        return problem
    key = problem.source_line.partition("=")[0]
    if key not in design.keys:
        return problem
    if design.places:
        file, line = design.places[cell]
        return replace(problem, file=file, line=line)
    path = (
        "sweep",
        "vary",
        *((key,) if ("sweep", "vary", key) in scenario.file.places else key.split(".")),
    )
    if path in scenario.file.places and scenario_design(scenario) == design:
        return scenario.file.problem(
            path, problem.message, expected=problem.expected, hint=problem.hint
        )
    return replace(problem, file="--vary")


def varied_universes(design: Design, scenario: Scenario) -> list[Universe]:
    """The universes that the cells of a design name."""
    folder = scenario.path.parent
    values = (axis.values or () for axis in design.axes if axis.key == UNIVERSE)
    names = [str(name) for name in dict.fromkeys(itertools.chain(*values)) if is_name(str(name))]
    paths = [find_universe(name, folder) for name in names]
    return [load_universe(path) for path in paths if path is not None]


def _sampled(design: Design, scenario: Scenario) -> FloatArray:
    """Values (cell, key) of a sampled design, with the correlations of the scenario."""
    from scipy.special import ndtr, ndtri
    from scipy.stats import qmc

    keys, uncertain = design.keys, scenario.uncertain()
    if design.kind == "lhs":
        shares = qmc.LatinHypercube(len(keys), rng=design.seed).random(design.size)
    else:
        sampler = qmc.Sobol(len(keys), scramble=True, rng=design.seed)
        shares = sampler.random_base2(design.size.bit_length() - 1)
    shares = np.clip(shares, 2.0**-54, 1 - 2.0**-53)  # a share of 0 has no quantile
    inside = [pair for pair in scenario.correlations if set(pair.between) <= set(keys)]
    if inside:
        root = np.linalg.cholesky(correlation_matrix(keys, inside))
        together = ndtr(ndtri(shares) @ root.T)
        # A hypercube only changes its order (Iman and Conover 1982), so every key keeps its strata.
        ranks = together.argsort(axis=0).argsort(axis=0)
        ordered = np.take_along_axis(np.sort(shares, axis=0), ranks, axis=0)
        shares = ordered if design.kind == "lhs" else together
    columns = [uncertain[key].ppf(shares[:, i]) for i, key in enumerate(keys)]
    return np.column_stack(columns).astype(np.float64)
