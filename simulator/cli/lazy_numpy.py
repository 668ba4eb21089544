"""Parts of numpy that scipy imports and nothing here uses: from now on they are loaded when they are used.

They take two fifths of the time of ``import scipy.special``. Import this before scipy, and only in a program whose
threads do not use them: before Python 3.11.9 and 3.12.3 two threads that load one at once may find it half loaded.
"""

from __future__ import annotations

import sys
from importlib.util import LazyLoader, find_spec, module_from_spec

import numpy as np


def _on_use(name: str) -> None:
    spec = find_spec(f"numpy.{name}")
    if spec is None or spec.loader is None or spec.name in sys.modules:
        return
    spec.loader = LazyLoader(spec.loader)
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    setattr(np, name, module)
    spec.loader.exec_module(module)


for _name in ("f2py", "polynomial", "testing"):
    _on_use(_name)
