"""Monte Carlo simulator of AI-driven stock market drawdowns.

Public names load on first use (PEP 562), so that ``crashsim --help`` does not pay for numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.errors import CrashsimError as CrashsimError
    from simulator.exploration.reverse_stress import solve as solve
    from simulator.exploration.scenario_discovery import discover as discover
    from simulator.history.crashes import baseline as baseline
    from simulator.runs.load import load_run as load_run
    from simulator.runs.run import Run as Run
    from simulator.runs.runner import simulate as simulate
    from simulator.runs.story import what_the_story_adds as what_the_story_adds
    from simulator.scenario.scenario import Scenario as Scenario
    from simulator.scenario.scenario import list_scenarios as list_scenarios
    from simulator.scenario.scenario import load_scenario as load_scenario
    from simulator.scenario.sweep_design import Design as Design
    from simulator.statistics.drawdown import max_drawdown as max_drawdown
    from simulator.sweeps.sweep import load_sweep as load_sweep
    from simulator.sweeps.sweep import sweep as sweep

_HOME = {
    "CrashsimError": "simulator.errors",
    "Design": "simulator.scenario.sweep_design",
    "Run": "simulator.runs.run",
    "Scenario": "simulator.scenario.scenario",
    "baseline": "simulator.history.crashes",
    "discover": "simulator.exploration.scenario_discovery",
    "load_run": "simulator.runs.load",
    "list_scenarios": "simulator.scenario.scenario",
    "load_scenario": "simulator.scenario.scenario",
    "load_sweep": "simulator.sweeps.sweep",
    "max_drawdown": "simulator.statistics.drawdown",
    "simulate": "simulator.runs.runner",
    "solve": "simulator.exploration.reverse_stress",
    "sweep": "simulator.sweeps.sweep",
    "what_the_story_adds": "simulator.runs.story",
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
