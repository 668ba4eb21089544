"""What single paths did, as tables: metrics, inputs, and labelled levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.errors import UsageError, plain

if TYPE_CHECKING:
    import pandas as pd
    import xarray
    from numpy.typing import NDArray

    from simulator.engine import Results
    from simulator.scenario import Scenario


def metrics(scenario: Scenario, results: Results) -> pd.DataFrame:
    """One row per kept path and entity, paths outermost; see :attr:`simulator.Run.metrics`."""
    import pandas as pd  # late: slow to import

    entities, kept = len(results.entities), results.kept

    def rows(values: Any) -> Any:
        numbers = np.asarray(values).T.reshape(-1)
        return numbers.astype(np.float64) if numbers.dtype == np.float32 else numbers

    def years(steps: Any) -> Any:
        return rows(results.times[np.maximum(steps, 0)])

    measures = results.measures
    table = {
        "path": np.repeat(np.arange(kept), entities),
        "entity": pd.Categorical.from_codes(
            np.tile(np.arange(entities), kept), categories=pd.Index(results.entities)
        ),
        "max_drawdown": rows(measures["max_drawdown"]),
        "peak_t": years(measures["peak_step"]),
        "trough_t": years(measures["trough_step"]),
        "recovery_t": np.where(
            rows(measures["recovery_step"]) < 0, np.nan, years(measures["recovery_step"])
        ),
        "underwater_t": years(measures["underwater_steps"]),
    }
    table["loss_from_start"] = rows(measures["loss_from_start"])
    table["loss_from_start_t"] = years(measures["lowest_step"])
    returns = ("worst_week", "worst_month", "return_1y", "terminal_return")
    names = [name for name in returns if not scenario.grid.missing(name)]
    table |= {name: rows(measures[name]) for name in (*names, "dollars_lost") if name in measures}
    for c, cause in enumerate(results.cause_names):
        table[f"cause_{cause}"] = rows(results.causes[:, c])
    return pd.DataFrame(table)


def levels(results: Results) -> xarray.DataArray:
    """Levels with the axes entity, t (years) and path; see :attr:`simulator.Run.levels`."""
    values = _kept(results)
    try:
        import xarray as xr  # late: slow to import
    except ImportError:
        raise UsageError(
            "run.levels needs xarray, which is not installed: pip install 'crashsim[notebook]'; without it "
            "run.levels_frame() is a tidy table of them and run.results.levels the bare array"
        ) from None
    axes = {
        "entity": list(results.entities),
        "t": results.times,
        "path": np.arange(values.shape[2]),
    }
    labelled = xr.DataArray(values, coords=axes, dims=tuple(axes), name="level")
    labelled.attrs["units"], labelled["t"].attrs["units"] = "USD billion", "years"
    return labelled


def levels_frame(results: Results, entities: Sequence[str]) -> pd.DataFrame:
    """Levels with a row per entity, path and time; see :meth:`simulator.Run.levels_frame`."""
    import pandas as pd  # late: slow to import

    values = _kept(results)
    for name in entities:
        if name not in results.entities:
            known = ", ".join(results.entities)
            raise UsageError(f"no entity {plain(name)!r} in this run; it has {known}")
    chosen = values[[results.entities.index(name) for name in entities]].transpose(0, 2, 1)
    axes = (pd.CategoricalIndex(entities), np.arange(chosen.shape[1]), results.times)
    index = pd.MultiIndex.from_product(axes, names=("entity", "path", "t"))
    return pd.DataFrame({"level": chosen.reshape(-1)}, index=index).reset_index()


def _kept(results: Results) -> NDArray[np.floating]:
    if results.levels is None:
        raise UsageError("this run kept no levels; simulate with keep_levels=True")
    return results.levels
