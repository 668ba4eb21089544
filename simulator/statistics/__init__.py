"""Estimates with their Monte Carlo errors, drawdowns, histograms; knows nothing of runs or scenarios.

Imports: numpy and ``simulator.arrays``; scipy only inside functions.
Read first: ``intervals`` (``Estimate`` and how each interval is made), then ``drawdown`` (the one
definition of a drawdown, for history and simulation alike).
"""

from simulator.statistics.drawdown import (
    DrawdownMeter,
    FallMeter,
    StepIndex,
    max_drawdown,
    measure_drawdowns,
    worst_return,
)
from simulator.statistics.histogram import FAN_QUANTILES, Grid, grid_quantiles
from simulator.statistics.histogram_estimates import HistogramEstimates, quantile_from_counts
from simulator.statistics.intervals import (
    Estimate,
    Survival,
    Z,
    expected_shortfall,
    jackknife,
    jackknives,
    kaplan_meier_from_counts,
    mean,
    mean_of_few,
    probability,
    quantile,
    quantile_ranks,
)
from simulator.statistics.splitting import Split, split
