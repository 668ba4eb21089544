"""One scenario in many versions: the cells of a design, run in parallel, resumable, as one table.

Imports: ``runs``, ``engine``, ``scenario``.
Read first: ``sweep`` (run, resume and load), then ``plan`` (which cells are missing), ``sweep_cell`` (one
cell and its file) and ``table``.
"""

from simulator.sweeps.sweep import Plan as Plan
from simulator.sweeps.sweep import Sweep as Sweep
from simulator.sweeps.sweep import load_sweep as load_sweep
