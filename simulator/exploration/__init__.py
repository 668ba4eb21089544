"""From a result back to the assumptions: where a number reaches a level, which corner brings an event.

Imports: ``sweeps`` for the values a key may have, ``runs``, ``scenario``, ``statistics``.
Read first: ``reverse_stress`` (the command ``solve``), then ``scenario_discovery`` (``discover``).
"""

from simulator.exploration.reverse_stress import ReverseStress, Root, solve
from simulator.exploration.scenario_discovery import Box, Discovery, Limit, discover
