"""Probabilities too small to count, by adaptive multilevel splitting.

Imports: ``engine``, ``runs`` for the folder, ``statistics`` for the splitting itself.
Read first: ``rare_event``, then ``drawdown_particles`` (paths that can be cloned on the way down).
"""

from simulator.rare_events.rare_event import Rare, add_tail, rare, tail
