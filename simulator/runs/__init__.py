"""One run: simulate a scenario, ask its statistics, store and load its folder.

Imports: ``engine``, ``scenario``, ``history``, ``statistics``; pandas only inside functions.
Read first: ``run`` (a result and its tables), then ``runner`` (how it is made), ``statistic_catalogue``
(every statistic) and ``samples`` (how it is estimated), ``storage`` and ``load`` (the folder).
A new statistic is a line of ``statistic_catalogue``; one of a new kind is estimated in ``summary``, and for
sweeps and comparisons in ``sweeps.cell_statistics`` and ``comparison.paired_statistics``.
"""

from simulator.runs.digest import run_digest
from simulator.runs.load import load_run
from simulator.runs.run import Run
from simulator.runs.runner import simulate
