"""One scenario in many versions: the cells of a design, run in parallel, resumable, as one table.

Imports: ``runs``, ``engine``, ``scenario``.
Read first: ``sweep`` (run, resume and load), then ``plan`` (which cells are missing), ``sweep_cell`` (one
cell and its file) and ``table``.
"""

from simulator.sweeps.sweep import Plan, Sweep, load_sweep
