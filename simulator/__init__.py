"""Monte Carlo simulator of AI-driven stock market drawdowns.

Public names load on first use (PEP 562), so that ``crashsim --help`` does not pay for numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.crashes import baseline as baseline
    from simulator.design import Design as Design
    from simulator.errors import CrashsimError as CrashsimError
    from simulator.metrics import max_drawdown as max_drawdown
    from simulator.run import Run as Run
    from simulator.runner import simulate as simulate
    from simulator.scenario import Scenario as Scenario
    from simulator.scenario import list_scenarios as list_scenarios
    from simulator.scenario import load_scenario as load_scenario
    from simulator.store import load_run as load_run
    from simulator.sweeps import load_sweep as load_sweep
    from simulator.sweeps import sweep as sweep

_HOME = {
    "CrashsimError": "simulator.errors",
    "Design": "simulator.design",
    "Run": "simulator.run",
    "Scenario": "simulator.scenario",
    "baseline": "simulator.crashes",
    "load_run": "simulator.store",
    "list_scenarios": "simulator.scenario",
    "load_scenario": "simulator.scenario",
    "load_sweep": "simulator.sweeps",
    "max_drawdown": "simulator.metrics",
    "simulate": "simulator.runner",
    "sweep": "simulator.sweeps",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("crashsim")
    if name not in _HOME:
        raise AttributeError(f"module 'simulator' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value  # found once: later look-ups do not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, "__version__"})
