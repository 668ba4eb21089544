"""Runs beside each other: paired differences, and which changed assumption makes them.

Imports: ``runs``, ``engine``, ``scenario``.
Read first: ``comparison``, then ``change_attribution`` (Shapley's value over the changed assumptions).
"""

from simulator.comparison.change_attribution import Explanation as Explanation
from simulator.comparison.change_attribution import explain as explain
from simulator.comparison.comparison import Comparison as Comparison
