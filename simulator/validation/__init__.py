"""The model held against history: the hindcast and its tables of targets.

Imports: ``calibration``, ``plots``, ``runs``, ``engine``.
Read first: ``hindcast``, then ``target_table`` (a row: what, target, source, result, verdict).
"""

from simulator.validation.hindcast import Hindcast
