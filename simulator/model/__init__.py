"""The economics: equations, their parameters, dated events, and the types of the shocks they take.

Imports: ``schema`` for the declaration of parameters, and arrays. The five parts (``technology``,
``firms``, ``valuation``, ``sentiment``, ``market``) do not know each other: the engine joins them.
Nothing here draws random numbers or loops over time.
Read first: docs/model.md, then ``technology`` (from the price of tokens to spending on chips).
A new kind of event is a class in ``events``, and what it does to the economy stands in ``Calendar`` there.
"""
