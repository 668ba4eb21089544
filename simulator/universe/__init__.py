"""Firms, their figures and the groups they form: one TOML file a date, checked.

Imports: ``schema``.
Read first: ``universe_schema`` (what a row of a firm holds), then ``universe``;
``new_universe`` and ``figures_csv`` make one of another date.
"""

from simulator.universe.new_universe import NewUniverse, new_universe
from simulator.universe.universe import (
    Universe,
    find_entity,
    find_universe,
    load_universe,
    universe_names,
)
from simulator.universe.universe_schema import FIGURES, GROUPS, FirmRow
