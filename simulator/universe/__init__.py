"""Firms, their figures and the groups they form: one TOML file a date, checked.

Imports: ``schema``.
Read first: ``universe_schema`` (what a row of a firm holds), then ``universe``.
"""

from simulator.universe.universe import (
    Universe,
    find_universe,
    load_universe,
    shipped_scenarios,
    universe_names,
)
from simulator.universe.universe_schema import FIGURES, GROUPS, FirmRow
