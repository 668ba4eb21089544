"""The command line: options, console, exit codes; each command in the module of its name.

Imports: everything below, inside functions, so that ``--help`` stays quick.
Read first: ``app`` (the list of commands and what an error becomes), then ``run``.
"""

from simulator.cli.app import main
