"""Probabilities too small to count, by adaptive multilevel splitting.

Imports: ``engine``, ``runs`` for the folder, ``statistics`` for the splitting itself.
Read first: ``rare_event``, then ``drawdown_particles`` (paths that can be cloned on the way down).
"""

from simulator.rare_events.rare_event import Rare as Rare
from simulator.rare_events.rare_event import add_tail as add_tail
from simulator.rare_events.rare_event import rare as rare
from simulator.rare_events.rare_event import tail as tail
