"""The page ``crashsim check`` prints: the ledger of assumptions as plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from simulator.reports.text_table import table

if TYPE_CHECKING:
    from simulator.engine import PricedIn
    from simulator.scenario import Assumption, Scenario
    from simulator.schema import Source
    from simulator.universe import Universe

GRADES = "A measured or official, B several sources agree, C thin or derived, D judgement"

_ORDER = ("mean", "median", "sd", "sigma", "a", "b", "p5", "p50", "p95", "low", "mode", "high")
"""Of the numbers that describe a distribution."""

_SHOWN = ("market_value", "revenue", "operating_margin", "normal_margin")
"""Figures whose sources are listed even when ``full`` is false."""


def page(
    scenario: Scenario,
    ledger: Sequence[Assumption],
    implied: PricedIn,
    width: int,
    *,
    full: bool,
) -> str:
    """All sections, at most ``width`` columns; ``full`` shortens no source and leaves none out."""
    own = [row for row in ledger if row.origin != "default"]
    rest = [row for row in ledger if row.origin == "default"]
    sections = [
        _head(scenario, width),
        _priced_in(scenario, implied, width),
        *_dated_otherwise(scenario, width),
        "WHAT THIS SCENARIO SETS\n"
        + _wrap(f"value, meaning and place in the file; source, graded {GRADES}", width, 0)
        + "\n"
        + "\n".join(_own(scenario, own, width)),
        "WHAT IT LEAVES AT THE DEFAULTS"
        + ("" if full else "  (--full: every line in full)")
        + "\n"
        + "\n".join(_defaults(scenario, rest, width, full=full)),
        *_rules(scenario, width),
        _firms(scenario.universe, width, full=full),
        _summary(scenario, ledger, width),
    ]
    return "\n\n".join(sections)


def value_text(row: Assumption, value: Any) -> str:
    """A number, or a distribution in words; limits that are just the hard bounds are left out."""
    if value is None:
        return "none"
    if not hasattr(value, "model_dump"):
        return f"{value:,.6g}"
    fields = value.model_dump(by_alias=True)
    name = fields.pop("dist", "")
    if name in ("normal", "lognormal", "beta", ""):
        fields = {
            key: number
            for key, number in fields.items()
            if number is not None and (key, number) not in (("low", row.low), ("high", row.high))
        }
    parts = ", ".join(f"{key} {fields[key]:.6g}" for key in sorted(fields, key=_ORDER.index))
    return f"{name} {parts}".strip()


def _head(scenario: Scenario, width: int) -> str:
    universe = scenario.universe
    return "\n".join(
        [
            _wrap(f"{scenario.name}: {scenario.title}", width, 0),
            _wrap(
                f"as of {scenario.as_of}, {scenario.horizon_years:g} years in {scenario.steps:,} steps, "
                f"{scenario.paths:,} paths, seed {scenario.seed}",
                width,
                2,
            ),
            f"  universe {universe.name} ({len(universe.firms)} rows), digest {scenario.digest}",
        ]
    )


def _priced_in(scenario: Scenario, implied: PricedIn, width: int) -> str:
    guided = scenario.universe.guidance.first_year_capex_growth
    beside = "" if guided is None else f"  (guidance {guided.low:+.0%} to {guided.high:+.0%})"
    lines = [
        "WHAT IS PRICED IN  (only surprises against it move prices)",
        f"  AI capex in the first year              {implied.first_year_capex_growth:+.1%}{beside}",
        f"  demand for compute, at the start        {implied.compute_growth:+.2f} log a year",
        f"  premium from the group's share of gains {implied.premium:+.2f} log",
        f"  weight of that group in the S&P 500     {implied.group_weight:.1%}; "
        f"its past gains would give {implied.weight_from_gains:.1%}",
        "",
    ]
    rows = []
    for firm in scenario.universe.firms:
        now, later = implied.forward_pe[firm.ticker], implied.horizon_pe[firm.ticker]
        band, place = "", ""
        if firm.pe_band is not None:
            low, high = firm.pe_band
            band = f"{low:g} to {high:g}"
            place = "inside" if low <= later <= high else "OUTSIDE"
        rows.append((firm.ticker, f"{now:,.1f}", f"{later:,.1f}", band, place))
    header = ("implied forward P/E", "today", "at horizon", "plausible", "")
    wrapped = [line if len(line) <= width else _wrap(line.strip(), width, 2) for line in lines]
    return "\n".join(wrapped) + _indent(table(header, rows, width=width - 2))


def dated_otherwise(scenario: Scenario) -> list[str]:
    """Figures and priced-in values of another time than the universe's as-of date, by date and firms."""
    from simulator.scenario import priced_in_otherwise

    universe = scenario.universe
    rows: dict[tuple[str, str], list[str]] = {}
    for old in universe.dated_otherwise():
        of = "all rows" if len(old.tickers) == len(universe.firms) else ", ".join(old.tickers)
        rows.setdefault((old.date, f" of {of}"), []).append(old.figure)
    for key, when in priced_in_otherwise(scenario).items():
        rows.setdefault((when, ""), []).append(key)
    return [f"{when}: {', '.join(names)}{of}" for (when, of), names in rows.items()]


def _dated_otherwise(scenario: Scenario, width: int) -> Iterator[str]:
    lines = dated_otherwise(scenario)
    if lines:
        day = scenario.universe.as_of
        head = f"DATED MORE THAN A QUARTER FROM {day}, the universe's as-of date"
        yield "\n".join([_wrap(head, width, 0), *(_wrap(line, width, 2) for line in lines)])


def _own(scenario: Scenario, rows: Sequence[Assumption], width: int) -> Iterator[str]:
    """Value and price, meaning and place, source: all of it."""
    for prefix, group in groupby(rows, _table_of):
        yield _wrap(f"[{prefix}]{_about(scenario, prefix)}", width, 0)
        for row in group:
            line = _value(row)
            if row.priced_in is not None:
                same = row.priced_in == row.value
                priced = "as priced in" if same else f"priced in {value_text(row, row.priced_in)}"
                line += f"  ({priced})"
            yield _wrap(line, width, 2)
            yield _wrap(f"{row.doc}; {row.origin}{_allowed(row)}", width, 6)
            yield _wrap(_source(row), width, 6)


def _defaults(
    scenario: Scenario, rows: Sequence[Assumption], width: int, *, full: bool
) -> Iterator[str]:
    """Value and meaning, source; a line each unless ``full``."""
    fit = _wrap if full else _cut
    for prefix, group in groupby(rows, _table_of):
        yield _wrap(f"[{prefix}]{_about(scenario, prefix)}", width, 0)
        for row in group:
            yield fit(f"{_value(row)}: {row.doc}{_allowed(row) if full else ''}", width, 2)
            yield fit(_source(row), width, 6)


def _table_of(row: Assumption) -> str:
    return row.key.rpartition(".")[0]


def _value(row: Assumption) -> str:
    unit = "" if row.unit == "1" else f" {row.unit}"
    return f"{row.key.rpartition('.')[2]} = {value_text(row, row.value)}{unit}"


def _allowed(row: Assumption) -> str:
    if row.low is None or row.high is None:
        return ""
    return f"; allowed {row.low:,.6g} to {row.high:,.6g}"


def _about(scenario: Scenario, prefix: str) -> str:
    """What else a table of assumptions says, such as the kind of an event and the firm it hits."""
    name, _, index = prefix.partition(".")
    if name != "events":
        return ""
    event = scenario.events[int(index.partition(".")[0])]
    numbers = type(event).specs()
    others = {key: getattr(event, key) for key in type(event).model_fields if key not in numbers}
    return "  " + ", ".join(f"{key} {value}" for key, value in others.items() if value)


def _rules(scenario: Scenario, width: int) -> Iterator[str]:
    """Correlations and thresholds, where there are any."""
    if scenario.correlations:
        lines = (f"{' and '.join(pair.between)}: {pair.rho:+.2f}" for pair in scenario.correlations)
        yield "CORRELATED ASSUMPTIONS\n" + "\n".join(_wrap(line, width, 2) for line in lines)
    if scenario.thresholds:
        lines = (f"{rule.name}: {rule.text}" for rule in scenario.thresholds)
        yield "THRESHOLDS\n" + "\n".join(_wrap(line, width, 2) for line in lines)


def _firms(universe: Universe, width: int, *, full: bool) -> str:
    header = (
        "",
        "$bn",
        "sales",
        "margin",
        "core",
        "chips",
        "rent",
        "models",
        "beta",
        "vol",
        "S&P",
        "grade",
    )
    rows = []
    for firm in universe.firms:
        shares = (firm.core_share, firm.chips_share, firm.rental_share, firm.models_share)
        graded = "".join(universe.source(firm.ticker, figure).strength for figure in _SHOWN[:3])
        rows.append(
            (
                firm.ticker,
                f"{firm.market_value:,.0f}",
                _figure(firm.revenue),
                f"{firm.operating_margin:.0%}",
                *(f"{share:.0%}" if share else "-" for share in shares),
                f"{firm.beta:.2f}",
                f"{firm.volatility:.2f}",
                f"{firm.membership.get('sp500', 0.0):.0%}",
                graded,
            )
        )
    lines = [
        _wrap(f"FIRMS  {universe.title} ({universe.name})", width, 0),
        _wrap(
            "market value and last year's sales in USD billion, operating margin, where sales come from "
            "(core business, AI chips, rented compute, sold models), beta, own volatility, share counted in "
            "the S&P 500; grades of market value, sales and margin",
            width,
            2,
        ),
        _indent(table(header, rows, gap=" ", width=width - 2)),
        *(
            _wrap(
                f"{'ok ' if check.low <= check.value <= check.high else 'OFF'} {check.name} = {_figure(check.value)}, "
                f"expected {_figure(check.low)} to {_figure(check.high)}: {check.source}",
                width,
                2,
            )
            for check in universe.checks
        ),
        _wrap(
            f"SOURCES{'' if full else '  of market value, sales and margin (--full: of every figure)'}",
            width,
            2,
        ),
        *_figure_sources(universe, width, full=full),
    ]
    return "\n".join(lines)


def _figure_sources(universe: Universe, width: int, *, full: bool) -> Iterator[str]:
    """Each source once, with the figures and firms it stands for."""
    figures = [*type(universe.firms[0]).specs(), "pe_band", "membership"] if full else _SHOWN
    for figure in figures:
        tickers_of: dict[tuple[str, ...], list[str]] = {}
        for firm in universe.firms:
            value = getattr(firm, figure)
            if value is None or value == type(firm).model_fields[figure].default:
                continue  # a mechanism this firm does not have
            source = universe.source(firm.ticker, figure)
            text = value if isinstance(value, tuple | dict) else f"{value:,.6g}"
            key = (source.strength, _with_date(source))
            tickers_of.setdefault(key, []).append(f"{firm.ticker} {text}" if full else firm.ticker)
        for (strength, words), tickers in tickers_of.items():
            line = f"{figure} {', '.join(tickers)}: {strength} {words}"
            yield _wrap(line, width, 4) if full else _cut(line, width, 4)


def _summary(scenario: Scenario, ledger: Sequence[Assumption], width: int) -> str:
    grades = [row.strength for row in ledger]
    counts = ", ".join(f"{grades.count(grade)} {grade}" for grade in "ABCD")
    own = sum(row.origin != "default" for row in ledger)
    share = grades.count("D") / len(grades)
    return _wrap(
        f"VALID. {len(ledger)} assumptions, {own} of them set by this scenario, "
        f"{len(scenario.uncertain())} uncertain; graded {counts}: {share:.0%} are judgement. ({GRADES})",
        width,
        0,
    )


def _source(row: Assumption) -> str:
    date = f" ({row.date})" if row.date else ""
    quote = f'; "{row.quote}"' if row.quote else ""
    weakness = f"; but: {row.weakness}" if row.weakness else ""
    return f"{row.strength}: {row.source}{date}{quote}{weakness}"


def _with_date(source: Source) -> str:
    return f"{source.source} ({source.date})" if source.date else source.source


def _wrap(text: str, width: int, indent: int) -> str:
    return textwrap.fill(
        text, width, initial_indent=" " * indent, subsequent_indent=" " * (indent + 3)
    )


def _cut(text: str, width: int, indent: int) -> str:
    line = " " * indent + text
    return line if len(line) <= width else f"{line[: width - 3]}..."


def _figure(value: float) -> str:
    """Four digits, thousands written out."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _indent(text: str) -> str:
    return textwrap.indent(text, "  ")
