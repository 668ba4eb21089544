"""The results of a run as arrays by name, as they lie in paths.npz and counts.npz, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.engine import Results
from simulator.engine.results import COUNTS, MEASURES, SAMPLE_PATHS, Axes


def tables(results: Results) -> dict[str, NDArray[Any]]:
    """The paths in the tables, and what their axes mean."""
    arrays: dict[str, NDArray[Any]] = {
        "entities": np.array(results.entities),
        "times": results.times,
        "start_levels": results.start_levels,
        "causes": results.causes,
        "cause_names": np.array(results.cause_names),
        "sells": results.sells,
        "channels": results.channels,
        "sample_levels": results.sample_levels,
    }
    arrays |= {f"measure_{name}": values for name, values in results.measures.items()}
    arrays |= {f"input_{key}": values for key, values in results.inputs.items()}
    return arrays if results.levels is None else arrays | {"levels": results.levels}


def counts(results: Results) -> dict[str, NDArray[Any]]:
    """Counts over all paths, as the bins that are not empty; most are.

    Sums of causes are left out where the tables give them again.
    """
    all_counts = {name: getattr(results, name) for name in COUNTS}
    all_counts |= {f"grid_{name}": values for name, values in results.counts.items()}
    packed: dict[str, NDArray[Any]] = {
        "fan_steps": results.fan_steps,
        "driver_steps": results.driver_steps,
        "driver_consensus": results.driver_consensus,
        "aligned_steps": results.aligned_steps,
    }
    for name, values in all_counts.items():
        bins = np.flatnonzero(values)
        packed[f"{name}_bins"] = bins.astype(np.int32)  # into the flattened array
        packed[f"{name}_paths"] = values.reshape(-1)[bins].astype(np.int32)
    return packed if results.n == results.kept else packed | {"cause_sums": results.cause_sums}


def results(
    tables: Mapping[str, NDArray[Any]],
    counts: Mapping[str, NDArray[Any]],
    empty: Results,
    paths: int,
) -> Results:
    """What :func:`tables` and :func:`counts` were made of.

    Parameters
    ----------
    tables, counts
        Arrays by name.
    empty
        Results of no paths of the same scenario, which say what shapes and types fit.
    paths
        Number of paths.

    Raises KeyError, IndexError or ValueError where they do not fit together.
    """
    stored_axes = {**tables, **counts}
    for name in ("times", "start_levels", "driver_consensus"):
        _fit(name, stored_axes[name], getattr(empty, name))
        if not np.allclose(stored_axes[name], getattr(empty, name), rtol=1e-6):
            raise ValueError(f"{name} are not those of the scenario")
    for name in ("entities", "cause_names", "sells", "fan_steps", "driver_steps", "aligned_steps"):
        if not np.array_equal(stored_axes[name], np.asarray(getattr(empty, name))):
            raise ValueError(f"{name} are not those of the scenario")
    axes = Axes(
        entities=empty.entities,
        times=tables["times"],
        fan_steps=counts["fan_steps"],
        start_levels=tables["start_levels"],
        sells=tables["sells"],
        groups=empty.groups,
        driver_steps=counts["driver_steps"],
        driver_consensus=counts["driver_consensus"],
        aligned_steps=counts["aligned_steps"],
    )
    loaded = Results.empty(axes, (), paths=0, keep_paths=empty.keep_paths)
    _read_tables(loaded, tables, min(paths, empty.keep_paths))
    stored = {f"grid_{name}": values for name, values in loaded.counts.items()}
    stored |= {name: getattr(loaded, name) for name in COUNTS}
    for name, values in stored.items():
        bins, hits = counts[f"{name}_bins"], counts[f"{name}_paths"]
        if bins.dtype.kind not in "iu" or hits.dtype.kind not in "iu" or bins.shape != hits.shape:
            raise ValueError(f"{name} are no counts")
        values.reshape(-1)[bins] = hits
        once = values.sum(axis=-1) if name not in _SHARED else np.asarray(paths)
        if values.min(initial=0) < 0 or (once != paths).any():
            raise ValueError(f"{name} do not add up to {paths:,} paths")
    loaded.n = paths
    if "cause_sums" in counts:
        _fit("cause_sums", counts["cause_sums"], loaded.cause_sums)
        loaded.cause_sums = counts["cause_sums"]
    else:
        loaded.add_causes(loaded.measures["max_drawdown"], loaded.causes)
    return loaded


_SHARED = ("recovered_counts", "censored_counts", "aligned_counts")
"""Counts of some of the paths."""


def _read_tables(loaded: Results, tables: Mapping[str, NDArray[Any]], kept: int) -> None:
    """Take over the arrays of the first ``kept`` paths. Raises KeyError or ValueError."""
    last = loaded.times.size - 1
    for name in MEASURES:
        values = tables[f"measure_{name}"]
        _fit(name, values, loaded.measures[name], kept)
        if name.endswith(("_step", "_steps")) and not (values >= -1).all() & (values <= last).all():
            raise ValueError(f"{name} is not within the {last} steps")
        loaded.measures[name] = values
    for key, drawn in tables.items():
        if key.startswith("input_"):
            _fit(key, drawn, np.zeros(0), kept)
            loaded.inputs[key.removeprefix("input_")] = drawn
    _fit("causes", tables["causes"], loaded.causes, kept)
    _fit("channels", tables["channels"], loaded.channels, kept)
    _fit("sample_levels", tables["sample_levels"], loaded.sample_levels, min(kept, SAMPLE_PATHS))
    loaded.causes, loaded.channels = tables["causes"], tables["channels"]
    loaded.sample_levels, loaded.levels = tables["sample_levels"], tables.get("levels")
    if loaded.levels is not None:
        _fit("levels", loaded.levels, loaded.sample_levels, kept)


def _fit(name: str, values: NDArray[Any], like: NDArray[Any], last: int | None = None) -> None:
    """Raise ValueError for values of another kind or shape, but for its ``last`` axis, or not finite."""
    shape = like.shape if last is None else (*like.shape[:-1], last)
    if values.shape != shape or values.dtype.kind != like.dtype.kind:
        raise ValueError(f"{name} has another shape or type than the run needs")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(f"{name} has a value that is not finite")
