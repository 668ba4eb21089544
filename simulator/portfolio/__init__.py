"""A holder's positions, read from a CSV file and mapped onto the firms and indices of a universe.

Imports: ``universe`` and ``schema``.
Read first: ``holdings_csv`` (which columns are read, and how), then ``portfolio`` (what a holding is
taken for).
"""

from simulator.portfolio.portfolio import HOLDINGS as HOLDINGS
from simulator.portfolio.portfolio import PORTFOLIO as PORTFOLIO
from simulator.portfolio.portfolio import Holding as Holding
from simulator.portfolio.portfolio import Portfolio as Portfolio
from simulator.portfolio.portfolio import read_portfolio as read_portfolio
