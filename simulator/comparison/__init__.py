"""Runs beside each other: paired differences, and which changed assumption makes them.

Imports: ``runs``, ``engine``, ``scenario``.
Read first: ``comparison``, then ``change_attribution`` (Shapley's value over the changed assumptions).
"""

from simulator.comparison.change_attribution import Explanation, explain
from simulator.comparison.comparison import Comparison
