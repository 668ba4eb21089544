"""Hold splitting against brute force over five years and print a table: python scripts/rare_check.py [PATHS].

The long form of tests/rare_events/test_rare_event.py: `make rare`. With a million paths plain Monte Carlo sees a
probability of 1e-4 to 10 %. The exit code is 1 if the two differ by more than 4 standard errors.
"""

from __future__ import annotations

import sys

import numpy as np

from simulator import load_scenario, simulate
from simulator.engine.results import GRIDS
from simulator.rare_events.rare_event import tail

CASES = {
    "deepseek": ("sp500", "mag7", "NVDA"),
    "calm": ("sp500", "NVDA"),
}
WANTED = (1e-1, 1e-2, 1e-3, 1e-4)
"""Depths are chosen where plain Monte Carlo sees about these probabilities."""
WORKERS = 2


def rows(name: str, entities: tuple[str, ...], paths: int) -> list[tuple[str, str, float, float]]:
    """Print a row of the table for each depth; (scenario, entity, depth, z) of each."""
    scenario = load_scenario(name)
    run = simulate(scenario, paths=paths, keep_paths=1, workers=WORKERS)
    grid = GRIDS["max_drawdown"]
    found = []
    for entity in entities:
        counts = run.results.counts["max_drawdown"][run.entities.index(entity)]
        beyond = counts[::-1].cumsum()[::-1]  # paths whose fall reaches the bin's lower edge
        bins = sorted({int(np.argmin(np.abs(beyond - p * paths))) for p in WANTED})
        depths = grid.low + grid.width * np.array(bins)
        split = tail(scenario, entity, depths, workers=WORKERS, seed=scenario.seed + 1)
        for place, depth, p, error in zip(
            bins, depths, split["probability"], split["mc_error"], strict=True
        ):
            hits = int(beyond[place])
            plain, plain_error = hits / paths, np.sqrt(hits * (1 - hits / paths)) / paths
            z = (p - plain) / np.hypot(error, plain_error)
            print(
                f"| {name} | {entity} | -{100 * depth:.2f} % | {plain:.3g} +- {plain_error:.1g} "
                f"| {p:.3g} +- {error:.1g} | {z:+.1f} |",
                flush=True,
            )
            found.append((name, entity, float(depth), float(z)))
    return found


def main(paths: int) -> int:
    """Print the table; the exit code."""
    print(
        f"| scenario | entity | fall | plain, {paths:,} paths | splitting | z |\n|---|---|---|---|---|---|"
    )
    found = [row for name, entities in CASES.items() for row in rows(name, entities, paths)]
    away = max(abs(z) for *_, z in found)
    print(f"\n{len(found)} probabilities; largest difference {away:.1f} standard errors")
    return int(away > 4.0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
