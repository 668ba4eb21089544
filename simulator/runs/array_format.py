"""The results of a run as arrays by name, as they lie in paths.npz and counts.npz, and back.

Format 2 brought the names of causes, the parts of revenue, drivers and falls aligned at their peaks;
format 1 is read without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.engine import Results
from simulator.engine.results import CAUSE_BINS, COUNTS, MEASURES

_CAUSES_OF_FORMAT_1 = (
    "revenue",
    "margin",
    "expectations",
    "sentiment",
    "news",
    "rates",
    "market",
    "contagion",
    "firm",
    "growth",
)


def tables(results: Results) -> dict[str, NDArray[Any]]:
    """The paths in the tables, and what their axes mean."""
    found: dict[str, NDArray[Any]] = {
        "entities": np.array(results.entities),
        "times": results.times,
        "start_levels": results.start_levels,
        "causes": results.causes,
        "cause_names": np.array(results.cause_names),
        "sells": results.sells,
        "channels": results.channels,
        "sample_levels": results.sample_levels,
    }
    found |= {f"measure_{name}": values for name, values in results.measures.items()}
    found |= {f"input_{key}": values for key, values in results.inputs.items()}
    return found if results.levels is None else found | {"levels": results.levels}


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
    inputs = {k.removeprefix("input_"): v for k, v in tables.items() if k.startswith("input_")}
    causes = tables["cause_names"].tolist() if "cause_names" in tables else _CAUSES_OF_FORMAT_1
    found = Results.empty(
        entities=tuple(str(name) for name in tables["entities"]),
        times=tables["times"],
        fan_steps=counts["fan_steps"],
        start_levels=tables["start_levels"],
        inputs=(),
        paths=0,
        keep_paths=keep_paths,
        driver_steps=counts.get("driver_steps"),
        driver_consensus=counts.get("driver_consensus"),
        aligned_steps=counts.get("aligned_steps"),
        groups=groups if "aligned_steps" in counts else 0,
        cause_names=tuple(causes),
    )
    found.measures = {  # runs of format 1 have no return_1y
        name: tables[f"measure_{name}"] for name in MEASURES if f"measure_{name}" in tables
    }
    found.causes, found.inputs = tables["causes"], inputs
    if "channels" in tables:
        found.sells, found.channels = tables["sells"], tables["channels"]
    found.sample_levels, found.levels = tables["sample_levels"], tables.get("levels")
    for name, values in found.counts.items():
        if name != "log_1y" or "return_1y" in found.measures:
            _unpack(counts, f"grid_{name}", values)
    for name in COUNTS:
        _unpack(counts, name, getattr(found, name))
    found.n = paths
    if "cause_sums" in counts:
        sums = counts["cause_sums"]
        if sums.shape[2] != CAUSE_BINS:  # format 1 had ten times as many depths
            sums = np.add.reduceat(sums, np.arange(0, sums.shape[2], 10), axis=2)
        found.cause_sums = sums
    else:
        found.add_causes(found.measures["max_drawdown"], found.causes)
    return found


def _unpack(counts: Mapping[str, NDArray[Any]], name: str, into: NDArray[Any]) -> None:
    if f"{name}_bins" in counts or into.size:  # format 1 has none of what format 2 brought
        into.reshape(-1)[counts[f"{name}_bins"]] = counts[f"{name}_paths"]
