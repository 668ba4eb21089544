"""The identity of a run: a digest of all that decides its numbers."""

from __future__ import annotations

import hashlib
from typing import Literal

from simulator.scenario import Scenario

KEEP_PATHS = 100_000
"""Paths with a row in the tables, unless said otherwise: less than 2 kB each."""


def run_digest(
    scenario: Scenario, shocks: Literal["zero"] | None = None, keep_paths: int = KEEP_PATHS
) -> str:
    """12 hexadecimal digits known before a run: the scenario's, unless an option changes the numbers."""
    options = [scenario.digest]
    if shocks is not None:
        options.append(f"shocks={shocks}")
    if keep_paths != KEEP_PATHS and scenario.paths > min(keep_paths, KEEP_PATHS):
        options.append(f"keep_paths={keep_paths}")
    if len(options) == 1:
        return scenario.digest
    return hashlib.sha256(" ".join(options).encode()).hexdigest()[:12]
