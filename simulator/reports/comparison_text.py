"""A comparison as text, as Markdown and as a document: the same rows three times."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from simulator.comparison import Comparison
from simulator.comparison.scenario_diff import PATHS, SEED
from simulator.errors import plain, plural
from simulator.reports.text_table import table
from simulator.runs.run_words import label
from simulator.runs.statistic_labels import (
    HEADLINES,
    format_change,
    number,
    places_of,
    short,
    title,
)
from simulator.statistics.formatting import MINUS

if TYPE_CHECKING:
    from simulator.comparison import Explanation

SPLIT = ("median", "worst_1_in_20", "mean", "reach_dotcom")
"""The statistics whose split is printed; the document has all."""
_LEFT = 23
_WIDTHS = (8, 8, 8, 8, 9, 8, 8)
"""Columns of text: the rest of 80 goes to the numbers of HEADLINES."""
NO_DIFFERENCE = "no assumption differs"


def letters(count: int) -> list[str]:
    """Short names of runs: A, B, ..., Z, A1, B1 ..."""
    return [chr(65 + i % 26) + (str(i // 26) if i >= 26 else "") for i in range(count)]


def comparison_text(of: Comparison, width: int, order: Sequence[int] | None = None) -> str:
    """The comparison in ``width`` columns; ``order`` is that of the runs but the first."""
    names = letters(len(of.runs))
    chosen = list(range(1, len(of.runs)) if order is None else order)
    heading = [
        "LARGEST FALL, and its change against A in points with a 95 % interval",
        "  dot-com: the chance to fall as far as the index did then, or further",
        *_notes(of, names, chosen),
    ]
    parts = [_runs(of, names, chosen, width), _differences(of, names, width), heading]
    parts += [list(_entity(of, names, chosen, entity)) for entity in of.entities]
    return "\n\n".join("\n".join(part) for part in parts)


def _runs(of: Comparison, names: list[str], chosen: list[int], width: int) -> list[str]:
    lines = []
    for at in (0, *chosen):
        run = of.runs[at]
        size = f"{plural(run.paths, 'path')}, seed {run.seed}"
        line = f"{names[at]}  {plain(of.labels[at])}: {plain(run.scenario.title, 200)}; {size}"
        lines += textwrap.wrap(line, width, subsequent_indent="   ")
    return lines


def _differences(of: Comparison, names: list[str], width: int) -> list[str]:
    """A table of what differs if it fits, else a key a line and a value a line."""
    rows = [(difference.key, *difference.texts) for difference in of.differences]
    if not rows:
        return [f"WHAT DIFFERS: {NO_DIFFERENCE}"]
    aligned = table(
        ("WHAT DIFFERS", *names),
        [(f"  {key}", *values) for key, *values in rows],
        left=len(names) + 1,
    ).splitlines()
    if max(map(len, aligned)) <= width:
        return aligned
    lines = ["WHAT DIFFERS"]
    for key, *values in rows:
        lines.append(f"  {key}")
        for name, value in zip(names, values, strict=True):
            lines += textwrap.wrap(
                f"{name}  {value}", width, initial_indent="    ", subsequent_indent="       "
            )
    return lines


def _notes(of: Comparison, names: list[str], chosen: list[int]) -> list[str]:
    """How each run belongs to the first, said once where all are alike."""
    notes = {at: of.pairings[at - 1].note for at in chosen}
    if len(set(notes.values())) == 1:
        return [f"  {next(iter(notes.values()))}"]
    return [f"  {names[at]}: {note}" for at, note in notes.items()]


def _entity(of: Comparison, names: list[str], chosen: list[int], entity: str) -> Iterator[str]:
    shown = [name for name in HEADLINES if name in of.runs[0].estimates_of(entity)]
    yield _line(
        textwrap.shorten(label(of.runs[0], entity), _LEFT, placeholder="..."), map(_head, shown)
    )
    for at in (0, *chosen):
        estimates = of.runs[at].estimates_of(entity)
        yield _line(f"  {names[at]}", (_ascii(number(estimates[name], name)) for name in shown))
        if at == 0:
            continue
        cells = [format_change(of.changes[at - 1][entity, name], name) for name in shown]
        yield _line("  change", (_ascii(cell.value) for cell in cells))
        yield _line("    from", (_ascii(cell.low) or "?" for cell in cells))
        yield _line("    to", (_ascii(cell.high) or "?" for cell in cells))


def _head(statistic: str) -> str:
    return short(statistic).removesuffix(" worst").removeprefix("as ")


def _line(name: str, cells: Iterator[str]) -> str:
    body = (cell.rjust(width) for cell, width in zip(cells, _WIDTHS, strict=False))
    return f"{name:<{_LEFT}}{''.join(body)}".rstrip()


def _ascii(cell: str) -> str:
    """A number as any terminal shows it, and narrow."""
    return cell.replace(MINUS, "-").replace(" %", "%")


# ---------------------------------------------------------------- why


def explanation_text(why: Explanation, of: Comparison, width: int) -> str:
    """The split of the change of each entity among what changed."""
    parts = [textwrap.wrap(f"WHY: {_method(why)}", width)]
    for entity in of.entities:
        rows = split_rows(why, entity)
        shown = [name for name in SPLIT if (entity, name) in why.totals]
        head = label(of.runs[0], entity)
        left = max(len(name) for name, _ in rows)
        apart = left + 15 * len(shown) > width  # then a name has a line to itself
        lines = []
        for name, cells in [(head, [short(name) for name in shown]), *rows]:
            body = "".join(_ascii(cell).rjust(15) for cell in cells)
            lines += [name, f"  {body}"] if apart else [f"{name:<{left}}{body}"]
        parts.append(lines)
    return "\n\n".join("\n".join(part) for part in parts)


def split_rows(why: Explanation, entity: str) -> list[tuple[str, list[str]]]:
    """Names of the changes and their shares as text, the largest share of the mean fall first; the total last."""
    shown = [name for name in SPLIT if (entity, name) in why.totals]
    cells: dict[int, list[str]] = {at: [] for at in range(len(why.changes))}
    totals = []
    for name in shown:
        shares, total = why.shares[entity, name], why.totals[entity, name]
        places = max(places_of(part, name) for part in (*shares, total))  # so that they add up
        for at, share in enumerate(shares):
            cells[at].append(format_change(share, name, places).brief)
        totals.append(format_change(total, name, places).brief)
    means = why.shares[entity, "mean"]
    order = sorted(cells, key=lambda at: -abs(means[at].value))
    rows = [(_change_name(why, at), cells[at]) for at in order]
    return [*rows, ("together", totals)]


def _change_name(why: Explanation, at: int) -> str:
    change = why.changes[at]
    count = len(change.differences)
    return change.name if count == 1 else f"{change.name} ({count} keys)"


def _method(why: Explanation) -> str:
    how = (
        f"{why.orders} sampled orders, {why.mixtures} mixtures"
        if why.orders
        else f"all {why.mixtures} mixtures of the two scenarios"
    )
    return (
        "the change in points, split among what changed (Shapley; shares add up exactly). From "
        f"{how}, {plural(why.paths, 'path')} each with the same noise; ± is one Monte Carlo standard error"
        f"{' and that of sampling orders' if why.orders else ''}"
    )


# ---------------------------------------------------------------- other forms


def markdown(of: Comparison, why: Explanation | None, order: Sequence[int]) -> str:
    """The comparison as Markdown tables."""
    names = letters(len(of.runs))
    labels = [_code(plain(label)) for label in of.labels]
    lines = [f"# {labels[0]} and {', '.join(labels[at] for at in order)}", ""]
    for at in (0, *order):
        run = of.runs[at]
        about = f"{plain(run.scenario.title, 200)}, {plural(run.paths, 'path')}, seed {run.seed}"
        lines.append(f"- {names[at]}: {labels[at]}: {_cell(about)}")
    lines += ["", f"{'; '.join(dict.fromkeys(pairing.note for pairing in of.pairings))}.", ""]
    chosen = [0, *order]
    lines += markdown_table(
        ["key", *(names[at] for at in chosen)],
        [[f"`{row.key}`", *(row.texts[at] for at in chosen)] for row in of.differences],
    )
    for at in order:
        rows = []
        for (entity, name), change in of.changes[at - 1].items():
            if name in HEADLINES:
                values = [number(of.runs[run].estimates_of(entity)[name], name) for run in (0, at)]
                rows.append([entity, title(name), *values, str(format_change(change, name))])
        lines += markdown_table(["", "", "A", names[at], "change (95 % interval)"], rows)
    if why is not None:
        lines += [f"{_method(why)}.", ""]
        for entity in of.entities:
            shown = [short(name) for name in SPLIT if (entity, name) in why.totals]
            rows = [[name, *cells] for name, cells in split_rows(why, entity)]
            lines += markdown_table([entity, *shown], rows)
    return "\n".join(lines)


def markdown_table(header: list[str], rows: list[list[str]]) -> list[str]:
    """A table as lines of Markdown, and an empty one."""
    lines = [header, ["---"] * len(header), *rows]
    return [*(f"| {' | '.join(map(_cell, line))} |" for line in lines), ""]


def _code(text: str) -> str:
    """Text as it is, between more backticks than it has in a row."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence, space = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{space}{text}{space}{fence}"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def document(of: Comparison, why: Explanation | None, order: Sequence[int]) -> dict[str, Any]:
    """The comparison for programs; infinite ends are null."""
    first = of.runs[0].estimates()
    return {
        "runs": [
            {
                "run": of.labels[at],
                "name": run.scenario.name,
                "digest": run.digest,
                "seed": run.seed,
                "paths": run.paths,
            }
            for at, run in enumerate(of.runs)
        ],
        "differences": {
            row.key: list(row.values if row.key in (SEED, PATHS) else row.texts)
            for row in of.differences
        },
        "changes": [
            {
                "run": of.labels[at],
                "paired": bool(of.pairings[at - 1]),
                "note": of.pairings[at - 1].note,
                "entities": _by_entity(
                    (
                        (entity, name),
                        {
                            "before": first[entity][name].as_json(),
                            "after": of.runs[at].estimates_of(entity)[name].as_json(),
                            "change": change.as_json(),
                        },
                    )
                    for (entity, name), change in of.changes[at - 1].items()
                ),
            }
            for at in order
        ],
        "why": None if why is None else _explained(why),
    }


def _explained(why: Explanation) -> dict[str, Any]:
    return {
        "paths": why.paths,
        "mixtures": why.mixtures,
        "sampled_orders": why.orders,
        "changes": [
            {
                "name": change.name,
                "keys": sorted(change.keys),
                "entities": _by_entity(
                    (key, shares[at].as_json()) for key, shares in why.shares.items()
                ),
            }
            for at, change in enumerate(why.changes)
        ],
    }


def _by_entity(values: Iterable[tuple[tuple[str, str], Any]]) -> dict[str, dict[str, Any]]:
    nested: dict[str, dict[str, Any]] = {}
    for (entity, name), value in values:
        nested.setdefault(entity, {})[name] = value
    return nested
