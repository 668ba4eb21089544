"""A holder's positions, read from a CSV file and mapped onto the firms and indices of a universe.

Imports: ``universe`` and ``schema``.
Read first: ``holdings_csv`` (how a file is read), then ``portfolio`` (what a holding is taken for).
Names of columns stand in ``holdings_columns``, those of funds in ``funds.csv``.
"""

from simulator.portfolio.portfolio import HOLDINGS, PORTFOLIO, Holding, Portfolio, read_portfolio
