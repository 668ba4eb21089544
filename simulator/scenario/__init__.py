"""A story as checked assumptions: the scenario file, its limits, correlations and sweep table.

Imports: ``model`` for the parameters it composes, ``universe``, ``portfolio``, ``schema``.
Read first: ``scenario`` (the object that everything above is given), then ``scenario_schema`` (the
tables of the file) and ``assumptions`` (each value with its source).
"""

from simulator.scenario.assumptions import CONSENSUS as CONSENSUS
from simulator.scenario.assumptions import Assumption as Assumption
from simulator.scenario.correlations import Correlation as Correlation
from simulator.scenario.scenario import MODEL_VERSION as MODEL_VERSION
from simulator.scenario.scenario import Scenario as Scenario
from simulator.scenario.scenario import list_scenarios as list_scenarios
from simulator.scenario.scenario import load_scenario as load_scenario
from simulator.scenario.sweep_design import Design as Design
from simulator.scenario.sweep_design import parse_vary as parse_vary
from simulator.scenario.thresholds import PROBABILITY as PROBABILITY
from simulator.scenario.thresholds import Threshold as Threshold
from simulator.scenario.thresholds import parse_threshold as parse_threshold
