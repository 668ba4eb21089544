"""``run``: simulate a scenario and write its run folder."""
from simulator.commands.screen import Screen
from simulator.commands.options import *
def run(screen: Screen, *, scenario: ScenarioArgument, paths: PathsOption = None, set_: SetOption = None) -> None:
    """Simulate."""
    1/0
