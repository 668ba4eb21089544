"""The AI group's share of index gains, and the premium that it implies (docs/model.md, section 4.1)."""

from __future__ import annotations

import numpy as np

from simulator.schema import Params, Quantity, quantity


# fmt: off
class GainYear(Params):
    """A year of index gains and the group's share in them."""

    mag7_share_of_gains: Quantity = quantity(0.531, "share", 0.0, 2.0,
        "the group's share of the index gain of the year",
        "A", "S&P Dow Jones Indices, U.S. Equities Market Attributes December 2024 (H. Silverblatt): 53.1 % of the "
        "2024 total return")
    index_gain: Quantity = quantity(0.250, "share", 0.02, 2.0, "index gain of the year",
        "A", "S&P Dow Jones Indices, December 2024: total return 25.02 %")
    weight_at_start: Quantity = quantity(0.28, "share", 0.01, 0.95,
        "the group's index weight at the start of the year",
        "B", "index weights rolled back by returns: about 27.8 % at the end of 2023")
    earnings_growth: Quantity = quantity(0.365, "share", -0.9, 5.0, "the group's earnings growth in the year",
        "A", "FactSet (J. Butters), April 2025: Magnificent Seven 2024 earnings +36.5 %; published after the as-of "
        "date")


class Concentration(GainYear):
    """Share of gains -> premium. The latest year here, earlier ones below."""

    earlier_years: tuple[GainYear, ...] = ()
    forward_pe: Quantity = quantity(31.4, "times", 1.0, 500.0, "the group's forward P/E today",
        "B", "harmonic mean of forward P/Es published 2025-03-13 (deepnewz), scaled by price to 2025-01-24: NVDA "
        "29-32, AAPL, MSFT 31-32, META 26, GOOGL 22-23")
    trough_pe: Quantity = quantity(16.0, "times", 1.0, 500.0, "forward P/E below which no premium can be meant",
        "D", "low of the long-run forward P/E band for AI firms, 16-27; S&P technology fell to 20 in 2002")
# fmt: on


def premium(concentration: Concentration) -> Quantity:
    """Log premium in the AI group's values from its share of index gains.

    For each year the group gained ``a G / w``; what its earnings did not explain is
    premium. Floored at 0, capped at ln(forward P/E / trough P/E). A number or ``(path,)``.
    """
    c = concentration
    total: Quantity = 0.0
    for year in (c, *c.earlier_years):
        group = year.mag7_share_of_gains * year.index_gain / year.weight_at_start
        total = total + np.log1p(group) - np.log1p(np.asarray(year.earnings_growth))
    cap = np.maximum(np.log(np.asarray(c.forward_pe) / c.trough_pe), 0.0)
    return np.clip(total, 0.0, cap)


def net_run_up(concentration: Concentration) -> Quantity:
    """The group's rise over the look-back years less the index's, as a share, at least 0."""
    group: Quantity = 1.0
    index: Quantity = 1.0
    for year in (concentration, *concentration.earlier_years):
        gain = year.mag7_share_of_gains * year.index_gain
        group = group * (1.0 + gain / year.weight_at_start)
        index = index * (1.0 + year.index_gain)
    return np.maximum(group - index, 0.0)


def weight_today(year: GainYear) -> Quantity:
    """The group's weight after its year of gains: a check on the universe."""
    gain = year.mag7_share_of_gains * year.index_gain
    return (year.weight_at_start + gain) / (1.0 + year.index_gain)
