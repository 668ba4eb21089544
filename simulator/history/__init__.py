"""Real crashes: their closes, facts and measures on the grid of a simulation.

Imports: ``statistics`` for the drawdown, and arrays. Data and their sources are in ``data/``.
Read first: ``crashes`` (a crash as the rest of the program sees it), then ``baselines``.
"""

from simulator.history.baselines import INDEXES, TITLES, Baseline, Fact
from simulator.history.crashes import Crash, crashes, index_of
