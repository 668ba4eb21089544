"""The equations, one room each; they meet only in :mod:`simulator.engine`.

events -> technology -> firms -> valuation, with market beside them. Each module holds
its parameters, its state and one ``step``; none of them draws a random number.
"""
