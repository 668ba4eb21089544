"""Limits that the command line checks too, before anything that takes time to import."""

MOST_PATHS = 100_000_000
"""Paths of a scenario."""
