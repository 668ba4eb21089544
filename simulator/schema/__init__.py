"""Input files as checked values: TOML with positions, parameters with unit and source, distributions.

Imports: ``simulator.errors`` and ``simulator.arrays``; pydantic and tomli. It knows the form of an
input, not what any of it means for the market.
Read first: ``parameters`` (how an assumption is declared), then ``distributions`` (what an uncertain
one may be) and ``toml_document`` (how a file is read and its faults are reported).
"""

from simulator.schema.distributions import Distribution as Distribution
from simulator.schema.distributions import InvalidValue as InvalidValue
from simulator.schema.distributions import Lognormal as Lognormal
from simulator.schema.overrides import override_path as override_path
from simulator.schema.overrides import parse_override as parse_override
from simulator.schema.overrides import toml_value as toml_value
from simulator.schema.parameters import Params as Params
from simulator.schema.parameters import Quantity as Quantity
from simulator.schema.parameters import Spec as Spec
from simulator.schema.parameters import join as join
from simulator.schema.parameters import quantity as quantity
from simulator.schema.sources import UNSOURCED as UNSOURCED
from simulator.schema.sources import Source as Source
from simulator.schema.sources import read_sources as read_sources
from simulator.schema.toml_document import MOST_PROBLEMS as MOST_PROBLEMS
from simulator.schema.toml_document import NAME_RULE as NAME_RULE
from simulator.schema.toml_document import OVERRIDE as OVERRIDE
from simulator.schema.toml_document import TomlFile as TomlFile
from simulator.schema.toml_document import is_name as is_name
from simulator.schema.toml_document import read_toml as read_toml
from simulator.schema.toml_positions import Path as Path
from simulator.schema.validation_errors import problems_of as problems_of
from simulator.schema.validation_errors import suggestion as suggestion
