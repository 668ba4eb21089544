"""Make simulator/history/data/*.csv: weekly closes around two crashes, and the facts of seven.

    python scripts/make_baselines.py [FOLDER]

Closes come from the daily series that the arch package (a development dependency) carries, 1999 to
2018; facts outside those years are the literals below. See simulator/history/data/SOURCES.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

import arch.data.nasdaq
import arch.data.sp500
import numpy as np

from simulator.history.baselines import sample
from simulator.history.prices_csv import Closes
from simulator.statistics.drawdown import measure_drawdowns

DATA = Path(__file__).parents[1] / "simulator" / "history" / "data"

# Each window begins before the peak and ends some weeks after the recovery.
WINDOWS = {
    ("dotcom", "sp500"): ("1999-01-04", "2007-10-26"),
    ("dotcom", "nasdaq"): ("1999-01-04", "2015-05-29"),
    ("2008", "sp500"): ("2006-01-03", "2013-05-31"),
    ("2008", "nasdaq"): ("2006-01-03", "2011-06-24"),
}

_SP500 = "daily closes of the S&P 500 (Yahoo Finance ^GSPC)"
_SP90 = "daily closes of the S&P 90, the index before 1957 (Yahoo Finance ^GSPC)"
_NASDAQ = "daily closes of the NASDAQ Composite (Yahoo Finance ^IXIC)"
_ARCH = "daily closes carried by the arch package 8.0.0 (Yahoo Finance)"

# peak date, peak close, trough date, trough close, recovery date, source
LITERALS = {
    ("1929", "sp500"): ("1929-09-16", 31.86, "1932-06-01", 4.40, "1954-09-22", _SP90),
    ("1973-74", "sp500"): ("1973-01-11", 120.24, "1974-10-03", 62.28, "1980-07-17", _SP500),
    ("1973-74", "nasdaq"): ("1973-01-11", 136.84, "1974-10-03", 54.87, "1978-09-07", _NASDAQ),
    ("1987", "sp500"): ("1987-08-25", 336.77, "1987-12-04", 223.92, "1989-07-26", _SP500),
    ("1987", "nasdaq"): ("1987-08-26", 455.26, "1987-10-28", 291.88, "1989-08-03", _NASDAQ),
    ("2020", "sp500"): ("2020-02-19", 3386.15, "2020-03-23", 2237.40, "2020-08-18", _SP500),
    ("2020", "nasdaq"): ("2020-02-19", 9817.18, "2020-03-23", 6860.67, "2020-06-08", _NASDAQ),
    ("2022", "sp500"): ("2022-01-03", 4796.56, "2022-10-12", 3577.03, "2024-01-19", _SP500),
    ("2022", "nasdaq"): ("2021-11-19", 16057.44, "2022-12-28", 10213.29, "2024-02-29", _NASDAQ),
}
EPISODES = ("1929", "1973-74", "1987", "dotcom", "2008", "2020", "2022")


def daily(index: str, start: str, end: str) -> Closes:
    """Daily closes from the package, rounded to the cents in which they are published."""
    source = {"sp500": arch.data.sp500, "nasdaq": arch.data.nasdaq}[index]
    closes = source.load()["Close"].loc[start:end]
    return Closes(closes.index.to_numpy().astype("datetime64[D]"), np.round(closes.to_numpy(), 2))


def fact(episode: str, index: str) -> str | None:
    """One row of facts.csv."""
    if (episode, index) in WINDOWS:
        dates, closes = daily(index, *WINDOWS[episode, index])
        table = measure_drawdowns(closes)
        peak, trough = int(table.peak_step), int(table.trough_step)
        recovery = int(table.recovery_step)
        if recovery < 0:
            raise SystemExit(f"{episode} {index}: the window ends before the recovery")
        row = (dates[peak], closes[peak], dates[trough], closes[trough], dates[recovery], _ARCH)
    elif (episode, index) in LITERALS:
        row = LITERALS[episode, index]
    else:
        return None
    peak_date, peak_close, trough_date, trough_close, recovery_date, source = row
    depth = 1 - trough_close / peak_close
    return (
        f"{episode},{index},{peak_date},{peak_close:.2f},{trough_date},{trough_close:.2f},"
        f"{depth:.6f},{recovery_date},{quote(source)}\n"
    )


def quote(text: str) -> str:
    """A CSV text field."""
    return f'"{text}"' if "," in text else text


def weekly(episode: str, index: str) -> str:
    """A CSV of the last close of each calendar week, under its own date."""
    dates, closes = sample(daily(index, *WINDOWS[episode, index]), 52)
    rows = (f"{day},{close:.2f}\n" for day, close in zip(dates, closes, strict=True))
    return "date,close\n" + "".join(rows)


def build() -> dict[str, str]:
    """File name -> content."""
    header = (
        "episode,index,peak_date,peak_close,trough_date,trough_close,depth,recovery_date,source\n"
    )
    rows = (fact(episode, index) for episode in EPISODES for index in ("sp500", "nasdaq"))
    made = {"facts.csv": header + "".join(row for row in rows if row)}
    for episode, index in WINDOWS:
        made[f"{index}_{episode}.csv"] = weekly(episode, index)
    return made


def main(folder: Path) -> None:
    """Write all files, with the same bytes on every system."""
    for name, text in build().items():
        (folder / name).write_bytes(text.encode())
        print(folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DATA)
