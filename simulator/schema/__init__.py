"""Input files as checked values: TOML with positions, parameters with unit and source, distributions.

Imports: ``simulator.errors`` and ``simulator.arrays``; pydantic and tomli. It knows the form of an
input, not what any of it means for the market.
Read first: ``parameters`` (how an assumption is declared), then ``distributions`` (what an uncertain
one may be) and ``toml_document`` (how a file is read and its faults are reported).
A new distribution is a class in ``distributions``, and a member of ``Quantity`` in ``parameters``.
"""

from simulator.schema.distributions import Distribution, InvalidValue, Lognormal
from simulator.schema.overrides import override_path, parse_override, toml_value
from simulator.schema.parameters import Params, Quantity, Spec, join, quantity
from simulator.schema.sources import UNSOURCED, Source, read_sources
from simulator.schema.toml_document import (
    MOST_PROBLEMS,
    NAME_RULE,
    OVERRIDE,
    TomlFile,
    is_name,
    read_toml,
)
from simulator.schema.toml_positions import Path
from simulator.schema.validation_errors import problems_of, suggestion
