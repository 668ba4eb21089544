"""Array aliases, and the axis order said once.

* a state of all firms: ``(firm, path)``; a state of the economy: ``(path,)``;
* a history puts time first for one quantity, ``(time, firm, path)``, with time 0 (the
  close before the first step) included;
* results put the entity first: ``(entity, path)`` and ``(entity, time, path)``.

Times are years from the as-of date, money is USD billion, rates are per year, returns
and causes are logs unless a name says otherwise.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
