"""Package simulator.hindcast."""
