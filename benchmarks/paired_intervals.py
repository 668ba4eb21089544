"""How often the 95 % interval of a changed quantile holds the truth (docs/howto/sweep.md, about a minute).

    python benchmarks/paired_intervals.py

Pairs of skewed samples whose normal scores have the given correlation, as two runs on the same noise have.
"""

from functools import partial

import numpy as np
from scipy.special import ndtri

from simulator.comparison.paired_statistics import Sorted
from simulator.statistics.paired import changed

PATHS, CORRELATIONS = (500, 2_000, 10_000), (0.9, 0.995)
QUANTILES = {"median": 0.5, "1-in-10": 0.9, "1-in-20": 0.95, "1-in-100": 0.99}
REPEATS = 600


def first(score):
    return -np.expm1(-np.exp(0.6 * score - 1))


def second(score):
    return -np.expm1(-np.exp(0.7 * score - 1))


def coverage(random, paths, correlation):
    """Share of intervals that hold the true change, by quantile."""
    held = dict.fromkeys(QUANTILES, 0)
    for _ in range(REPEATS):
        score = random.standard_normal(paths)
        other = correlation * score + np.sqrt(1 - correlation**2) * random.standard_normal(paths)
        before, after = Sorted.of(first(score)), Sorted.of(second(other))
        for name, q in QUANTILES.items():
            ask = partial(np.quantile, q=q)
            found = changed(before.jackknife_values(ask), after.jackknife_values(ask))
            held[name] += found.low <= second(ndtri(q)) - first(ndtri(q)) <= found.high
    return {name: count / REPEATS for name, count in held.items()}


if __name__ == "__main__":
    random = np.random.default_rng(1)
    print("| paths | " + " | ".join(QUANTILES) + " |")
    for paths in PATHS:
        found = [coverage(random, paths, correlation) for correlation in CORRELATIONS]
        cells = (", ".join(f"{100 * one[name]:.0f}" for one in found) for name in QUANTILES)
        print(f"| {paths:,} | " + " | ".join(cells) + " |", flush=True)
