"""A story as checked assumptions: the scenario file, its limits, correlations and sweep table.

Imports: ``model`` for the parameters it composes, ``universe``, ``portfolio``, ``schema``.
Read first: ``scenario`` (the object that everything above is given), then ``scenario_schema`` (the
tables of the file) and ``assumptions`` (each value with its source).
"""

from simulator.scenario.assumptions import CONSENSUS, Assumption
from simulator.scenario.correlations import Correlation
from simulator.scenario.priced_in_dates import priced_in_otherwise
from simulator.scenario.scenario import MODEL_VERSION, Scenario, list_scenarios, load_scenario
from simulator.scenario.sweep_design import Design, parse_vary
from simulator.scenario.thresholds import PROBABILITY, Threshold, parse_threshold
