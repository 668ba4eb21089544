"""Firms, their figures and the groups they form: one TOML file a date, checked.

Imports: ``schema``.
Read first: ``universe_schema`` (what a row of a firm holds), then ``universe``.
"""

from simulator.universe.universe import Universe as Universe
from simulator.universe.universe import find_universe as find_universe
from simulator.universe.universe import load_universe as load_universe
from simulator.universe.universe import shipped_scenarios as shipped_scenarios
from simulator.universe.universe import universe_names as universe_names
from simulator.universe.universe_schema import FIGURES as FIGURES
from simulator.universe.universe_schema import GROUPS as GROUPS
from simulator.universe.universe_schema import FirmRow as FirmRow
