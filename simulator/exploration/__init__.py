"""From a result back to the assumptions: the value at which a number reaches a level.

Imports: ``sweeps`` for the values a key may have, ``runs``, ``scenario``, ``statistics``.
Read first: ``reverse_stress`` (the command ``solve``).
"""

from simulator.exploration.reverse_stress import ReverseStress, Root, solve
