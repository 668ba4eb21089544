"""``baseline``: the crashes that happened, measured like the simulated ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from simulator.commands.screen import Screen, table
def baseline(screen: Screen) -> None:
    """B."""
    screen.text("x\x1b[31mred")
