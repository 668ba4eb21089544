"""Where the scenarios are that come with the program."""

from __future__ import annotations

from pathlib import Path


def shipped_scenarios() -> Path:
    """Folder of the scenarios that come with the program: inside the wheel, or of the checkout."""
    package = Path(__file__).parent
    inside = package / "_shipped" / "scenarios"
    return inside if inside.is_dir() else package.parent / "scenarios"
