"""Real crashes: their closes, facts and measures on the grid of a simulation.

Imports: ``statistics`` for the drawdown, and arrays. Data and their sources are in ``data/``.
Read first: ``crashes`` (a crash as the rest of the program sees it), then ``baselines``.
"""

from simulator.history.baselines import INDEXES as INDEXES
from simulator.history.baselines import TITLES as TITLES
from simulator.history.baselines import Baseline as Baseline
from simulator.history.baselines import Fact as Fact
from simulator.history.crashes import Crash as Crash
from simulator.history.crashes import crashes as crashes
from simulator.history.crashes import index_of as index_of
