"""A hundred strings that mean something to a page, a figure, a terminal, a spreadsheet or a parser."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import cycle

from simulator.runs.run import Run
from simulator.schema.sources import Source

_HTML = (
    "<script>alert(1)</script>",
    "<ScRiPt src=//e.example/x.js></sCrIpT>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</title><style>*{display:none}</style>",
    "<iframe srcdoc='<script>1</script>'></iframe>",
    "<!-- comment -->",
    "<![CDATA[ data ]]>",
    "]]><x>",
    "<a href=javascript:alert(1)>go</a>",
    "<meta http-equiv=refresh content=0;url=//e.example>",
    "<base href=//e.example>",
    "<form action=//e.example><input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<math><mtext></p><img src=x onerror=alert(1)>",
    "<table background=//e.example/x.png>",
    "<link rel=stylesheet href=//e.example/x.css>",
    "<plaintext>",
    "&lt;script&gt;",
    "&#60;b&#62;",
    "&amp;amp;",
    "&NotEqualTilde;",
    "javascript:alert(1)",
    "data:text/html,<script>1</script>",
    "x' onmouseover='alert(1)",
    'x" style="position:fixed',
    "`onclick=alert(1)`",
    "</figure></main></body></html>",
    "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>&e;",
    "<svg><script>1</script></svg>",
)
_TEMPLATES = (
    "{{ 7*7 }}",
    "{% raw %}",
    "{# gone #}",
    "${7*7}",
    "#{7*7}",
    "{0} {title} {run.scenario}",
    "%s %d %(name)s",
    "%n%n%n",
    "f'{1/0}'",
    "__import__('os').system('true')",
)
_MATHS = (
    "Capex $60bn vs $100bn",
    r"$\frac{1}{0}$",
    r"cost $\badmacro$",
    r"\alpha^2_3",
    "$$ x $$",
    "100 % of $1",
    r"C:\new\table\x",
    "a_b^c",
    r"\$5 \\ \{\}",
    "$",
)
_RICH = (
    "[/]",
    "[bold red]rich[/bold red]",
    "[link=https://e.example]here[/link]",
    "[@click=app.bell]bell[/]",
    ":warning: :skull:",
    "[[double]]",
    r"\[escaped]",
    "[not a tag",
    "] reversed [",
    "[/bold]",
)
_FORMULAS = (
    "=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://e.example","x")',
    "+1+1",
    "-1+1",
    "@SUM(1,1)",
    "=IMPORTXML(CONCAT(1),1)",
    '"=1+1"',
    "'=1+1",
    ";=1+1",
    "a,b;c\td",
    '"quoted, with comma"',
    '""',
    "=-+@",
    "0x41",
)
_CONTROLS = (
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x1b]8;;http://e.example\x1b\\link\x1b]8;;\x1b\\",
    "\x9b31m",
    "back\x08\x08space",
    "carriage\rreturn",
    "line\nfeed",
    "tab\there",
    "null\x00byte",
    "form\x0cfeed\x0b",
    "\u202egnp.exe\u202c",
    "\u2066isolate\u2069",
    "zero\u200bwidth\u200d",
    "soft\u00adhyphen",
    "\ufeffbom",
    "line\u2028separator\u2029",
    "lone \ud800 surrogate",
    "\U000e0041 tag",
    "\x7fdelete\x85",
    "a\u0301\u0301\u0301\u0301 marks",
)
_LONG = (
    "x" * 200,
    "word " * 40,
    "W" * 5_000,
    "日本語のとても長い題名" * 10,
    "👩‍👩‍👧‍👦 family",
    "العربية",
    "ｆｕｌｌｗｉｄｔｈ",
    "ßẞŉǰ",
    "NULL",
    "../../etc/passwd",
    "CON",
    "-rf /",
)

HOSTILE = (*_HTML, *_TEMPLATES, *_MATHS, *_RICH, *_FORMULAS, *_CONTROLS, *_LONG)
"""Strings of all kinds; not one of them may have an effect, and each must show as what it is."""


def dressed(run: Run, texts: Iterable[str]) -> tuple[Run, list[str]]:
    """The run with hostile text wherever a file can put text, and what of it was used.

    Title, names of firms and groups, thresholds, sources and their weaknesses.
    """
    endless, used = cycle(texts), []

    def text() -> str:
        used.append(next(endless))
        return used[-1]

    scenario, universe = run.scenario, run.scenario.universe
    dressed_universe = replace(
        universe,
        firms=tuple(firm.model_copy(update={"name": text()}) for firm in universe.firms),
        group_titles={group: text() for group in universe.groups},
    )
    sources = {
        key: Source.model_construct(
            source=text(), date="2025", quote="", weakness=text(), strength="D"
        )
        for key in [row.key for row in scenario.ledger() if row.origin != "default"]
    }
    limits = tuple(replace(one, name=text(), text=text()) for one in scenario.thresholds)
    whole = replace(
        scenario,
        title=text(),
        universe=dressed_universe,
        sources=sources,
        thresholds=limits,
    )
    return replace(run, scenario=whole), used
