"""Exact answers for walks with normal steps, to hold measures and engine against."""

import numpy as np


def z_score(sample: np.ndarray, expected: float) -> float:
    """Distance in standard errors."""
    return float((sample.mean() - expected) / (sample.std(ddof=1) / np.sqrt(sample.size)))


# Magdon-Ismail, Atiya, Pratap, Abu-Mostafa (2004), table of Q in x = drift^2 T / (2 sigma^2).
Q_UP = {0.1: 0.243050, 0.5: 0.463159, 2.5: 0.775976}
Q_DOWN = {0.1: 0.325586, 0.5: 0.884593, 2.0: 2.483960}
OVERSHOOT = 0.5826  # a walk misses the extremes of Brownian motion by this times sigma sqrt(dt)


def expected_drawdown(x: float, direction: int) -> tuple[float, float]:
    """Drift and E[maximum log drawdown] for sigma = T = 1, monitored without gaps."""
    if direction == 0:
        return 0.0, float(np.sqrt(np.pi / 2))
    drift = direction * np.sqrt(2 * x)
    return drift, 2 / abs(drift) * (Q_UP if direction > 0 else Q_DOWN)[x]


def tail(h: float) -> float:
    """P(maximum drawdown > h) for zero drift and sigma = T = 1."""
    a = (
        np.arange(1, 50) - 0.5
    ) * np.pi  # 2 sum(sin(a) / a) is 1: only the part that converges fast is summed
    return float(1 - 2 * np.sum(np.sin(a) / a * np.exp(-(a**2) / (2 * h * h))))


def spitzer(mean: float, sd: float, n: int) -> float:
    """E[running maximum - end] of a walk of n normal steps: sum of E[(-S_k)+] / k, exact in discrete time."""
    from scipy.special import ndtr

    k = np.arange(1, n + 1)
    m, s = mean * k, sd * np.sqrt(k)
    below = s * np.exp(-0.5 * (m / s) ** 2) / np.sqrt(2 * np.pi) - m * ndtr(-m / s)
    return float(np.sum(below / k))
