"""The results of a run as arrays by name, as they lie in paths.npz and counts.npz, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.engine import Results
from simulator.engine.results import CAUSES, COUNTS, MEASURES, Axes


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
    *,
    paths: int,
    keep_paths: int,
    groups: int,
) -> Results:
    """What :func:`tables` and :func:`counts` were made of.

    Raises KeyError, IndexError or ValueError where they do not fit together.
    """
    axes = Axes(
        entities=tuple(str(name) for name in tables["entities"]),
        times=tables["times"],
        fan_steps=counts["fan_steps"],
        start_levels=tables["start_levels"],
        sells=tables["sells"],
        groups=groups,
        driver_steps=counts["driver_steps"],
        driver_consensus=counts["driver_consensus"],
        aligned_steps=counts["aligned_steps"],
    )
    loaded = Results.empty(axes, (), paths=0, keep_paths=keep_paths)
    if tuple(tables["cause_names"].tolist()) != CAUSES:
        raise ValueError("the causes are not those of this model")
    loaded.measures = {name: tables[f"measure_{name}"] for name in MEASURES}
    loaded.inputs = {
        key.removeprefix("input_"): drawn
        for key, drawn in tables.items()
        if key.startswith("input_")
    }
    loaded.causes, loaded.channels = tables["causes"], tables["channels"]
    loaded.sample_levels, loaded.levels = tables["sample_levels"], tables.get("levels")
    stored = {f"grid_{name}": values for name, values in loaded.counts.items()}
    stored |= {name: getattr(loaded, name) for name in COUNTS}
    for name, values in stored.items():
        values.reshape(-1)[counts[f"{name}_bins"]] = counts[f"{name}_paths"]
    loaded.n = paths
    if "cause_sums" in counts:
        loaded.cause_sums = counts["cause_sums"]
    else:
        loaded.add_causes(loaded.measures["max_drawdown"], loaded.causes)
    return loaded
