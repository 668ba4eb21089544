"""Estimates with their Monte Carlo errors, drawdowns, histograms; knows nothing of runs or scenarios.

Imports: numpy and ``simulator.arrays``; scipy only inside functions.
Read first: ``intervals`` (``Estimate`` and how each interval is made), then ``drawdown`` (the one
definition of a drawdown, for history and simulation alike).
"""

from simulator.statistics.drawdown import DrawdownMeter as DrawdownMeter
from simulator.statistics.drawdown import StepIndex as StepIndex
from simulator.statistics.drawdown import max_drawdown as max_drawdown
from simulator.statistics.drawdown import measure_drawdowns as measure_drawdowns
from simulator.statistics.drawdown import worst_return as worst_return
from simulator.statistics.histogram import FAN_QUANTILES as FAN_QUANTILES
from simulator.statistics.histogram import Grid as Grid
from simulator.statistics.histogram import grid_quantiles as grid_quantiles
from simulator.statistics.intervals import Estimate as Estimate
from simulator.statistics.intervals import Survival as Survival
from simulator.statistics.intervals import Z as Z
from simulator.statistics.intervals import expected_shortfall as expected_shortfall
from simulator.statistics.intervals import jackknife as jackknife
from simulator.statistics.intervals import jackknives as jackknives
from simulator.statistics.intervals import kaplan_meier_from_counts as kaplan_meier_from_counts
from simulator.statistics.intervals import mean as mean
from simulator.statistics.intervals import mean_of_few as mean_of_few
from simulator.statistics.intervals import probability as probability
from simulator.statistics.intervals import quantile as quantile
from simulator.statistics.intervals import quantile_from_counts as quantile_from_counts
from simulator.statistics.intervals import quantile_ranks as quantile_ranks
from simulator.statistics.splitting import Split as Split
from simulator.statistics.splitting import split as split
