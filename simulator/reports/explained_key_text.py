"""What ``crashsim explain`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.reports.assumption_text import GRADES, value_text
from simulator.reports.text_lines import Line, folded
from simulator.runs.sensitivity import sensitivities
from simulator.statistics.formatting import signed

if TYPE_CHECKING:
    from simulator.runs import Run
    from simulator.scenario.assumptions import Assumption
    from simulator.scenario.explained_key import ExplainedKey


def key_lines(key: ExplainedKey, run: Run | None, name: str, width: int) -> list[Line]:
    """What the key is, its value in each scenario with the source, and what it moves in the run called ``name``."""
    spec = key.spec
    default = "must be given" if spec.default is None else f"default {spec.default:.6g}"
    head = [
        (f"{key.key}: {spec.doc}", "strong"),
        (f"unit {'1 (a pure number)' if spec.unit == '1' else spec.unit}; allowed {spec.low:,.6g} "
         f"to {spec.high:,.6g}; {default}; a file may give "
         f"{'a distribution' if spec.uncertain else 'one number only'}", ""),
        (f"part of {key.about}{f' ({key.place})' if key.place else ''}", ""),
        (f"source of the default: {spec.strength}: {spec.source}", ""),
        (f"({GRADES})", ""),
    ]  # fmt: skip
    lines = [line for text, style in head for line in folded(text, width, 0, 3, style)]  # type: ignore[arg-type]
    lines += [Line(""), Line("VALUE BY SCENARIO", "strong")]
    for value, names in _by_value(key.values).items():
        lines += folded(f"{value}: {', '.join(names)}", width, 2, 5)
    if run is not None:
        lines += [Line(""), *folded(f"WHAT IT MOVES IN {name}", width, style="strong")]
        lines += [line for text in _moves(key.key, run) for line in folded(text, width, 2, 5)]
    return lines


def _by_value(values: dict[str, Assumption]) -> dict[str, list[str]]:
    """Names of scenarios by their value, what they price in if that differs, and the strength of the evidence."""
    names: dict[str, list[str]] = {}
    for name, row in values.items():
        priced = ""
        if row.priced_in is not None and row.priced_in != row.value:
            priced = f" (priced in {value_text(row, row.priced_in)})"
        origin = "default" if row.origin == "default" else row.strength
        names.setdefault(f"{value_text(row, row.value)}{priced}, {origin}", []).append(name)
    return names


def _moves(key: str, run: Run) -> list[str]:
    """Rank correlations with the largest fall of each group, with their 95 % intervals."""
    if key not in run.results.inputs:
        return ["It is a single number in this run, so its paths cannot say."]
    lines = [
        "rank correlation with the largest fall (95 % interval); above 0: more of it, deeper falls"
    ]
    for row in _of_key(key, run):
        r, low, high = (signed(row[name], 2) for name in ("rank_correlation", "low", "high"))
        most = ": this it moves most" if row["moves_most"] else ""
        lines.append(f"{run.label(row['entity'])} {r} ({low} to {high}){most}")
    return lines


def _of_key(key: str, run: Run) -> list[dict[str, Any]]:
    """Its rank correlations, a record a group."""
    table = sensitivities(run.scenario, run.results)
    return table[table["key"] == key].drop(columns=["key", "strength"]).to_dict("records")  # type: ignore[return-value]


def key_document(key: ExplainedKey, run: Run | None) -> dict[str, Any]:
    """The same for programs."""
    spec = key.spec
    document: dict[str, Any] = {
        "key": key.key,
        "meaning": spec.doc,
        "unit": spec.unit,
        "low": spec.low,
        "high": spec.high,
        "default": spec.default,
        "may_be_uncertain": spec.uncertain,
        "source": spec.source,
        "strength": spec.strength,
        "part_of": key.about,
        "place": key.place,
        "values": {
            name: {
                "value": value_text(row, row.value),
                "origin": row.origin,
                "source": row.source,
                "strength": row.strength,
            }
            for name, row in key.values.items()
        },
    }
    if run is not None:
        document["moves"] = _of_key(key.key, run)
    return document
