"""A holder's positions, read from a CSV file and mapped onto the firms and indices of a universe.

Imports: ``universe`` and ``schema``.
Read first: ``holdings_csv`` (which columns are read, and how), then ``portfolio`` (what a holding is
taken for).
"""

from simulator.portfolio.portfolio import HOLDINGS, PORTFOLIO, Holding, Portfolio, read_portfolio
