"""The tables of a universe file, and what must hold within and between its rows."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from simulator.errors import Problem, ScenarioError, plain
from simulator.schema import (
    NAME_RULE,
    InvalidValue,
    Params,
    Path,
    Source,
    TomlFile,
    is_name,
    problems_of,
    quantity,
    read_sources,
    suggestion,
)
from simulator.schema.parameters import FormatVersion

GROUPS = ("sp500", "mag7", "nasdaq", "ai_basket", "picks_and_shovels", "rest")
"""Groups every part of the program knows, in the order of tables and reports."""
ALWAYS = ("sp500", "nasdaq", "rest")
MOST_FIRMS = 200
LEAST_COUNTED = 1e-9
"""Least share of a firm's value that counts in a group, and least mean loading on the premium in its group."""
_TICKER = re.compile("[A-Z][A-Z0-9.-]{0,11}")
_SHARES = ("core_share", "chips_share", "rental_share", "models_share")


def _figure(default: Any, unit: str, low: float, high: float, doc: str) -> Any:
    """A number of one firm. Its source stands in the universe file, not here."""
    return quantity(default, unit, low, high, doc, "D", "the universe file")


class FirmRow(Params):
    """One firm, or an aggregate of firms. Defaults stand for the absence of a mechanism."""

    ticker: str = Field(
        description="name in tables", json_schema_extra={"pattern": f"^{_TICKER.pattern}$"}
    )
    name: str = Field(min_length=1, max_length=80, description="name in full")
    kind: Literal["public", "private", "aggregate"] = Field(
        description="public, private (a laboratory), or aggregate (a row for many firms)"
    )
    market_value: float = _figure(..., "USD billion", 1e-3, 1e6, "value of all shares")
    revenue: float = _figure(
        ..., "USD billion a year", 1e-4, 1e6, "revenue of the last fiscal year"
    )
    operating_margin: float = _figure(..., "share", -20.0, 0.95, "reported operating margin")
    normal_margin: float | None = _figure(
        None, "share", 1e-3, 0.95, "margin values are based on; the reported one if not given"
    )
    fixed_cost_share: float = _figure(..., "share", 0.0, 1.0, "costs that do not follow revenue")
    core_share: float = _figure(..., "share", 0.0, 1.0, "revenue outside AI supply")
    chips_share: float = _figure(0.0, "share", 0.0, 1.0, "revenue from AI chips and servers")
    rental_share: float = _figure(0.0, "share", 0.0, 1.0, "revenue from renting out AI compute")
    models_share: float = _figure(0.0, "share", 0.0, 1.0, "revenue from selling models and tokens")
    core_growth: float = _figure(
        ..., "log per year", -0.5, 1.0, "growth of core profit priced in: sales, margins, buy-backs"
    )
    depreciation_share: float = _figure(0.0, "share", 0.0, 2.0, "AI depreciation over revenue")
    beta: float = _figure(..., "1", -1.0, 5.0, "beta to the market factor")
    volatility: float = _figure(..., "per sqrt year", 0.0, 3.0, "volatility of its own noise")
    sector_share: float = _figure(
        0.0, "share", 0.0, 1.0, "how much of the AI sector factor it carries"
    )
    premium_loading: float = _figure(0.0, "1", 0.0, 5.0, "loading on the AI premium")
    news_loading: float = _figure(0.0, "1", -2.0, 5.0, "loading on AI news")
    equity_duration: float = _figure(..., "years", 0.0, 80.0, "log value lost per unit rate rise")
    contagion: float = _figure(0.0, "share", 0.0, 1.0, "how much of the AI group's fall reaches it")
    adoption_loading: float = _figure(0.0, "1", -2.0, 3.0, "gain from more AI use than priced in")
    macro_loading: float = _figure(1.0, "1", -2.0, 5.0, "core revenue per unit of macro growth")
    jump_rate: float = _figure(0.0, "per year", 0.0, 50.0, "single-name jumps")
    jump_mean: float = _figure(0.0, "log", -2.0, 1.0, "mean size of a jump")
    jump_sd: float = _figure(0.0, "log", 0.0, 1.0, "standard deviation of a jump's size")
    burn_rate: float = _figure(0.0, "per year", 0.0, 5.0, "cash burnt over value")
    failure_rate: float = _figure(
        0.0, "per year", 0.0, 12.0, "failures when funding is fully closed"
    )
    pe_band: tuple[float, float] | None = Field(
        default=None, description="plausible forward price over earnings at the horizon: low, high"
    )
    membership: dict[str, float] = Field(
        default_factory=dict, description="share of the market value counted in each group, 0 to 1"
    )
    sources: dict[str, Any] = Field(default_factory=dict, description="figure -> source")

    @field_validator("ticker")
    @classmethod
    def _names_a_firm(cls, value: str) -> str:
        if not _TICKER.fullmatch(value):
            expected = "1 to 12 capital letters, digits, dots or hyphens, the first a letter"
            raise InvalidValue(f"`{plain(value, 40)}` cannot name a firm", expected)
        return value


FIGURES = tuple(FirmRow.specs())


class Group(Params):
    """A group of firms, counted in dollars."""

    title: str = Field(min_length=1, max_length=80, description="name in full")


class Bounds(Params):
    """What the rows must add up to."""

    low: float = Field(description="lowest plausible value")
    high: float = Field(description="highest plausible value")
    source: str = Field(min_length=1, max_length=600, description="who says so")


class Guidance(Params):
    """What managements had announced, to set the consensus beside."""

    first_year_capex_growth: Bounds | None = Field(
        default=None, description="growth of AI capex in the first year, share"
    )


class UniverseFile(Params):
    """The tables of a universe file."""

    format_version: FormatVersion = Field(description="version of the file format")
    name: str = Field(description="as the file is called, without .toml")
    title: str = Field(min_length=1, max_length=200, description="one line for people")
    as_of: date = Field(description="day of the market values, after the close")
    firms: tuple[FirmRow, ...] = Field(min_length=1, max_length=MOST_FIRMS)
    groups: dict[str, Group] = Field(description="groups used in membership")
    bubble_group: str = Field(
        default="ai_basket",
        description="group whose premium, hazard and crash the scenario is about",
    )
    checks: dict[str, Bounds] = Field(
        default_factory=dict, description="<group>_weight, <group>_total or <group>_beta"
    )
    guidance: Guidance = Field(default_factory=Guidance)
    sources: dict[str, Any] = Field(
        default_factory=dict, description="figure -> source, for firms that name none"
    )


Sources = dict[str, dict[str, Source]]
"""Sources by ticker ("" for all firms) and figure."""


def read_tables(file: TomlFile) -> tuple[UniverseFile, Sources]:
    """The checked tables of a universe file and its sources; raises ScenarioError with every problem."""
    try:
        parsed = UniverseFile.model_validate(file.data)
    except ValidationError as error:
        raise ScenarioError(problems_of(error, UniverseFile, file)) from None
    sources, problems = _read_all_sources(file, parsed)
    problems += _row_problems(file, parsed) + _group_problems(file, parsed)
    if problems:
        raise ScenarioError(problems)
    return parsed, sources


def _read_all_sources(file: TomlFile, parsed: UniverseFile) -> tuple[Sources, list[Problem]]:
    """The file-wide sources and those of each firm."""
    allowed = (*FIGURES, "pe_band", "membership")
    tables: list[tuple[str, Path, Any]] = [("", ("sources",), parsed.sources)]
    tables += [
        (firm.ticker, ("firms", index, "sources"), firm.sources)
        for index, firm in enumerate(parsed.firms)
    ]
    sources: Sources = {}
    problems: list[Problem] = []
    for ticker, path, table in tables:
        sources[ticker], places, faults = read_sources(file, path, table)
        problems += faults
        problems += [
            file.problem(
                places[key],
                f"a source for `{key}`, which is not a figure",
                hint=suggestion(key, allowed),
                at_key=True,
            )
            for key in sources[ticker]
            if key not in allowed
        ]
    return sources, problems


def _row_problems(file: TomlFile, parsed: UniverseFile) -> list[Problem]:
    """Faults within and between rows that no single figure shows."""
    problems: list[Problem] = []

    def fault(*path: str | int, message: str, **more: Any) -> None:
        problems.append(file.problem(path, message, **more))

    if not is_name(parsed.name):
        fault("name", message="not a usable name", expected=NAME_RULE)
    tickers: set[str] = set()
    for index, firm in enumerate(parsed.firms):
        row = ("firms", index)
        if firm.ticker in tickers:
            message = f"{firm.ticker} appears twice"
            fault(*row, "ticker", message=message, hint="one row for each firm")
        tickers.add(firm.ticker)
        total = sum(getattr(firm, share) for share in _SHARES)
        if abs(total - 1.0) > 1e-6:
            message = f"the revenue shares of {firm.ticker} add up to {total:.6g}"
            fault(*row, "core_share", message=message, expected=" + ".join(_SHARES) + " = 1")
        if firm.normal_margin is None and firm.operating_margin < 1e-3:
            message = f"{firm.ticker} makes no profit, and has no normal margin"
            hint = "add normal_margin, the margin of the mature business"
            fault(*row, "operating_margin", message=message, hint=hint)
        if firm.pe_band is not None and not 0.0 < firm.pe_band[0] < firm.pe_band[1]:
            message = "pe_band does not increase"
            fault(*row, "pe_band", message=message, expected="[low, high], above 0")
        for group, share in firm.membership.items():
            path = (*row, "membership", group)
            if group not in parsed.groups:
                hint = suggestion(group, parsed.groups) or "add it under [groups]"
                fault(*path, message=f"no group `{group}`", hint=hint, at_key=True)
            elif not (share == 0.0 or LEAST_COUNTED <= share <= 1.0):
                message = f"{share:g} of the market value is counted in {group}"
                fault(*path, message=message, expected=f"0, or {LEAST_COUNTED:g} to 1 (share)")
    return problems


def _group_problems(file: TomlFile, parsed: UniverseFile) -> list[Problem]:
    problems = [
        file.problem(("groups",), f"the group `{group}` is missing", hint="every universe has it")
        for group in ALWAYS
        if group not in parsed.groups
    ]
    if parsed.bubble_group not in parsed.groups:
        key = "bubble_group" if "bubble_group" in file.data else "groups"
        message = f"the bubble group `{parsed.bubble_group}` is not among the groups"
        hint = 'name the group the scenario is about, e.g. bubble_group = "nasdaq"'
        problems.append(file.problem((key,), message, hint=hint))
    problems += _premium_problems(file, parsed)
    tickers = {firm.ticker for firm in parsed.firms}
    for group in parsed.groups:
        path = ("groups", group)
        if group in tickers or not (group.isascii() and group.isidentifier() and group.islower()):
            message = f"`{group}` cannot name a group"
            expected = "lower-case letters, digits and underscores, unlike any ticker"
            problems.append(file.problem(path, message, expected=expected, at_key=True))
        if not any(firm.membership.get(group, 0.0) > 0.0 for firm in parsed.firms):
            message, hint = f"the group `{group}` has no members", "add it to a firm"
            problems.append(file.problem(path, message, hint=hint, at_key=True))
    return problems


def _premium_problems(file: TomlFile, parsed: UniverseFile) -> list[Problem]:
    """Loadings that cannot be scaled to a value-weighted mean of 1 in the bubble group; all may be 0."""
    group = parsed.bubble_group
    shares = [firm.membership.get(group, 0.0) for firm in parsed.firms]
    values = [share * firm.market_value for share, firm in zip(shares, parsed.firms, strict=True)]
    loads = sum(
        value * firm.premium_loading for value, firm in zip(values, parsed.firms, strict=True)
    )
    nobody = not any(firm.premium_loading for firm in parsed.firms)
    if nobody or sum(values) <= 0.0 or loads >= LEAST_COUNTED * sum(values):
        return []
    first = next(index for index, share in enumerate(shares) if share > 0.0)
    message = (
        f"others load on the premium of the bubble group `{group}`, and none of its firms does"
    )
    expected = "above 0 for a member of the group at least; only proportions count"
    hint = "premium_loading = 1 for each of its firms"
    path = ("firms", first, "premium_loading")
    return [file.problem(path, message, expected=expected, hint=hint)]
